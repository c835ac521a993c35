"""Whether the weights of an encoder are on this machine, found out without importing a library."""

import os
from importlib.util import find_spec
from pathlib import Path

from mmbench.encoder_spec import Need
from mmbench.home import Home


def missing(need: Need, home: Home) -> str | None:
    """Return what is missing in words, or None where the need is met.

    The cache of the Hugging Face hub is looked for where its own tools do: HF_HUB_CACHE, else
    HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
    """
    if need.package:
        return None if find_spec(need.package) else f"the package of {need.package}"
    if need.file:
        path = home.models / need.file
        return None if path.exists() else f"models/{need.file} in the home"
    folder = hub_cache() / f"models--{str(need.hub).replace('/', '--')}" / "snapshots"
    commits = folder / need.revision if need.revision else folder
    return None if commits.is_dir() and any(commits.iterdir()) else f"{need.hub} of the hub"


def hub_cache() -> Path:
    """Return the folder in which the hub's tools keep what they fetch."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    root = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{root}/hub").expanduser()
