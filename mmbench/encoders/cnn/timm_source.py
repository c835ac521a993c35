"""Where a model of timm is: a name becomes an architecture and a file of weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench.encoders.hub import snapshot
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

import_torchvision_safely()  # before the first import of timm

import timm  # noqa: E402

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
OWNER = "timm/"  # of the repositories that need no owner's name


@dataclass(frozen=True)
class Source:
    """A model that timm can build.

    builds: what timm builds it from: local-dir:FOLDER, or a name it knows.
    weights: the file of its weights; None where there is none.
    told: what identifies it beside the weights.
    """

    builds: str
    weights: Path | None
    told: dict[str, Any]


def timm_source(model: str, named: Path | None, random_weights: bool) -> Source:
    """Return where a model is.

    Args:
        model: a folder, a name of timm, or a repository of the hub, perhaps with @REVISION.
        named: a file or folder of weights that a person named instead.
        random_weights: its weights are not needed.

    Raises:
        UsageError: timm has no such model, or its files are not there and cannot be fetched.
    """
    name, _, revision = model.partition("@")
    if named is not None and named.is_file():
        return _by_name(name, named)
    folder = named or Path(model).expanduser()
    if folder.is_dir():
        return _in_folder(folder.absolute(), name if named else folder.name)
    ours = "/" not in name or name.startswith(OWNER)
    if random_weights and ours:
        return _by_name(name, None)
    repo = OWNER + _known(name) if ours else name
    needed = CONFIG if random_weights else WEIGHTS[0]
    taken = snapshot(repo, revision or None, [CONFIG, WEIGHTS[0]], needed)
    found = _in_folder(taken.folder, name)
    return Source(found.builds, found.weights, {**found.told, "revision": taken.revision})


def _in_folder(folder: Path, name: str) -> Source:
    weights = next((folder / each for each in WEIGHTS if (folder / each).is_file()), None)
    config = folder / CONFIG
    if config.is_file():
        return Source(
            f"local-dir:{folder}", weights, {"model": name, "config": file_sha256(config)}
        )
    if weights is None:
        raise UsageError(f"{folder}: no model of timm: its {CONFIG} and {WEIGHTS[0]} are missing")
    return _by_name(name, weights)


def _by_name(name: str, weights: Path | None) -> Source:
    known = _known(name)
    return Source(known, weights, {"model": known})


def _known(name: str) -> str:
    """Return a name as timm has it, with the tag of its weights where it has one."""
    plain = name.removeprefix(OWNER)
    architecture, _, tag = plain.partition(".")
    if not timm.is_model(architecture) or "/" in plain:
        raise UsageError(
            f"timm has no model '{plain}': {nearest(architecture, timm.list_models())}"
        )
    tagged: list[str] = timm.list_pretrained(f"{architecture}*")
    if not tag:
        settings = timm.get_pretrained_cfg(architecture)
        tag = settings.tag if settings else ""
    elif plain not in tagged:
        raise UsageError(f"timm has no weights '{plain}': {nearest(plain, tagged)}")
    return f"{architecture}.{tag}" if tag else architecture
