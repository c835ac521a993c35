"""What is wrong among records that each are sound: one published twice, or two versions of one."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator

from mmbench.fingerprint import SHORT
from mmbench.records import Record

CELL = ("dataset", "encoder", "paradigm", "model", "protocol")
ONE = "publish those of one version: name its folder as RESULTS"


def problems(records: Iterable[Record]) -> Iterator[str]:
    """Yield a line for each thing that is wrong among the records of one benchmark.

    The records of a cell are of one trial, dataset and features, those of a dataset of one version
    of it and of its protocol, and each trial and seed is there once.
    """
    known = list(records)
    yield from _twice(known)
    for key in ("dataset", "protocol"):
        yield from _several(known, key, ("dataset", "protocol"))
    for key in ("features", "trial"):
        yield from _several(known, key, CELL)


def _twice(records: Iterable[Record]) -> Iterator[str]:
    seen: dict[Hashable, Record] = {}
    for record in records:
        key = record.values["fingerprints"]["trial"], record.trial["seed"]
        if key in seen:
            told = f"the same trial and seed as {seen[key].path}"
            yield f"{record.path}: {told}: leave one of them out"
        seen.setdefault(key, record)


def _several(records: Iterable[Record], key: str, names: Iterable[str]) -> Iterator[str]:
    """Yield a line for each place, told by some names, whose records have several prints."""
    places: dict[tuple[str, ...], dict[str, Record]] = defaultdict(dict)
    for record in records:
        place = tuple(str(record.trial.get(name)) for name in names)
        places[place].setdefault(str(record.values["fingerprints"].get(key)), record)
    for place, found in places.items():
        (print_, first), *others = found.items()
        for other, record in others:
            told = f"{other[:SHORT]}, and {print_[:SHORT]} in {first.path}"
            yield f"{record.path}: fingerprints.{key}: {told}, both of {' · '.join(place)}: {ONE}"
