"""The records below some folders, each trial and seed once, and what there is no record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mmbench.errors import UsageError
from mmbench.records import (
    LINES_SUFFIX,
    Record,
    lines_paths,
    read_lines,
    read_record,
    record_paths,
)


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class _Trial(_Part):
    dataset: str
    protocol: str
    model: str
    encoder: str
    paradigm: str = "frozen"
    hyperparameters: dict[str, Any] = Field(default={})
    seed: int


class _Prints(_Part):
    trial: str
    dataset: str
    protocol: str = ""


class _Encoder(_Part):
    control: bool
    weights: Any
    of: str | None
    modalities: list[str]
    finetuned: dict[str, Any] | None = None


class _Metrics(_Part):
    test: dict[str, float]


class _Shape(_Part):
    """What a table reads of a record."""

    status: Literal["ok", "failed", "stopped"]
    trial: _Trial
    fingerprints: _Prints
    encoder: _Encoder
    metrics: _Metrics | None
    search: dict[str, Any] | None = None


@dataclass(frozen=True)
class Sources:
    """What was found.

    records: each trial and seed once. left_out: what cannot be read as a record, a line each.
    """

    records: tuple[Record, ...]
    left_out: tuple[str, ...]


def read(places: Iterable[Path]) -> Sources:
    """Read the records below folders, or of files, by path; those of a records.jsonl, too.

    Of a trial and seed that lies there several times, the one that went well is taken, then the
    one that a search chose, then the latest.

    Raises:
        UsageError: a folder or file that is not there.
    """
    once: dict[tuple[str, str, int], Record] = {}
    left_out = []
    for found in (found for place in places for found in every(place)):
        if isinstance(found, UsageError):
            left_out.append(str(found))
            continue
        known = once.setdefault(_identity(found), found)
        if _preference(found) > _preference(known):
            once[_identity(found)] = found
    return Sources(tuple(once.values()), tuple(dict.fromkeys(left_out)))


def every(place: Path) -> Iterator[Record | UsageError]:
    """Yield each record below a folder, or of a file, and what is to be told of what is none.

    Raises:
        UsageError: there is no such folder or file.
    """
    for path in _paths(place):
        for found in read_lines(path) if path.suffix == LINES_SUFFIX else [_read(path)]:
            yield found if isinstance(found, UsageError) else _checked(found)


def _read(path: Path) -> Record | UsageError:
    try:
        return read_record(path)
    except UsageError as error:
        return error


def _checked(record: Record) -> Record | UsageError:
    try:
        return checked(record)
    except UsageError as error:
        return error


def checked(record: Record) -> Record:
    """Return a record that a table can be made of.

    Raises:
        UsageError: a key is missing or of another kind, which is named.
    """
    try:
        shape = _Shape.model_validate(dict(record.values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{record.path} is no whole record: {key}: {first['msg']}") from error
    if shape.status == "ok" and shape.metrics is None:
        raise UsageError(f"{record.path} is no whole record: it is ok and has no metrics")
    return record


def _paths(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from (*record_paths(place), *lines_paths(place))
    else:
        raise UsageError(f"{place}: no such folder or file of records")


def _identity(record: Record) -> tuple[str, str, int]:
    prints = record.values["fingerprints"]
    return prints["trial"], prints["dataset"], record.trial["seed"]


def _preference(record: Record) -> tuple[bool, bool, str]:
    values = record.values
    return record.status == "ok", bool(values.get("search")), str(values.get("ended", ""))
