"""How long a training will take, told from the records of trials that are like it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Any

from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.records import Record, read_record, record_paths


@dataclass(frozen=True)
class Timing:
    """What one recorded trial took.

    kind: of the device, "cpu" or "cuda". epoch: seconds of one; 0 where nothing is trained.
    epochs: how many were run. ended: whether it stopped before its last one by itself.
    rank: seconds of the ranking of the test part.
    """

    model: str
    kind: str
    epoch: float
    epochs: int
    ended: bool
    rank: float

    def seconds(self, epochs: int) -> float:
        """Return the seconds that such a trial takes with so many epochs at most."""
        run = min(self.epochs, epochs) if self.ended else epochs
        return self.epoch * run + self.rank


@dataclass(frozen=True)
class Estimate:
    """Seconds of one training, None where nothing is known; basis: told from what, in words."""

    seconds: float | None
    basis: str


def timings(home: Home, dataset: str) -> list[Timing]:
    """Return what the recorded trials of a dataset took; damaged and failed ones are left out."""
    made = []
    for path in record_paths(home.results / dataset):
        try:
            record = read_record(path)
        except UsageError:  # the leaderboard tells of it
            continue
        if record.status == "ok":
            made.append(_timing(record))
    return made


def estimate(
    known: Iterable[Timing],
    dataset: str,
    model: str,
    kind: str,
    epochs: int | None,
    searched: Iterable[Timing] = (),
) -> Estimate:
    """Return the median of trials of the same recommender, else of others that are trained alike.

    Args:
        known: the timings of the dataset. kind: of the device, "cpu" or "cuda".
        epochs: at most; None where the recommender is not trained.
        searched: the timings of points on the dataset, which count where the recommender has no
            record yet; they tell of no ranking.
    """
    alike = [
        timing
        for timing in known
        if timing.kind == kind and (timing.epochs == 0) == (epochs is None)
    ]
    same = [timing for timing in alike if timing.model == model]
    points = [timing for timing in searched if timing.model == model]
    if points and not same:
        seconds = median(timing.seconds(epochs or 0) for timing in points)
        return Estimate(seconds, f"searches of {model}")
    if not alike:
        return Estimate(None, f"no record of {dataset} on this kind of device")
    seconds = median(timing.seconds(epochs or 0) for timing in same or alike)
    return Estimate(seconds, f"records of {model if same else 'other recommenders'}")


def _timing(record: Record) -> Timing:
    epochs, seconds = record.values["epochs"], record.values["seconds"]
    settings: dict[str, Any] = record.trial["hyperparameters"]
    run = int(epochs["run"])
    return Timing(
        model=str(record.trial["model"]),
        kind=str(record.values["device"]).partition(" ")[0].partition(":")[0],
        epoch=float(seconds["train"]) / run if run else 0.0,
        epochs=run,
        ended=run < int(settings.get("epochs") or run),
        rank=float(seconds["rank"]),
    )


def in_words(seconds: float) -> str:
    """Return a span of time as a person says it: 40 s, 12 min, 3 h 20 min, 2 d 4 h."""
    if seconds < 90:
        return f"{max(ceil(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 36:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
