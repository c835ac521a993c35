"""The points of a cell's search on disk, a file each: the only memory that a sweep has."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmbench.atomic import whole_file
from mmbench.cells import Cell
from mmbench.fingerprint import SHORT
from mmbench.home import Home
from mmbench.specs import Scalar

SWEEPS = "sweeps"  # the folder of a home
OK, STOPPED, FAILED = "ok", "stopped early", "failed"
Curve = Sequence[Sequence[Any]]  # [epoch, loss, score]; the score is None where none was measured


@dataclass(frozen=True)
class Point:
    """What became of one point.

    score: the best of validation; None where the training failed before there was one.
    seconds: of its training. error: type, message and traceback of a failure.
    repeats: the number of an earlier point with the same hyper-parameters, whose training is told
    here again; None for a point that was trained.
    """

    number: int
    hyperparameters: Mapping[str, Scalar]
    status: str
    curve: Curve
    score: float | None
    seconds: float
    error: Mapping[str, str] | None = None
    repeats: int | None = None

    @property
    def scores(self) -> list[float]:
        """Validation after every evaluation."""
        return [score for _, _, score in self.curve if score is not None]

    def line(self) -> dict[str, Any]:
        """Return what the record of the chosen point tells of this one."""
        told = asdict(self)
        kept = ("number", "hyperparameters", "status", "score", "seconds")
        return {key: told[key] for key in kept} | {"evaluations": len(self.scores)}


@dataclass(frozen=True)
class History:
    """The folder of a cell's points."""

    folder: Path

    @classmethod
    def of(cls, cell: Cell, home: Home) -> "History":
        """Return the history of a cell; it is another one where anything that fixes it differs."""
        return cls(home.root / SWEEPS / cell.identity[:SHORT])

    def path(self, number: int) -> Path:
        """Where a point lies."""
        return self.folder / f"point-{number}.json"

    def describe(self, cell: Cell) -> None:
        """Write, for people, what the cell is."""
        told = {
            "name": cell.name,
            "identity": cell.identity,
            "select": cell.select,
            "space": {key: [kind, list(values)] for key, (kind, values) in cell.space.items()},
            "search": cell.search and cell.search.model_dump(mode="json"),
        }
        self._write(self.folder / "cell.json", told)

    def write(self, point: Point) -> None:
        """Keep a point; UsageError where the disk is full."""
        self._write(self.path(point.number), asdict(point))

    def read(self, number: int, hyperparameters: Mapping[str, Scalar]) -> Point | None:
        """Return a point that was kept.

        None where there is none, where it was of other hyper-parameters, where its file is
        damaged, and where it failed for something that a person may have mended since.
        """
        try:
            found = Point(**json.loads(self.path(number).read_text(encoding="utf-8")))
            whole = found.status in (OK, STOPPED, FAILED) and len(found.scores) <= len(found.curve)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        asked = found.number == number and found.hyperparameters == dict(hyperparameters)
        mended = found.error is not None and found.error.get("type") == "UsageError"
        return found if whole and asked and not mended else None

    def forget_failed(self) -> None:
        """Remove the points that failed, so that they are trained again."""
        for path in sorted(self.folder.glob("point-*.json")):
            try:
                failed = json.loads(path.read_text(encoding="utf-8"))["status"] == FAILED
            except (OSError, ValueError, TypeError, LookupError, RecursionError):
                continue  # it is damaged, and counts as none
            if failed:
                path.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=1, ensure_ascii=False)
        with whole_file(path) as part:
            part.write_text(text + "\n", encoding="utf-8")


def best(points: Sequence[Point]) -> Point | None:
    """Return the point that did best on validation, the first of equals; None where all failed."""
    scored = [point for point in points if point.score is not None and point.status != FAILED]
    return max(scored, key=lambda point: (point.score, -point.number), default=None)


def told(cell: Cell, points: Sequence[Point], chosen: Point | None) -> dict[str, Any] | None:
    """Return the key `search` of a record; None where nothing was searched."""
    if cell.search is None:
        return None
    kept = ("algorithm", "trials", "round", "seed", "early_stopping")
    said = cell.search.model_dump(mode="json")
    return {
        **{key: said[key] for key in kept},
        "space": {key: [kind, list(values)] for key, (kind, values) in cell.space.items()},
        "chosen": None if chosen is None else chosen.number,
        "history": [point.line() for point in points],
    }
