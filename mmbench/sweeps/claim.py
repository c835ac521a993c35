"""A piece of work that one process has taken and others see to be taken, until it ends or dies."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mmbench.atomic import told_of_disk


@dataclass(frozen=True)
class Claim:
    """A held lock file, of the kind of `mmbench.atomic.locked`; nobody waits for it."""

    path: Path
    file: IO[str]

    @classmethod
    def take(cls, path: Path) -> "Claim | None":
        """Return the claim, None where another has it; UsageError where the disk is full."""
        with told_of_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return cls(path, file)
        except (BlockingIOError, FileNotFoundError):
            pass  # another has it, or has just given it back
        file.close()
        return None

    def release(self) -> None:
        """Give it back."""
        self.path.unlink(missing_ok=True)
        self.file.close()
