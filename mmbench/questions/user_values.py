"""Each cell's values of one metric over users, averaged over its seeds, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.board.cell import Cell, Key
from mmbench.errors import UsageError
from mmbench.per_user import Values, align

LEAST = 2  # users of a test


@dataclass(frozen=True)
class Paired:
    """Two cells over the users that both have.

    users: (n_users,) ids; the same array for all pairs of the same users.
    values, baseline: (n_users,) each, averaged over the seeds.
    missing: how many users of one are not in the other.
    """

    users: NDArray[Any]
    values: Values
    baseline: Values
    missing: int


class UserValues:
    """The values of cells that are asked for; each is read when it is first asked for."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._read: dict[Key, tuple[NDArray[Any], Values] | UsageError] = {}
        self._lists: list[NDArray[Any]] = []  # of users, each once

    def paired(self, cell: Cell, baseline: Cell) -> Paired:
        """Return two cells over their common users, matched by id.

        Raises:
            UsageError: see `mmbench.per_user.align`; fewer than two users in common.
        """
        (users, values), (others, before) = self._of(cell), self._of(baseline)
        if users is others:
            return Paired(users, values, before, 0)
        common, here, there = np.intersect1d(users, others, return_indices=True)
        if len(common) < LEAST:
            told = f"{len(common)} users in common, and a test takes {LEAST}"
            raise UsageError(f"the records have {told}")
        missing = len(users) + len(others) - 2 * len(common)
        return Paired(self._list(common), values[here], before[there], missing)

    def _of(self, cell: Cell) -> tuple[NDArray[Any], Values]:
        if cell.key not in self._read:
            self._read[cell.key] = self._aligned(cell)
        found = self._read[cell.key]
        if isinstance(found, UsageError):
            raise found
        return found

    def _aligned(self, cell: Cell) -> tuple[NDArray[Any], Values] | UsageError:
        try:
            aligned = align([cell.records], self.metric)
            if len(aligned.users) < LEAST:
                raise UsageError(f"{cell.records[0].path} has one user, and a test takes {LEAST}")
        except UsageError as error:
            return error
        return self._list(aligned.users), aligned.seed_means()[0]

    def _list(self, users: NDArray[Any]) -> NDArray[Any]:
        """Return the list that was seen first of those equal to this one."""
        equal: Sequence[NDArray[Any]] = [u for u in self._lists if np.array_equal(u, users)]
        if not equal:
            self._lists.append(users)
        return equal[0] if equal else users
