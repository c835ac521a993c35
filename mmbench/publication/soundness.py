"""What is wrong with the keys of one record: they must agree with each other."""

import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import isclose, isfinite
from typing import Any

from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT
from mmbench.publication.portable import PRINTS
from mmbench.publication.search import problems as search_problems
from mmbench.records import Record
from mmbench.specs import Protocol, Trial, parse, protocol_spec
from mmbench.trial_print import PARTS, trial_print

KEYS = (
    "error",
    "epochs",
    "seconds",
    "parameters",
    "memory",
    "versions",
    "device",
    "started",
    "ended",
    "command",
)
NAMED = ("model", "dataset", "encoder", "protocol", "seed")  # flags of the command
AGAIN = "run its `command` again with --force"
RESTORE = f"restore the file as it was written, or {AGAIN}"
RELATIVE = 1e-9


def problems(record: Record) -> Iterator[str]:
    """Yield a line for each thing that is wrong: the key, what, and the remedy.

    Args:
        record: of a shape that a table can be made of, see `mmbench.board.sources.checked`.
    """
    values = record.values
    lacking = [key for key in KEYS if key not in values]
    if lacking:
        yield f"{', '.join(lacking)}: not there, the record is not whole: {AGAIN}"
        return
    try:
        trial = parse(Trial, dict(record.trial), "trial")
        rules = protocol_spec(trial.protocol)
    except UsageError as error:
        yield f"{error}: {RESTORE}"
        return
    yield from _status(record)
    yield from _prints(trial, values["fingerprints"])
    yield from _names(trial, rules, values)
    yield from (f"{key}: {found} is no number: {AGAIN}" for key, found in _no_numbers(values))
    yield from _curve(rules, values)
    yield from search_problems(record)


def _status(record: Record) -> Iterator[str]:
    metrics, error = record.values["metrics"], record.values["error"]
    if record.status == "ok":
        if not (metrics and metrics.get("test") and metrics.get("valid")):
            yield f"metrics: a record that is ok has valid and test: {AGAIN}"
        if error is not None:
            yield f"error: a record that is ok has none: {RESTORE}"
    elif record.status == "failed":
        if metrics is not None or not isinstance(error, Mapping) or not error.get("type"):
            yield f"status: failed, which has an error and no metrics: {RESTORE}"
    else:
        yield f"status: {record.status}: the trial did not end: run its `command`"


def _prints(trial: Trial, prints: Mapping[str, Any]) -> Iterator[str]:
    lacking = [part for part in PARTS if not isinstance(prints.get(part), str)]
    if lacking:
        yield f"fingerprints.{lacking[0]}: not there: {AGAIN}"
        return
    files = {key: value for key, value in prints.items() if key not in PRINTS}
    made = trial_print(trial, prints, files)
    if made != prints["trial"]:
        told = f"{str(prints['trial'])[:SHORT]}, but what stands in `trial` gives {made[:SHORT]}"
        yield f"fingerprints.trial: {told}: one of its keys was changed: {RESTORE}"


def _names(trial: Trial, rules: Protocol, values: Mapping[str, Any]) -> Iterator[str]:
    if trial.seed not in rules.seeds:
        known = ", ".join(map(str, rules.seeds))
        yield f"trial.seed: {trial.seed}, protocol {rules.name} has {known}: run one of them"
    named = values["encoder"].get("name")
    if named != trial.encoder:
        yield f"encoder.name: '{named}', the trial has '{trial.encoder}': {RESTORE}"
    try:
        words = shlex.split(str(values["command"]))
    except ValueError:
        words = []
    said = dict(pairwise(words))
    for name in NAMED:
        told, is_ = said.get(f"--{name}"), str(getattr(trial, name))
        if told != is_:
            yield f"trial.{name}: {is_}, but its command says {told}: {RESTORE}"


def _no_numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield where NaN or an infinite number stands."""
    if isinstance(value, float) and not isfinite(value):
        yield key, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _no_numbers(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _no_numbers(each, f"{key}[{place}]")


def _curve(rules: Protocol, values: Mapping[str, Any]) -> Iterator[str]:
    """The epoch that was kept is the best of validation, and its score is the one that is told."""
    if values["status"] != "ok":
        return
    try:
        best = values["epochs"]["best"]
        scores = {
            epoch: score for epoch, _, score in values["epochs"]["curve"] if score is not None
        }
        said = values["metrics"]["valid"][rules.select]
    except (KeyError, TypeError, ValueError):
        yield f"epochs, metrics.valid.{rules.select}: not whole: {AGAIN}"
        return
    if not best:  # a recommender that is not trained
        return
    if best not in scores or scores[best] < max(scores.values()):
        yield f"epochs.best: {best} is not the best epoch of epochs.curve: {RESTORE}"
    elif not isclose(scores[best], said, rel_tol=RELATIVE, abs_tol=0):
        told = f"{said}, but epochs.curve has {scores[best]} at epoch {best}"
        yield f"metrics.valid.{rules.select}: {told}: {RESTORE}"
