"""The folder of what a training keeps while it runs."""

from contextlib import suppress
from pathlib import Path


def clear(scratch: Path, keep: str | None = None) -> None:
    """Remove a scratch folder, but for one file that is named."""
    for path in scratch.glob("*"):
        if path.name != keep:
            path.unlink(missing_ok=True)
    with suppress(OSError):  # it is gone, or something stays in it
        scratch.rmdir()
