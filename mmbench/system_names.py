"""What systems are called: MODEL/ENCODER, DATASET/ENCODER/MODEL, a trial's first digits behind."""

import re

PREFIX = re.compile(r"[0-9a-f]{4,64}")  # of a trial's fingerprint


def names(dataset: str, encoder: str, model: str) -> tuple[str, str]:
    """Return both names of a system."""
    return f"{model}/{encoder}", f"{dataset}/{encoder}/{model}"


def key(text: str) -> str:
    """Return a name as it is compared: an encoder's colons and slashes are dashes on disk."""
    return re.sub(r"[^A-Za-z0-9._+]+", "-", text).strip("-")


def digits(wanted: str, name: str) -> str | None:
    """Return the first digits of the trial that is wanted of a system, None where another is.

    Args:
        wanted: what a person wrote, as `key` gives it.

    >>> digits(key("VBPR/permuted:clip/12ab"), "VBPR/permuted-clip")
    '12ab'
    >>> digits(key("VBPR/clip"), "VBPR/clip")
    ''
    """
    if wanted == key(name):
        return ""
    start, _, behind = wanted.rpartition("-")
    return behind if start == key(name) and PREFIX.fullmatch(behind) else None
