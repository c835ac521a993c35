"""What a benchmark will cost before it begins: its cells, what of them is there, the time left."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from statistics import mean
from typing import Any

from tabulate import tabulate

from mmbench.benchmark import Benchmark, read_benchmark
from mmbench.cells import Cell, resolved
from mmbench.errors import UsageError
from mmbench.estimate import Estimate, Timing, estimate, in_words, timings
from mmbench.features import META
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import Planned, done, plan
from mmbench.progress import Progress, Silent
from mmbench.sweeps.history import FAILED, OK, History, Point, best


@dataclass(frozen=True)
class CellCheck:
    """One cell, and what of it is there.

    points, finals: how many trials of the search, and of the chosen point, need no training.
    encoded: whether its features are on disk.
    training: seconds of one training. left: of all that are missing, one after another.
    """

    cell: Cell
    points: int
    finals: int
    encoded: bool
    training: Estimate
    left: float | None

    @property
    def trials(self) -> int:
        """How many trials its search has."""
        return int(self.cell.search.trials or 0) if self.cell.search else 0

    def values(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "name": self.cell.name,
            "identity": self.cell.identity,
            "search": {"trials": self.trials, "done": self.points},
            "final": {"trials": len(self.cell.seeds), "done": self.finals},
            "encoded": self.encoded,
            "training_seconds": self.training.seconds,
            "basis": self.training.basis,
            "seconds_left": self.left,
        }


@dataclass(frozen=True)
class BenchmarkCheck:
    """A benchmark that can start; concurrency: how many trials run at once."""

    cells: tuple[CellCheck, ...]
    concurrency: int

    @property
    def unknown(self) -> list[str]:
        """The names of the cells whose time nothing tells."""
        return [one.cell.name for one in self.cells if one.left is None]

    @property
    def seconds(self) -> float | None:
        """What is left of all cells whose time is known; None where it is of none."""
        known = [one.left for one in self.cells if one.left is not None]
        return sum(known) / self.concurrency if known else None

    @property
    def to_encode(self) -> list[str]:
        """What has to be encoded first: dataset and encoder."""
        lacking = (one.cell for one in self.cells if not one.encoded)
        return list(dict.fromkeys(f"{cell.dataset} · {cell.encoder}" for cell in lacking))

    @property
    def to_finetune(self) -> list[str]:
        """What has to be fine-tuned before that: dataset and encoder."""
        lacking = (one.cell for one in self.cells if one.cell.pending)
        return list(dict.fromkeys(f"{cell.dataset} · {cell.encoder}" for cell in lacking))

    def values(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {
            "cells": [one.values() for one in self.cells],
            "search_trials": sum(one.trials for one in self.cells),
            "search_done": sum(one.points for one in self.cells),
            "final_trials": sum(len(one.cell.seeds) for one in self.cells),
            "final_done": sum(one.finals for one in self.cells),
            "to_finetune": self.to_finetune,
            "to_encode": self.to_encode,
            "concurrency": self.concurrency,
            "seconds_left": self.seconds,
            "unknown": self.unknown,
        }

    def text(self) -> str:
        """Return the figures for a person: a line a cell, and what they come to."""
        rows = [
            [
                one.cell.name,
                f"{one.points} of {one.trials}" if one.trials else "-",
                f"{one.finals} of {len(one.cell.seeds)}",
                _span(one.left),
                one.training.basis,
            ]
            for one in self.cells
        ]
        head = ["cell", "searched", "final", "left, one by one", "told from"]
        return "\n".join([tabulate(rows, head, tablefmt="simple"), "", *self._lines()])

    def _lines(self) -> list[str]:
        told = self.values()
        lines = [
            f"cells: {len(self.cells)}",
            f"search trials: {told['search_trials']}, of which {told['search_done']} are there",
            f"final trials: {told['final_trials']}, of which {told['final_done']} are there",
        ]
        if self.to_finetune:
            lines.append(f"to fine-tune first: {', '.join(self.to_finetune)} (not in the time)")
        if self.to_encode:
            lines.append(f"to encode first: {', '.join(self.to_encode)} (not in the time)")
        return [*lines, self._time()]

    def _time(self) -> str:
        at_once = f"{self.concurrency} at once"
        if self.seconds is None:
            return f"time: unknown: {self.cells[0].training.basis}"
        if self.seconds == 0 and not self.unknown:
            return "time: nothing is left to train"
        time = f"time: about {in_words(self.seconds)} with {at_once}, less where trials end early"
        return f"{time}; {len(self.unknown)} cells are not in it: unknown" if self.unknown else time


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return in_words(seconds) if seconds else "nothing"


def check_benchmark(
    benchmark: Benchmark | str | PathLike[str],
    home: Home | str | PathLike[str] | None = None,
    concurrency: int | None = None,
    machine: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> BenchmarkCheck:
    """Resolve every name, range, path and feature of a benchmark, and estimate what is left.

    Args:
        benchmark: itself, or the path of its YAML. home: see `Home.of`.
        concurrency: trials at once, one a core where it is left out.
        machine: device, batch_size, workers and eval_memory of `mmbench.plan.plan`.
        progress: told where a dataset has to be made first.

    Raises:
        UsageError: anything that a person can mend; nothing was encoded or trained.
    """
    if concurrency is not None and concurrency < 1:
        raise UsageError(f"--concurrency {concurrency}: at least 1 trial runs at once")
    asked = benchmark if isinstance(benchmark, Benchmark) else read_benchmark(Path(benchmark))
    opened = Opened(Home.of(home), progress or Silent())
    found = resolved(asked, machine or {}, opened)
    known = {name: timings(opened.home, name) for name in dict.fromkeys(asked.datasets)}
    searched: dict[str, list[Timing]] = {name: [] for name in known}
    points = [[] if cell.pending else _points(cell, opened.home) for cell, _ in found]
    for (cell, planned), own in zip(found, points, strict=True):
        searched[cell.dataset] += _timings(cell, own, _kind(planned))
    checks = [
        _checked(cell, planned, own, opened, known[cell.dataset], searched[cell.dataset])
        for (cell, planned), own in zip(found, points, strict=True)
    ]
    return BenchmarkCheck(tuple(checks), concurrency or os.cpu_count() or 1)


def _kind(planned: Planned) -> str:
    return planned.device.partition(":")[0]


def _timings(cell: Cell, points: Sequence[Point], kind: str) -> list[Timing]:
    """Return what points took; a search does not say on which device, so it is taken for this."""
    return [
        Timing(
            model=cell.model,
            kind=kind,
            epoch=point.seconds / len(point.curve),
            epochs=len(point.curve),
            ended=point.status == OK,
            rank=0.0,
        )
        for point in points
        if point.curve and point.status != FAILED and point.repeats is None
    ]


def _checked(
    cell: Cell,
    planned: Planned,
    points: list[Point],
    opened: Opened,
    known: Sequence[Timing],
    searched: Sequence[Timing],
) -> CellCheck:
    finals = 0 if cell.pending else _finals(cell, points, opened)
    settings = planned.trial.hyperparameters
    epochs = int(settings["epochs"] or 0) if "epochs" in settings else None
    training = estimate(known, cell.dataset, cell.model, _kind(planned), epochs, searched)
    trials = int(cell.search.trials or 0) if cell.search else 0
    search, last = trials - len(points), len(cell.seeds) - finals
    one = mean(point.seconds for point in points) if points else training.seconds
    full = training.seconds
    left = None if one is None or full is None else search * one + last * full
    features = planned.features
    there = not cell.pending and (features.folder / META).is_file()
    encoded = not features.modalities or there
    return CellCheck(cell, len(points), finals, encoded, training, left if search + last else 0.0)


def _points(cell: Cell, home: Home) -> list[Point]:
    """Return the points of a cell that are on disk; the sweep tells which of them it believes."""
    history, found = History.of(cell, home), []
    for number in range(int(cell.search.trials or 0) if cell.search else 0):
        try:
            said = json.loads(history.path(number).read_text(encoding="utf-8"))
            point = history.read(number, said["hyperparameters"])
        except (OSError, ValueError, TypeError, KeyError):
            continue
        found += [point] if point else []
    return found


def _finals(cell: Cell, points: list[Point], opened: Opened) -> int:
    """Return how many records of the chosen point are there; 0 while it is not chosen."""
    if cell.search and len(points) < int(cell.search.trials or 0):
        return 0
    chosen = best(points)
    if cell.search and chosen is None:
        return 0
    fixed = {**cell.request["hyperparameters"], **(chosen.hyperparameters if chosen else {})}
    request = {**cell.request, "hyperparameters": fixed}
    made = plan(**request, seeds=cell.seeds, home=opened.home, opened=opened)
    return sum(done(each) is not None for each in made)
