"""What is wrong with the search that chose the hyper-parameters of a record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmbench.records import Record

# What is told of a point: validation chooses, so that no number of the test part is among it.
TOLD = {"number", "hyperparameters", "status", "score", "seconds", "evaluations"}
KEYS = ("algorithm", "trials", "round", "seed", "early_stopping", "space", "chosen", "history")
FAILED = "failed"
AGAIN = "run `mmbench sweep` again, which writes it anew"


def problems(record: Record) -> Iterator[str]:
    """Yield a line for each thing that is wrong; nothing where nothing was searched.

    The chosen point is the best by validation of its history, its hyper-parameters are those of
    the record, and the test part was not looked at.
    """
    search = record.values.get("search")
    if search is None:
        return
    lacking = [key for key in KEYS if key not in search]
    if lacking:
        yield f"search.{lacking[0]}: not there: {AGAIN}"
        return
    points, wrong = search["history"], list(_history(search))
    yield from wrong
    if wrong:
        return
    best = chosen(points)
    if search["chosen"] != best:
        told = f"{search['chosen']}, but point {best} is the best by validation of its history"
        yield f"search.chosen: {told}: {AGAIN}"
    elif best is None and record.status == "ok":
        yield f"search.chosen: no point went well, and yet the record is ok: {AGAIN}"
    elif best is not None:
        yield from _settings(record, points[best], search["space"])


def chosen(points: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the number of the best point by validation, the first of equals; None of none."""
    scored = [p for p in points if p["score"] is not None and p["status"] != FAILED]
    best = max(scored, key=lambda point: (point["score"], -point["number"]), default=None)
    return None if best is None else int(best["number"])


def _history(search: Mapping[str, Any]) -> Iterator[str]:
    points = search["history"]
    if not isinstance(points, list) or not all(isinstance(point, Mapping) for point in points):
        yield f"search.history: no list of points: {AGAIN}"
        return
    for place, point in enumerate(points):
        at = f"search.history[{place}]"
        if lacking := TOLD - point.keys():
            yield f"{at}.{min(lacking)}: not there: {AGAIN}"
        for key in sorted(point.keys() - TOLD):
            yield f"{at}.{key}: validation chooses, a point tells nothing else: {AGAIN}"
        if point.get("number") != place:
            yield f"{at}.number: {point.get('number')}, a point is missing: {AGAIN}"
    if len(points) != search["trials"]:
        yield f"search.history: {len(points)} points of {search['trials']}: {AGAIN}"


def _settings(record: Record, point: Mapping[str, Any], space: Mapping[str, Any]) -> Iterator[str]:
    settings = record.trial.get("hyperparameters") or {}
    if point["hyperparameters"].keys() != space.keys():
        yield f"search.space: its keys are not those of point {point['number']}: {AGAIN}"
    for key, value in point["hyperparameters"].items():
        if settings.get(key) != value:
            told = f"{settings.get(key)}, but the chosen point {point['number']} has {value}"
            yield f"trial.hyperparameters.{key}: {told}: {AGAIN}"
