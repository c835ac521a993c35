"""Files of the Hugging Face hub: from its cache where they are there, else fetched, else a line.

HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean to every tool of the hub.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import model_info, snapshot_download
from huggingface_hub.constants import HF_HUB_CACHE
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from mmbench.errors import UsageError


@dataclass(frozen=True)
class Snapshot:
    """The files of a repository at one commit.

    folder: where they lie.
    revision: the commit; None for a folder that a person named.
    """

    folder: Path
    revision: str | None


def snapshot(repo: str, revision: str | None, patterns: Sequence[str], needed: str) -> Snapshot:
    """Return the files of a repository that match some patterns.

    Nothing is asked of the network when the cache holds a commit that was named.

    Args:
        repo: such as openai/clip-vit-base-patch16.
        revision: a commit, branch or tag; the repository's main branch where it is None.
        patterns: of the files, such as "*.json".
        needed: a pattern without whose file the snapshot is of no use, such as "*.safetensors".

    Raises:
        UsageError: the files are neither in the cache nor to be had; says how to bring them.
    """
    found = _cached(repo, revision, patterns, needed)
    if found is None or not _is_commit(revision):
        found = _fetched(repo, revision, patterns, found)
    if not _holds(found, needed):
        raise UsageError(f"{repo} at {found.name} of the hub holds no {needed}")
    return Snapshot(found, found.name)


def _is_commit(revision: str | None) -> bool:
    return revision is not None and len(revision) == 40


def _cached(repo: str, revision: str | None, patterns: Sequence[str], needed: str) -> Path | None:
    try:
        found = Path(
            snapshot_download(
                repo, revision=revision, allow_patterns=list(patterns), local_files_only=True
            )
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return found if _holds(found, needed) else None


def _fetched(repo: str, revision: str | None, patterns: Sequence[str], cached: Path | None) -> Path:
    try:
        model_info(repo, revision=revision, timeout=10)  # fails at once where there is no network
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # of whichever HTTP library this version of the hub's client uses
        if cached is not None:
            return cached
        reason = " ".join(str(error).split())[:120]
        at = f" --revision {revision}" if revision else ""
        raise UsageError(
            f"the files of {repo} are not in the cache at {HF_HUB_CACHE} and cannot be fetched "
            f"({reason}): where there is a network, run `hf download {repo}{at}` and bring its "
            "folder here with --weights FOLDER"
        ) from error


def _holds(folder: Path, pattern: str) -> bool:
    return any(fnmatch(str(path.relative_to(folder)), pattern) for path in folder.rglob("*"))
