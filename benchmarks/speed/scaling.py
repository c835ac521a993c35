"""How time and memory grow: in interactions, and in items.

A step of LightGCN propagates the whole graph, and a step of dense Adam moves the whole tables. With
a batch of fixed size the number of steps grows with the interactions, too, so that an epoch grows
as their square, whoever writes it. The curves in interactions therefore hold the number of steps
an epoch fixed; one curve of BPR with the batch that people use stands beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil, log10
from pathlib import Path

import numpy as np

from benchmarks.speed import ours
from benchmarks.speed.contests import Contest, Entry, bare_rank, bare_train
from benchmarks.speed.data import Size, write
from benchmarks.speed.rounds import Result, hold
from benchmarks.speed.turns import Job, alone

LEAST = 10**5  # interactions from which on the exponent is fitted: below it overheads rule
STEPS = 20  # an epoch, where their number is held fixed
RANKED = 2000  # test users of the curves: what is ranked grows in items only


@dataclass(frozen=True)
class Curve:
    """One quantity along sizes; `batch` None holds the number of steps an epoch fixed."""

    name: str
    model: str
    task: str
    sizes: tuple[Size, ...]
    over: str  # interactions or items
    batch: int | None = None


@dataclass(frozen=True)
class Point:
    """One size of a curve: what both systems took."""

    curve: str
    over: str
    size: Size
    batch: int
    results: tuple[Result, ...]

    @property
    def x(self) -> int:
        """The size in what the curve is over."""
        return int(getattr(self.size, self.over))


def shop(interactions: int) -> Size:
    """Return a size with the proportions of Amazon Baby."""
    return Size(interactions // 8, interactions // 22, interactions, test_users=RANKED)


def wide(items: int, interactions: int) -> Size:
    """Return a size with many or few items to the same interactions."""
    return Size(interactions // 8, items, interactions, test_users=RANKED)


def curves(largest: int, sparse: bool = False) -> tuple[Curve, ...]:
    """Return the curves up to a number of interactions, from 10^4 on.

    In half powers of ten; `sparse`: in whole ones, and no curve but BPR's and LightGCN's.
    """
    half_powers = round(2 * log10(largest))
    grid = [round(10 ** (half / 2)) for half in range(8, half_powers + 1, 1 + sparse)]
    sizes = tuple(shop(n) for n in grid)
    usual = tuple(size for size in sizes if size.interactions <= 10**6)
    held = min(largest, 2 * 10**6)
    items = [n for n in (5_000, 15_000, 50_000, 150_000, 500_000, 1_000_000) if n * 2 <= held]
    widths = tuple(wide(n, held) for n in items)
    main = (
        Curve("BPR", "BPR", "train", sizes, "interactions"),
        Curve("LightGCN", "LightGCN", "train", sizes, "interactions"),
    )
    if sparse:
        return main
    return (
        *main,
        Curve("BPR, batch 2048", "BPR", "train", usual, "interactions", batch=2048),
        Curve("LightGCN", "LightGCN", "train", widths, "items"),
        Curve("ranking", "BPR", "rank", widths, "items"),
    )


def measured(curve: Curve, home: Path, job: Job, rounds: int) -> Iterator[Point]:
    """Time a curve point by point; past a million interactions one round has to do."""
    entries = (
        (Entry("ours", ours.train), Entry("bare loop", bare_train))
        if curve.task == "train"
        else (Entry("ours", ours.rank), Entry("bare loop", bare_rank))
    )
    for size in curve.sizes:
        batch = curve.batch or ceil(size.interactions / STEPS)
        folder = alone(write, home, size)
        task = replace(job, folder=folder, size=size, batch=batch)
        few = rounds if size.interactions <= 10**6 else 1
        contest = Contest(curve.name, curve.model, curve.task, entries)
        yield Point(curve.name, curve.over, size, batch, tuple(hold(contest, task, few)))


def exponent(points: list[Point], system: str) -> float | None:
    """Return the slope of log seconds over log size by least squares, from 10^5 interactions on.

    None where there are fewer than two points.
    """
    pairs = [
        (point.x, result.seconds)
        for point in points
        for result in point.results
        if result.system == system and result.seconds and point.size.interactions >= LEAST
    ]
    if len(pairs) < 2:
        return None
    x, y = np.log(np.array(pairs)).T
    return float(np.polyfit(x, y, 1)[0])
