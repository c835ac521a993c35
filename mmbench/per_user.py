"""What several systems gave for the same users: vectors of one metric, aligned by user id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import UsageError, nearest
from mmbench.records import PUBLISHED, Record

Values = NDArray[np.float64]
AGAIN = "run its `command` again with --force"
Read = tuple[NDArray[Any], Values]


@dataclass(frozen=True)
class Aligned:
    """A metric of several systems over the users that all of their records hold.

    users: (n_users,) ids in order.
    values: for each system (n_seeds, n_users), a row a record.
    missing: for each system, how many of its users another record lacks.
    unmeasured: how many users of all records the metric says nothing of (they are left out).
    """

    users: NDArray[Any]
    values: tuple[Values, ...]
    missing: tuple[int, ...]
    unmeasured: int

    def seed_means(self) -> Values:
        """Return each system's values averaged over its seeds, (n_systems, n_users)."""
        return np.stack([rows.mean(axis=0) for rows in self.values])


def align(systems: Sequence[Sequence[Record]], metric: str) -> Aligned:
    """Return the users that all records hold, and their values of a metric, matched by id.

    A metric may say nothing of a user (recall of rare items, of one who holds out none): that is
    NaN in every record, and such users are left out. NaN in some records only is damage.

    Args:
        systems: for each system its records, one a seed.

    Raises:
        UsageError: a record without vectors or without the metric, damaged ones, NaN, no user in
            common.
    """
    read = _read_all(systems, metric)
    common = reduce(_shared, (users for system in read for users, _ in system))  # (n_common,)
    if not len(common):
        first, last = systems[0][0].path, systems[-1][0].path
        raise UsageError(f"{first} and {last}: the records have no user in common")
    values = tuple(np.stack([_at(common, *each) for each in system]) for system in read)
    known = _known(common, values, [list(records) for records in systems], metric)
    missing = tuple(
        len(reduce(_either, (users for users, _ in system))) - len(common) for system in read
    )
    kept = tuple(rows[:, known] for rows in values)
    return Aligned(common[known], kept, missing, int((~known).sum()))


def _read_all(systems: Sequence[Sequence[Record]], metric: str) -> list[list[Read]]:
    """Return what each record holds; lists of users equal to the first are the same array.

    Sorting names is slow, and most records of a test set list its users alike.
    """
    known: list[NDArray[Any]] = []  # the first list, when it was read
    read: list[list[Read]] = [[] for _ in systems]
    for system, records in zip(read, systems, strict=True):
        for record in records:
            users, values = _read(record, metric)
            if known and np.array_equal(users, known[0]):
                users = known[0]
            elif len(np.unique(users)) != len(users):
                raise UsageError(f"{record.path}: a user stands twice in its per-user metrics")
            known = known or [users]
            system.append((users, values))
    return read


def _read(record: Record, metric: str) -> Read:
    """Return the users (n_users,) and their values (n_users,) of one record."""
    path, begin = record.vectors
    mean = record.values["metrics"]["test"].get(metric)
    if mean is not None and not np.isfinite(mean):
        raise UsageError(f"{record.path}: {metric} is {mean}: {AGAIN}")
    arrays = _arrays(record, path, begin, metric)
    if "users" not in arrays or metric not in arrays:
        raise UsageError(f"{record.path}: {_lacks(metric, mean, arrays)}")
    users, values = arrays["users"], np.asarray(arrays[metric], np.float64)
    if users.ndim != 1 or values.shape != users.shape:
        raise UsageError(f"{path}: {metric} has not one value for each user: the file is damaged")
    if np.isinf(values).any():
        user = users[int(np.flatnonzero(np.isinf(values))[0])]
        raise UsageError(f"{record.path}: {metric} of user {user} is infinite: {AGAIN}")
    return users, values


def _arrays(record: Record, path: Path, begin: str, metric: str) -> dict[str, Any]:
    """Return `users` and the metric, and the names of what else is beside the record."""
    try:
        # Two of the arrays only: the others are most of the file, and there may be many files.
        with np.load(path, allow_pickle=False) as file:
            read = {f"{begin}users", f"{begin}{metric}"}
            there = [name for name in file.files if name.startswith(begin)]
            arrays = {
                name.removeprefix(begin): file[name] if name in read else None for name in there
            }
    except FileNotFoundError as error:
        if "per_user" in record.values:
            raise UsageError(f"{record.path}: {PUBLISHED}") from error
        raise UsageError(
            f"{record.path}: its per-user metrics ({path.name}) are not beside it, and a test over "
            f"users needs them: bring them here, or {AGAIN}"
        ) from error
    except (OSError, ValueError, EOFError, BadZipFile, zlib_error) as error:
        raise UsageError(f"cannot read the per-user metrics {path}: {error}") from error
    if begin and not arrays:
        raise UsageError(f"{record.path}: {PUBLISHED}")
    return arrays


def _lacks(metric: str, mean: float | None, arrays: Iterable[str]) -> str:
    names = set(arrays) - {"users"}
    if mean is not None:
        return f"{metric} is a number of all lists together, no test over users can be made of it"
    return f"it has no {metric}, {nearest(metric, names)}"


def _shared(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Return the users of both, in order."""
    return one if one is other else np.intersect1d(one, other)


def _either(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Return the users of at least one."""
    return one if one is other else np.union1d(one, other)


def _at(wanted: NDArray[Any], users: NDArray[Any], values: Values) -> Values:
    """Return the values of the wanted users, who all are among `users`."""
    if wanted is users:
        return values
    order = np.argsort(users)
    return values[order[np.searchsorted(users, wanted, sorter=order)]]


def _known(
    users: NDArray[Any], values: Sequence[Values], systems: list[list[Record]], metric: str
) -> NDArray[np.bool_]:
    """Return of which users the metric says something; UsageError where records disagree on it."""
    records = [record for system in systems for record in system]
    nan = np.isnan(np.concatenate(values))  # (n_records, n_users)
    known: NDArray[np.bool_] = ~np.logical_and.reduce(nan)
    some = np.logical_or.reduce(nan) & known
    if some.any():
        user = int(np.flatnonzero(some)[0])
        record = records[int(np.flatnonzero(nan[:, user])[0])]
        raise UsageError(
            f"{record.path}: {metric} of user {users[user]} is NaN, and a number in another "
            f"record: {AGAIN}"
        )
    if not known.any():
        raise UsageError(f"{records[0].path}: {metric} is NaN for every user")
    return known
