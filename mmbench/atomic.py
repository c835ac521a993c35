"""Files and folders that are there whole or not at all: written beside, then renamed."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC, EROFS
from pathlib import Path
from typing import IO

from mmbench.errors import DiskError

_NO_ROOM = (EDQUOT, EFBIG, ENOSPC, EROFS)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what is written there becomes `path` when the block succeeds.

    DiskError where the disk is full or read-only.
    """
    with told_of_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` when the block succeeds.

    A folder that stood at `path` is replaced only then; on any error it is left as it was.
    DiskError where the disk is full or read-only.
    """
    with told_of_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir()
            yield part
            if path.exists():
                old = path.with_name(f".{path.name}.{os.getpid()}.old")
                path.rename(old)
                try:
                    part.rename(path)
                except OSError:
                    old.rename(path)
                    raise
                shutil.rmtree(old)
            else:
                part.rename(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; another process that wants it waits.

    The system lets go of it when a process dies, so a killed one locks nobody out.
    """
    with told_of_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _held(path):
            try:
                yield
            finally:
                path.unlink(missing_ok=True)


def _held(path: Path) -> IO[str]:
    """Return the lock file, held: the one that has the path's name now, not one taken away."""
    while True:
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()


@contextmanager
def told_of_disk(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or read-only disk into a DiskError about `path`."""
    try:
        yield
    except OSError as error:
        # NumPy counts the bytes it could not write instead of giving the system's number.
        if error.errno not in _NO_ROOM and not str(error).endswith("written"):
            raise
        reason = os.strerror(error.errno) if error.errno else error
        raise DiskError(
            f"cannot write {path} ({reason}): make room, or name another folder with --home"
        ) from error
