"""The files of a model: found in a folder, or brought there from the hub."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmbench.encoders.checkpoint import pinned_sha256, read_checkpoint
from mmbench.encoders.hub import Snapshot, snapshot
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256, fingerprint

CONFIG = "config.json"
PIXELS = ("preprocessor_config.json", "processor_config.json")
VOCABULARIES = (
    *("tokenizer.json", "vocab.json", "vocab.txt"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
)
WORDS = (
    *VOCABULARIES,
    *("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
# What from_pretrained looks for, in its order; the second of a pair is the index of several parts.
SAFE = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def from_hub(repo: str, revision: str | None, modality: str, weights: bool) -> Snapshot:
    """Return a repository's files, those that are not in the hub's cache fetched.

    Args:
        repo: its name.
        revision: a commit, branch or tag; the main branch where it is None.
        modality: image or text, which files it takes.
        weights: whether those of the weights are wanted; safetensors where there are any.

    Raises:
        UsageError: see `mmbench.encoders.hub.snapshot`.
    """
    reads = PIXELS if modality == "image" else VOCABULARIES
    small = (CONFIG, *PIXELS, *WORDS)
    found = snapshot(repo, revision, small, CONFIG)
    snapshot(repo, found.revision, small, "|".join(reads))
    if weights and not weights_files(found.folder):
        try:
            snapshot(repo, found.revision, (*SAFE, "model-*.safetensors"), "|".join(SAFE))
        except UsageError as refused:
            try:
                snapshot(repo, found.revision, (*PICKLED, "pytorch_model-*.bin"), "|".join(PICKLED))
            except UsageError:
                raise refused from None
    return found


def weights_files(folder: Path) -> list[Path]:
    """Return the files that hold a folder's weights, none where they are not all there."""
    for whole, index in (SAFE, PICKLED):
        if (folder / whole).is_file():
            return [folder / whole]
        if (folder / index).is_file():
            parts = _parts(folder / index)
            return parts if all(part.is_file() for part in parts) else []
    return []


def _parts(index: Path) -> list[Path]:
    try:
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{index}: no index of the parts of weights: fetch it again") from error
    return [index.parent / name for name in sorted(names)]


def require_weights(folder: Path) -> list[Path]:
    """Return the files that hold a folder's weights; UsageError where they are not all there."""
    files = weights_files(folder)
    if not files:
        raise UsageError(
            f"{folder}: holds no weights, or not all parts of them: put {SAFE[0]} there, "
            "or add --random-weights"
        )
    return files


def unreadable(files: Sequence[Path], error: Exception) -> UsageError:
    """Return what to say of weights that transformers cannot read.

    Raises:
        UsageError: torch knows better what is wrong with one of the files.
    """
    for path in files:
        if path.suffix != ".safetensors":
            read_checkpoint(path)
    reason = " ".join(str(error).split())[:160]
    return UsageError(f"{files[0]}: no weights that can be read ({reason}): fetch the file again")


def require_one_of(folder: Path, names: Sequence[str], what: str) -> None:
    """Raise UsageError where a folder holds none of some files; `what` says what they are."""
    if not any((folder / name).is_file() for name in names):
        raise UsageError(f"{folder}: holds no {what}: put {' or '.join(names)} there")


def words_sha256(folder: Path) -> Mapping[str, str]:
    """Return the sha256 of each file of a folder that its tokenizer reads."""
    return {name: file_sha256(folder / name) for name in WORDS if (folder / name).is_file()}


def weights_sha256(files: Sequence[Path], pin: str | None) -> str:
    """Return the sha256 of a weights file, or the fingerprint of those of its parts.

    Raises:
        UsageError: there is a pin, and the weights are others.
    """
    if len(files) == 1:
        return pinned_sha256(files[0], pin)
    if pin is not None:
        raise UsageError(f"{files[0].parent}: sha256 pins one file, these weights have several")
    return fingerprint({path.name: file_sha256(path) for path in files})
