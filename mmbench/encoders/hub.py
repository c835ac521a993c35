"""Files of the Hugging Face hub: from its cache where they are there, else fetched, else a line.

HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean to every tool of the hub.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import constants, model_info, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mmbench.errors import UsageError


@dataclass(frozen=True)
class Snapshot:
    """The files of a repository at one commit.

    folder: where they lie.
    revision: the commit; None for a folder that a person named.
    """

    folder: Path
    revision: str | None


def snapshot(
    repo: str,
    revision: str | None,
    patterns: Sequence[str],
    needed: str,
    use: str = "add --weights FOLDER",
) -> Snapshot:
    """Return the files of a repository that match some patterns.

    Nothing is asked of the network when the cache holds a commit that was named.

    Args:
        repo: such as openai/clip-vit-base-patch16.
        revision: a commit, branch or tag; the repository's main branch where it is None.
        patterns: of the files, such as "*.json".
        needed: a pattern without whose file the snapshot is of no use, such as "*.safetensors";
            where one of several will do, they are separated by "|".
        use: how the folder of a download by hand is put to use, for the message.

    Raises:
        UsageError: the files are neither in the cache nor to be had; says how to bring them.
    """
    found = _cached(repo, revision, patterns, needed)
    if found is None or not _is_commit(revision):
        found = _fetched(repo, revision, patterns, found, use)
    if not _holds(found, needed):
        wanted = needed.replace("|", " or ")
        raise UsageError(f"{repo} at {found.name} of the hub holds no {wanted}")
    return Snapshot(found, found.name)


def _is_commit(revision: str | None) -> bool:
    return revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None


def _cached(repo: str, revision: str | None, patterns: Sequence[str], needed: str) -> Path | None:
    try:
        found = Path(
            snapshot_download(
                repo, revision=revision, allow_patterns=list(patterns), local_files_only=True
            )
        )
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise UsageError(
            f"'{repo}' is no repository of the hub: write ORG/NAME or the path of a folder"
        ) from error
    return found if _holds(found, needed) and _is_whole(found, patterns) else None


def _fetched(
    repo: str, revision: str | None, patterns: Sequence[str], cached: Path | None, use: str
) -> Path:
    try:
        model_info(repo, revision=revision, timeout=10)  # fails at once where there is no network
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # of whichever HTTP library this version of the hub's client uses
        if cached is not None:
            return cached
        raise UsageError(_refusal(repo, revision, error, use)) from error


def _refusal(repo: str, revision: str | None, error: Exception, use: str) -> str:
    if isinstance(error, GatedRepoError):
        return f"{repo} is gated: accept its terms at the hub, then run `hf auth login`"
    if isinstance(error, RepositoryNotFoundError):
        return f"the hub shows no repository {repo}: mend the name, or run `hf auth login`"
    if isinstance(error, RevisionNotFoundError):
        return f"{repo} has no revision '{revision}': name a commit, a branch or a tag of it"
    reason = " ".join(str(error).split())[:120]
    at = f" --revision {revision}" if revision else ""
    return (
        f"the files of {repo} are not in the cache at {constants.HF_HUB_CACHE} and cannot be "
        f"fetched ({reason}): where there is a network, run `hf download {repo}{at} --local-dir "
        f"FOLDER`, bring the folder here and {use}"
    )


def _holds(folder: Path, needed: str) -> bool:
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return any(fnmatch(file, pattern) for file in files for pattern in needed.split("|"))


def _is_whole(folder: Path, patterns: Sequence[str]) -> bool:
    """Say whether all parts of the weights are there that an index asked for names."""
    for index in folder.glob("*.index.json"):
        try:
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):  # cut short, say
            return False
        asked = [part for part in parts if any(fnmatch(part, pattern) for pattern in patterns)]
        if not all((folder / part).is_file() for part in asked):
            return False
    return True
