"""The search of one cell: its points are drawn in rounds, and replayed where they are known."""

from collections.abc import Mapping
from typing import Any

from mmbench.benchmark import Search
from mmbench.cells import Cell
from mmbench.specs import Scalar
from mmbench.sweeps.claim import Claim
from mmbench.sweeps.draws import draws, tell
from mmbench.sweeps.halving import Halving
from mmbench.sweeps.history import FAILED, History, Point

Drawn = dict[str, Scalar]


class Rounds:
    """Which point is next, and what the points so far were.

    A point depends on the rounds before its own, told in the order of their numbers, and on
    nothing else: not on how many train at once, nor on which ends first.
    """

    def __init__(self, cell: Cell, search: Search, history: History) -> None:
        self.history, self.trials, self.size = history, search.trials or 1, search.round
        self.halving, self._draws = Halving(cell), draws(cell, search)
        self.points: list[Point] = []  # of complete rounds
        self._drawn: dict[int, Drawn] = {}  # of this round
        self._found: dict[int, Point] = {}
        self._claims: dict[int, Claim] = {}
        history.describe(cell)

    def next(self) -> tuple[int, Drawn] | None:
        """Return a point to train and keep others from it; None where there is none now."""
        self.replay()
        for number in self._open():
            if number in self._claims or self._twin(number) is not None:
                continue
            claim = Claim.take(self.history.folder / f".point-{number}.lock")
            if claim is None:
                continue
            # Another sweep may have finished it between the look and the claim.
            known = self.history.read(number, self._drawn[number])
            if known is None:
                self._claims[number] = claim
                return number, self._drawn[number]
            self._found[number] = known
            claim.release()
        return None

    def replay(self) -> None:
        """Go on as far as the history does, without training."""
        while not self.complete:
            if not self._drawn:
                self._draw()
            for number in self._open():
                known = None
                if number not in self._claims:
                    known = self.history.read(number, self._drawn[number])
                if known is not None:
                    self._found[number] = known
            if any(self._twin(number) is None for number in self._open()):
                return
            self._close()

    @property
    def complete(self) -> bool:
        """Whether every point is known."""
        return len(self.points) >= self.trials

    def finish(self, point: Point) -> None:
        """Keep what became of a point that `next` gave; UsageError where the disk is full."""
        self.history.write(point)
        self._found[point.number] = point
        self._claims.pop(point.number).release()

    def release(self) -> None:
        """Let others have what was begun and not finished."""
        while self._claims:
            self._claims.popitem()[1].release()

    def _open(self) -> list[int]:
        return [number for number in self._drawn if number not in self._found]

    def _twin(self, number: int) -> int | None:
        """Return the first point with the same hyper-parameters, None where it is this one."""
        asked = self._drawn[number]
        earlier = {point.number: dict(point.hyperparameters) for point in self.points}
        same = (other for other, drawn in (earlier | self._drawn).items() if drawn == asked)
        first = next(same)
        return first if first < number else None

    def _draw(self) -> None:
        first = len(self.points)
        for number in range(first, min(first + self.size, self.trials)):
            drawn: Mapping[str, Any] | None = self._draws.suggest(str(number))
            if drawn is None:  # a grid that has no more
                self.trials = number
                return
            self._drawn[number] = dict(drawn)

    def _close(self) -> None:
        for number, drawn in self._drawn.items():
            point = self._found.get(number) or self._repeated(number, drawn)
            self.points.append(point)
            self.halving.tell(point)
            tell(self._draws, point)
        self._drawn, self._found = {}, {}

    def _repeated(self, number: int, drawn: Drawn) -> Point:
        twin = self._twin(number)
        first = next(point for point in self.points if point.number == twin)
        told = first.status, first.curve, first.score, 0.0, first.error
        point = Point(number, drawn, *told, repeats=first.number)
        self.history.write(point)
        return point

    @property
    def failed(self) -> list[Point]:
        """The points that failed, each training once."""
        return [p for p in self.points if p.status == FAILED and p.repeats is None]
