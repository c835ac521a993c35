"""Where a model of timm is: a name becomes an architecture and a file of weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench.encoders.hub import Snapshot, snapshot
from mmbench.encoders.named_weights import USE
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
    ours = "/" not in name or name.startswith(OWNER)
    if folder.is_dir():
        if named and ours:
            return _as_named(folder.absolute(), name)
        return _in_folder(folder.absolute(), name if named else folder.name)
    if random_weights and ours:
        return _by_name(name, None)
    repo = _repository(_known(name)) if ours else name
    taken = _fetched(repo, revision or None, random_weights)
    if ours and repo != OWNER + _known(name):  # its settings may be those of another name
        found = _by_name(name, _weights(taken.folder))
    else:
        found = _in_folder(taken.folder, name)
    return Source(found.builds, found.weights, {**found.told, "revision": taken.revision})


def _fetched(repo: str, revision: str | None, random_weights: bool) -> Snapshot:
    safe, pickled = WEIGHTS
    use = USE.format("image")
    try:
        needed = CONFIG if random_weights else safe
        return snapshot(repo, revision, [CONFIG, safe], needed, use)
    except UsageError as refused:
        if random_weights:
            raise
        try:
            return snapshot(repo, revision, [CONFIG, pickled], pickled, use)
        except UsageError:
            raise refused from None


def _repository(known: str) -> str:
    """Return where the hub holds the weights of a name; that is not always timm/NAME."""
    settings = timm.get_pretrained_cfg(known)
    if settings and settings.hf_hub_id:
        return str(settings.hf_hub_id)
    if settings and settings.url:
        raise UsageError(
            f"the hub does not hold the weights of '{known}': fetch {settings.url} and add "
            "--weights FILE (half of a pair: have it as FOLDER/image)"
        )
    raise UsageError(
        f"timm knows no weights of '{known}': name your own with --weights FILE, or add "
        "--random-weights"
    )


def _as_named(folder: Path, name: str) -> Source:
    """Return the model in a folder that a person named for a name of timm.

    Raises:
        UsageError: the folder says that it holds another one.
    """
    known, config = _known(name), folder / CONFIG
    if not config.is_file():
        return _in_folder(folder, name)
    architecture, tag = _parted(name)
    told, told_tag = _told(config)
    repo = getattr(timm.get_pretrained_cfg(known), "hf_hub_id", None) or OWNER + known
    shared = repo != OWNER + known and told in (None, _parted(repo)[0])
    if (told != architecture and not shared) or (tag and told_tag and told_tag != tag):
        found = f"{told}.{told_tag}" if told_tag else told
        raise UsageError(
            f"{config}: it is of '{found}', not of '{name}': name the folder of '{name}', or ask "
            f"for '{found}'"
        )
    if told != architecture:  # that repository holds the settings of another architecture
        return _by_name(name, _weights(folder))
    return _in_folder(folder, name)


def _parted(name: str) -> tuple[str, str]:
    """Return architecture and tag, '' where there is none."""
    architecture, _, tag = name.removeprefix(OWNER).partition(".")
    return architecture, tag


def _told(config: Path) -> tuple[str | None, str | None]:
    """Return the architecture and the tag that a configuration names."""
    try:
        held = json.loads(config.read_text(encoding="utf-8"))
        return held.get("architecture"), (held.get("pretrained_cfg") or {}).get("tag")
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{config}: no settings of a model of timm: fetch it again") from error


def _weights(folder: Path) -> Path | None:
    return next((folder / each for each in WEIGHTS if (folder / each).is_file()), None)


def _in_folder(folder: Path, name: str) -> Source:
    weights, config = _weights(folder), folder / CONFIG
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
    architecture, tag = _parted(name)
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
