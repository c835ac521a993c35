"""The folder of a Ray that a sweep starts: it goes with the sweep, or with the next one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmbench.atomic import told_of_disk
from mmbench.sweeps.claim import Claim

# The name of a socket has 107 bytes at most, and $TMPDIR may take most of them.
ABOVE = Path("/tmp")  # noqa: S108 - mkdtemp makes a folder of its own
_PREFIX, _LOCK, _INSIDE = "mmbench-ray-", ".lock", "r"


@contextmanager
def ray_folder(above: Path = ABOVE) -> Iterator[str]:
    """Yield a new folder, held while the block runs: two sweeps at once share nothing.

    Ray opens the folder it is given to everybody, so it gets one in a folder that is only ours.

    Folders of this person's sweeps that were killed are removed first.

    Raises:
        UsageError: the disk is full.
    """
    for lock in _locks(above):
        _remove(lock.parent, Claim.take(lock))
    with told_of_disk(above):
        folder, claim = _held(above)
    try:
        yield str(folder / _INSIDE)
    finally:
        _remove(folder, claim)


def _locks(above: Path) -> list[Path]:
    """Return the locks of folders that are this person's and closed to others."""
    found = []
    for folder in above.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it has just gone
            status, lock = folder.lstat(), folder / _LOCK
            ours = status.st_uid == os.getuid() and not status.st_mode & 0o077
            if ours and lock.is_file():
                found.append(lock)
    return found


def _held(above: Path) -> tuple[Path, Claim]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        claim = Claim.take(folder / _LOCK)
        if claim is not None:  # else another sweep saw a folder that nobody held, and removes it
            return folder, claim


def _remove(folder: Path, claim: Claim | None) -> None:
    if claim is None:
        return
    shutil.rmtree(folder, ignore_errors=True)
    claim.release()
    with suppress(OSError):  # what a process wrote meanwhile goes with the next sweep
        (folder / _LOCK).touch()
