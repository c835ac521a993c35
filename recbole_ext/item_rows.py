"""The rows of one modality in the order of RecBole's item ids: held, or read where they are."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_ext.sharing import Share, row_blocks

ALL = slice(None)


class Rows(Protocol):
    """One modality of all items: which have it, and their rows, some at a time."""

    @property
    def mask(self) -> Tensor:
        """Which items have it, (n_items,) bool."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n_items, dim)."""

    def part(self, items: slice | Tensor, columns: slice = ALL) -> Tensor:
        """Return columns of the rows of items, (n, n_columns) float; zeros where they lack it."""

    def check(self) -> None:
        """Raise a ValueError where a number is not finite and nobody has looked yet."""


@dataclass(frozen=True)
class Matrix:
    """A modality that is held: matrix (n_items, dim), mask (n_items,)."""

    matrix: Tensor
    mask: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """(n_items, dim)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    def part(self, items: slice | Tensor, columns: slice = ALL) -> Tensor:
        """Return columns of the rows of items, (n, n_columns)."""
        return self.matrix[:, columns][items]

    def check(self) -> None:
        """Do nothing: whoever holds a matrix has looked."""


@dataclass(frozen=True)
class ItemFeatures(Matrix):
    """One modality of all items, in the order of RecBole's internal ids.

    matrix: (n_items, dim) float32; row 0 (padding) and the rows of items without it are zero.
    mask: (n_items,) bool, true where the item has the modality.
    rows: (n_items,) long, the row of the given matrix that each item's came from; -1 for none.
    """

    rows: Tensor


@dataclass(frozen=True)
class GivenFeatures:
    """What `ItemFeatures` is, without a copy of the matrix: its rows are read where they lie.

    name: of the modality. given: (n, dim) numbers, not to be changed any more.
    tokens: (n_items,) what the items are called. content: names what `given` holds.
    """

    name: str
    given: NDArray[Any]
    mask: Tensor
    rows: Tensor
    tokens: NDArray[Any]
    content: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(n_items, dim)."""
        return len(self.rows), self.given.shape[1]

    @property
    def matrix(self) -> Tensor:
        """A new copy of all rows, (n_items, dim) float32."""
        whole = torch.empty(self.shape)
        for items in row_blocks(*self.shape):
            whole[items] = self.part(items)
        return whole

    def part(self, items: slice | Tensor, columns: slice = ALL) -> Tensor:
        """Return columns of the rows of items, (n, n_columns) float32."""
        place, lacking = self.rows[items].clamp_min(0).numpy(), ~self.mask[items]
        found = self.given[:, columns][place].astype(np.float32, copy=False)  # (n, n_columns)
        return torch.from_numpy(found).masked_fill_(lacking[:, None], 0)

    def held(self) -> ItemFeatures:
        """Return the features with their matrix."""
        return ItemFeatures(self.matrix, self.mask, self.rows)

    def check(self) -> None:
        """Raise a ValueError where a number is not finite."""
        blocks = row_blocks(*self.shape)
        bad = torch.cat([~self.part(items).isfinite().all(1) for items in blocks]).nonzero()
        if len(bad):
            raise ValueError(
                f"{self.name}: the rows of {len(bad)} items hold numbers that are not finite, "
                f"first that of item '{self.tokens[int(bad[0])]}'"
            )


class Part(NamedTuple):
    """A modality as a model reads it.

    matrix: (n_items, dim). mask: (n_items,) which items have it. keep: keeps what is made of the
    two alone, see `recbole_ext.item_features.Features.keep`.
    """

    matrix: Tensor
    mask: Tensor
    keep: Share | None = None


def real_rows(rows: Rows) -> Tensor:
    """Return which rows tell something, (n_items,): an encoder may give zeros for an item."""
    found = [(rows.part(items) != 0).any(1) for items in row_blocks(*rows.shape)]
    return rows.mask & torch.cat(found)
