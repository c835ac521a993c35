"""All the work of one cell, from its first point to its last record."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.records import Record
from mmbench.scratch import clear
from mmbench.sweeps.finals import Finals
from mmbench.sweeps.halving import Halving
from mmbench.sweeps.history import FAILED, OK, STOPPED, History, Point, best, told
from mmbench.sweeps.job import Job
from mmbench.sweeps.rounds import Rounds


class CellWork:
    """Gives the jobs of a cell and takes their results.

    Args:
        place: of the cell in the sweep. opened: what is shared with the other cells.
    """

    def __init__(self, cell: Cell, place: int, home: Home, opened: Opened) -> None:
        self.cell, self.place, self.home, self._opened = cell, place, home, opened
        self.history = History.of(cell, home)
        self.rounds = Rounds(cell, cell.search, self.history) if cell.search else None
        self.halving = self.rounds.halving if self.rounds else Halving(cell)
        self.finals: Finals | None = None
        self._cleared: list[Path] = []

    def next(self) -> Job | None:
        """Return a job, None where there is none now; UsageError where the disk is full."""
        if self.rounds is not None and not self.rounds.complete:
            drawn = self.rounds.next()
            if drawn is not None:
                return Job(self.place, self.cell.name, "point", *drawn)
        finals = self._finals()
        seed = finals.next() if finals else None
        if finals is None or seed is None:
            return None
        return Job(self.place, self.cell.name, "final", seed, finals.chosen)

    @property
    def complete(self) -> bool:
        """Whether every record is there; what the history and the home have counts."""
        if self.rounds is not None:
            self.rounds.replay()
        finals = self._finals()
        return finals is not None and finals.complete

    def finish(self, job: Job, result: Mapping[str, Any]) -> None:
        """Take what a job reported last; UsageError where the disk is full."""
        if job.kind == "final":
            if self.finals and "files" in result:
                self.finals.finish(job.number, result["files"])
        elif self.rounds:
            self.rounds.finish(_point(job, result, OK if "files" in result else STOPPED))
            self._clear(result)

    def fail(self, job: Job, error: Mapping[str, str], last: Mapping[str, Any]) -> None:
        """Take a failure, and what the job had reported before; UsageError where disk is full."""
        if job.kind == "final":
            if self.finals:
                self.finals.fail(job.number, error)
        elif self.rounds:
            self.rounds.finish(_point(job, last, FAILED, error))
            self._clear(last)

    def release(self) -> None:
        """Let other sweeps have what was begun and not finished; the workers are at rest."""
        if self.rounds:
            self.rounds.release()
        for scratch in self._cleared:  # what was stopped had gone on by an evaluation
            clear(scratch)

    def _clear(self, report: Mapping[str, Any]) -> None:
        if "scratch" in report:
            self._cleared.append(Path(report["scratch"]))
            clear(self._cleared[-1])

    @property
    def records(self) -> list[Record]:
        """The records so far, in the order of the seeds."""
        found = self.finals
        return [found.records[s] for s in found.planned if s in found.records] if found else []

    @property
    def failures(self) -> list[str]:
        """A line for each point and each record that failed."""
        lines = [
            f"{self.cell.name}: point {p.number} failed ({_why(p.error)}): "
            f"{self.history.path(p.number)}"
            for p in (self.rounds.failed if self.rounds else ())
        ]
        return lines + [
            f"{self.cell.name}: seed {record.trial['seed']} failed "
            f"({_why(record.values['error'])}): {record.path}"
            for record in self.records
            if record.status == FAILED
        ]

    def _finals(self) -> Finals | None:
        """Return the final trainings once the search is over."""
        if self.finals is None and (self.rounds is None or self.rounds.complete):
            points = self.rounds.points if self.rounds else []
            chosen = best(points)
            told_of = chosen or (points[0] if points else None)
            values = told_of.hyperparameters if told_of else {}
            search = told(self.cell, points, chosen)
            self.finals = Finals(self.cell, self.home, values, search, self._opened)
            if points and chosen is None:
                self.finals.fail_all(points)
        return self.finals


def _point(
    job: Job, result: Mapping[str, Any], status: str, error: Mapping[str, str] | None = None
) -> Point:
    curve = result.get("curve", [])
    scores = [score for _, _, score in curve if score is not None and isfinite(score)]
    seconds = float(result.get("seconds", 0.0))
    score = max(scores, default=None)
    return Point(job.number, dict(job.hyperparameters), status, curve, score, seconds, error)


def _why(error: Mapping[str, str] | None) -> str:
    told = error or {}
    return f"{told.get('type')}: {told.get('message')}".splitlines()[0]
