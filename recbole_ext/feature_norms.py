"""What a recommender makes of raw item features before it reads them."""

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from recbole_ext.item_rows import Matrix, Rows, real_rows
from recbole_ext.sharing import row_blocks

NORMS = ("centred", "l2", "none")
ROUNDING = 1e-6  # of a row's length: a difference below it is none
COLUMNS, LANES = 256, 64  # of a mean: how many at once; how many torch sums side by side


def centre(rows: Rows, norm: str) -> Tensor:
    """Return what a norm takes away from every real row, (dim,).

    Args:
        rows: of all items. norm: one of `NORMS`, see `recbole_ext.item_features.Features`.

    Raises:
        ValueError: an unknown norm.
    """
    if norm not in NORMS:
        raise ValueError(f"feature_norm '{norm}' is none of {', '.join(NORMS)}")
    dim, items = rows.shape[1], real_rows(rows).nonzero().squeeze(1)
    if norm != "centred" or not len(items):
        return torch.zeros(dim, device=items.device)
    # Some columns at a time, so that no copy of all rows is made. Each column is summed as it
    # would be among all, but only where the columns fill whole lanes.
    size = COLUMNS if dim % LANES == 0 and not items.is_cuda else dim
    starts = range(0, dim, size)
    return torch.cat([rows.part(items, slice(at, at + size)).mean(0) for at in starts])


def prepared(matrix: Tensor, mask: Tensor, mean: Tensor, norm: str) -> Tensor:
    """Return rows as a model uses them, (n, dim); rows of zeros stay zero.

    Args:
        matrix: (n, dim). mask: (n,) which are real. mean: (dim,), see `centre`. norm: as there.
    """
    if norm != "centred":
        return scaled(matrix, mean, norm)
    rest = (matrix - mean) * real_rows(Matrix(matrix, mask))[:, None]
    # What rounding leaves of a row that is the mean itself is no direction.
    told = rest.norm(dim=1, keepdim=True) > ROUNDING * matrix.norm(dim=1, keepdim=True)
    return normalize(rest * told)


def scaled(rows: Tensor, mean: Tensor, norm: str) -> Tensor:
    """Return real rows, (n, dim), as a model uses them; differentiable."""
    if norm == "none":
        return rows.clone()
    return normalize(rows - mean if norm == "centred" else rows)


def table(rows: Rows, norm: str) -> Iterator[NDArray[Any]]:
    """Yield the prepared rows of all items and then what was taken away, blocks of (n, dim).

    Raises:
        ValueError: an unknown norm, or a number is not finite.
    """
    rows.check()
    mean = centre(rows, norm)
    for items in row_blocks(*rows.shape):
        yield prepared(rows.part(items), rows.mask[items], mean, norm).numpy()
    yield mean[None].numpy()
