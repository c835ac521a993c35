"""The per-user metrics beside a record: what is wrong with them, their sum, and all in one file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256
from mmbench.lists import ITEMS
from mmbench.lists import USERS as LISTED
from mmbench.records import USERS_FILE, Record
from mmbench.specs import protocol_spec

USERS = "users"
RELATIVE = 1e-9
AGAIN = "run its `command` again with --force"
UNREADABLE = (OSError, ValueError, EOFError, BadZipFile, zlib_error)
Arrays = Mapping[str, NDArray[Any]]


def told(record: Record) -> dict[str, Any] | None:
    """Return what is published of the per-user metrics: their sum, and of how many users."""
    if record.status != "ok":
        return None
    path = record.path.with_suffix(".npz")
    return {"sha256": file_sha256(path), "users": len(record.per_user()[USERS])}


def packed(records: Iterable[Record], metrics: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of one file of all records: NAME/users and NAME/METRIC, (n_users,) each.

    Raises:
        UsageError: a metric that a record has not of every user.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for record in records:
        found = record.per_user() if record.status == "ok" else {}
        for metric in metrics if found else ():
            if metric not in found:
                told = nearest(metric, [name for name in found if name != USERS])
                raise UsageError(f"{record.path}: of its users it has no {metric}, {told}")
        arrays |= {f"{record.name}/{key}": found[key] for key in (USERS, *metrics) if found}
    return arrays


def file_problems(path: Path) -> Iterator[str]:
    """Yield a line where the file of published per-user metrics is there and cannot be read."""
    try:
        ZipFile(path).close()
    except FileNotFoundError:
        return
    except UNREADABLE as error:
        yield f"{path} cannot be read ({error}): publish it again"


def published_problems(record: Record) -> Iterator[str]:
    """Yield a line for each thing that is wrong with the per-user metrics of a published record.

    Where none were published there is nothing to be wrong.
    """
    if record.status != "ok" or not record.vectors[0].is_file():
        return
    try:
        arrays = record.per_user()
    except UNREADABLE as error:
        yield f"{USERS_FILE} cannot be read ({error}): publish it again"
        return
    yield from _users(USERS_FILE, arrays)
    said, there = record.values["per_user"].get("users"), len(arrays.get(USERS, ()))
    if said != there:
        yield f"{USERS_FILE}: {there} users, the record was ranked for {said}: publish it again"
    yield from _values(record, USERS_FILE, arrays)


def name_problems(record: Record) -> Iterator[str]:
    """Yield a line where the file of a record is not called by its trial and seed."""
    name = f"{record.name}.json"
    if record.path.name != name:
        yield f"the file should be called {name}, by trial and seed: give it its name back"


def problems(record: Record) -> Iterator[str]:
    """Yield a line for each thing that is wrong with the per-user metrics of a sound record.

    Each metric of the test part that has a value for every user is computed again. Those of all
    lists together have none and are left out.
    """
    if record.status != "ok":
        return
    path = record.path.with_suffix(".npz")
    try:
        arrays = record.per_user()
    except FileNotFoundError:
        yield f"its per-user metrics ({path.name}) are not beside it: bring them here, or {AGAIN}"
        return
    except UNREADABLE as error:
        yield f"{path.name} cannot be read ({error}): bring it here anew, or {AGAIN}"
        return
    yield from _users(path.name, arrays)
    yield from _metrics(record, path.name, arrays)


def _users(name: str, arrays: Arrays) -> Iterator[str]:
    users = arrays.get(USERS)
    if users is None or users.ndim != 1 or not len(users):
        yield f"{name}: users: not there: {AGAIN}"
    elif len(np.unique(users)) != len(users):
        yield f"{name}: users: one stands twice: {AGAIN}"


def _metrics(record: Record, name: str, arrays: Arrays) -> Iterator[str]:
    test = record.values["metrics"]["test"]
    rules = protocol_spec(str(record.trial["protocol"]))
    of_users = {f"{metric}@{k}" for metric in rules.metrics for k in rules.cutoffs}
    for metric in sorted(of_users & test.keys() - arrays.keys()):
        yield f"{name}: {metric}: not there, the record has it of every user: {AGAIN}"
    yield from _values(record, name, arrays)


def _values(record: Record, name: str, arrays: Arrays) -> Iterator[str]:
    test = record.values["metrics"]["test"]
    rules = protocol_spec(str(record.trial["protocol"]))
    of_users = {f"{metric}@{k}" for metric in rules.metrics for k in rules.cutoffs}
    for metric, values in arrays.items():
        if metric in (USERS, LISTED, ITEMS):
            continue
        if metric not in of_users:
            yield f"{name}: {metric}: protocol {rules.name} measures no such metric: {AGAIN}"
        elif values.shape != arrays.get(USERS, values[:0]).shape:
            yield f"{name}: {metric}: not one value for each user: {AGAIN}"
        elif np.isinf(values).any():
            yield f"{name}: {metric}: infinite for a user: {AGAIN}"
        else:
            yield from _mean(metric, values, test.get(metric))


def _mean(metric: str, values: NDArray[Any], said: float | None) -> Iterator[str]:
    known = np.asarray(values[~np.isnan(values)], np.float64)
    made = float(known.mean()) if len(known) else None
    if made is None and said is None:
        return
    if made is None or said is None or not isclose(made, said, rel_tol=RELATIVE, abs_tol=1e-15):
        yield (
            f"metrics.test.{metric}: {said}, but the values of its users give {made}: "
            f"one of them was changed: bring both files anew, or {AGAIN}"
        )
