"""How far a sweep is: what each cell has done and found, and how long the rest will take."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

from mmbench.cells import Cell
from mmbench.sweeps.history import FAILED, STOPPED, Point, best
from mmbench.sweeps.job import Job

Running = tuple[str, int]  # kind and number of a job


@dataclass
class Row:
    """What has become of one cell.

    trials, seeds: how many trainings its search and its chosen point have.
    points: of the search, as far as they are known. finals: seed → validation score of its final
    training, None where that failed. lasted: seconds of each training of this sweep.
    running: trainings on their way → when they began.
    """

    name: str
    select: str
    trials: int
    seeds: int
    points: dict[int, Point] = field(default_factory=dict)
    finals: dict[int, float | None] = field(default_factory=dict)
    lasted: list[float] = field(default_factory=list)
    running: dict[Running, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All trainings of the cell; where every point failed there is nothing to train then."""
        failed = len(self.points) >= self.trials > 0 and not any(map(best_of, self.points.values()))
        return self.trials + (0 if failed else self.seeds)

    @property
    def done(self) -> int:
        """Trainings that are over."""
        return len(self.points) + len(self.finals)

    @property
    def stopped(self) -> int:
        """Points that were stopped early."""
        return sum(point.status == STOPPED for point in self.points.values())

    @property
    def failed(self) -> int:
        """Trainings that failed."""
        lost = sum(score is None for score in self.finals.values())
        return lost + sum(point.status == FAILED for point in self.points.values())

    @property
    def best(self) -> float | None:
        """The best validation score so far; of the final trainings where nothing is searched."""
        chosen = best(list(self.points.values()))
        if chosen is not None or self.trials:
            return chosen.score if chosen else None
        return max((score for score in self.finals.values() if score is not None), default=None)


def best_of(point: Point) -> bool:
    """Return whether a point may be the best."""
    return best([point]) is not None


class Tally:
    """The rows of a sweep's cells; times are seconds of any one clock."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.rows = [Row(cell.name, cell.select, _trials(cell), len(cell.seeds)) for cell in cells]
        self._most = 1  # trainings that ran at once

    def began(self, job: Job, now: float) -> None:
        """Note that a training began, perhaps again."""
        self.rows[job.cell].running[job.kind, job.number] = now
        self._most = max(self._most, sum(len(row.running) for row in self.rows))

    def ended(self, job: Job, now: float) -> float:
        """Note that a training is over, or broke; return how long it took."""
        row = self.rows[job.cell]
        seconds = now - row.running.pop((job.kind, job.number), now)
        row.lasted.append(seconds)
        return seconds

    @property
    def done(self) -> tuple[int, int]:
        """Trainings that are over, and all."""
        return sum(row.done for row in self.rows), sum(row.total for row in self.rows)

    def left(self, now: float, row: Row | None = None) -> float | None:
        """Return the seconds that are left, of one cell or of all; None while nothing is known.

        As many trainings as ran at once so far share the work; those of a cell that has finished
        none are taken to last as long as the others.
        """
        usual = [seconds for each in self.rows for seconds in each.lasted]
        if not usual:
            return None
        rows = self.rows if row is None else [row]
        return sum(_work(each, mean(each.lasted or usual), now) for each in rows) / self._most


def _trials(cell: Cell) -> int:
    return cell.search.trials or 0 if cell.search else 0


def _work(row: Row, each: float, now: float) -> float:
    waiting = max(row.total - row.done - len(row.running), 0)
    return waiting * each + sum(max(each - (now - began), 0) for began in row.running.values())


def shown(rows: Sequence[Row], most: int) -> list[Row]:
    """Return so many rows at most: those at work, then those that wait, then those that are done.

    They stay in their order.
    """
    first = sorted(rows, key=lambda row: (row.done >= row.total, not row.running))[:most]
    kept = set(map(id, first))
    return [row for row in rows if id(row) in kept]
