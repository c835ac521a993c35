"""Interactions as sorted pairs: what belongs to a block of users is a slice, never a search."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pairs:
    """Interactions of ranked users, sorted by user and then item, without repetition.

    row: (n,) long, the place of each pair's user among the ranked users, ascending.
    item: (n,) long.
    start: (n_users + 1,) long, on the CPU: the pairs of row r are start[r] to start[r + 1] - 1.
    """

    row: Tensor
    item: Tensor
    start: Tensor

    @classmethod
    def of(cls, keys: Tensor, users: Tensor, n_items: int) -> "Pairs":
        """Return the pairs of some users.

        Args:
            keys: sorted keys, see `sorted_keys`; those of other users are left out.
            users: (n_users,) the ranked users, ascending.
            n_items: number of items, padding included.
        """
        row, known = position(users, keys // n_items)
        row, item = row[known], keys[known] % n_items
        edges = torch.arange(len(users) + 1, device=row.device)
        return cls(row, item, torch.searchsorted(row, edges).cpu())

    def slice(self, first: int, last: int) -> slice:
        """Return where the pairs of rows first to last - 1 lie; no wait for the device."""
        return slice(int(self.start[first]), int(self.start[last]))

    def cells(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return the pairs of rows first to last - 1 as (row - first, item), each (m,)."""
        rows = self.slice(first, last)
        return self.row[rows] - first, self.item[rows]


def sorted_keys(user: Tensor, item: Tensor, n_items: int) -> Tensor:
    """Return one number a pair, user * n_items + item, ascending and without repetition."""
    keys: Tensor = torch.unique(user.long() * n_items + item.long())
    return keys


def without(keys: Tensor, others: Tensor) -> Tensor:
    """Return the keys that are not among others; both are sorted."""
    _, there = position(others, keys)
    kept: Tensor = keys[torch.logical_not(there)]
    return kept


def position(known: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return where numbers stand among ascending ones: (place, whether it is there), each (n,)."""
    if not len(known):
        return torch.zeros_like(wanted), torch.zeros_like(wanted, dtype=torch.bool)
    place = torch.searchsorted(known, wanted).clamp_max(len(known) - 1)
    return place, torch.eq(known[place], wanted)
