"""The one folder mmbench writes to."""

import os
from dataclasses import dataclass
from pathlib import Path

from mmbench.errors import DiskError

VARIABLE = "MMBENCH_HOME"
DEFAULT = Path("mmbench-home")


@dataclass(frozen=True)
class Home:
    """The home folder: `datasets/`, `features/`, `results/`, `models/`, `reports/`,
    `downloads/`.
    """

    root: Path

    @classmethod
    def find(cls, path: str | os.PathLike[str] | None = None) -> "Home":
        """Return the home at `path`, else at $MMBENCH_HOME, else at ./mmbench-home."""
        return cls(Path(path or os.environ.get(VARIABLE) or DEFAULT).expanduser().absolute())

    @classmethod
    def of(cls, home: "Home | str | os.PathLike[str] | None") -> "Home":
        """Return a home as it is, or find the one that a path names; see `find` for None."""
        return home if isinstance(home, Home) else cls.find(home)

    @property
    def datasets(self) -> Path:
        """Prepared datasets, a folder each."""
        return self.root / "datasets"

    @property
    def features(self) -> Path:
        """Encoded items: a folder a dataset, and in it one an encoder."""
        return self.root / "features"

    @property
    def results(self) -> Path:
        """Records, by dataset, encoder and model."""
        return self.root / "results"

    @property
    def models(self) -> Path:
        """Weights that a person put here."""
        return self.root / "models"

    @property
    def reports(self) -> Path:
        """What was made to be looked at: pictures and pages."""
        return self.root / "reports"

    @property
    def downloads(self) -> Path:
        """Pictures that were fetched, by dataset; kept from one run to the next."""
        return self.root / "downloads"

    def require_writable(self) -> None:
        """Fail before any work is done when nothing can be written here.

        Raises:
            DiskError: the home cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".writable-{os.getpid()}"
            try:
                probe.write_bytes(b"mmbench")
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(
                f"cannot write to the home {self.root} ({error.strerror}): "
                "make room, or name another folder with --home"
            ) from error
