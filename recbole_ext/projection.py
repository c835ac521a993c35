"""Rows of a fixed matrix times trained weights, gathered in blocks that stay in the cache."""

from typing import Any

import torch
from torch import Tensor

BLOCK = 2**20  # numbers of a gathered block on the CPU: 4 MiB


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(matrix, rows)
        result = matrix.new_empty((len(rows), len(weight)))
        for place, part in _blocks(matrix, rows):
            torch.mm(part, weight.T, out=result[place])
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        matrix, rows = ctx.saved_tensors
        total = matrix.new_zeros((gradient.shape[1], matrix.shape[1]))
        for place, part in _blocks(matrix, rows):
            total.addmm_(gradient[place].T, part)
        return None, None, total


def _blocks(matrix: Tensor, rows: Tensor) -> Any:
    """Yield (slice of `rows`, those rows of `matrix`); a block is valid until the next."""
    size = len(rows) if matrix.is_cuda else BLOCK // max(matrix.shape[1], 1)
    size = max(min(size, len(rows)), 1)
    room = matrix.new_empty((size, matrix.shape[1]))
    for start in range(0, len(rows), size):
        chosen = rows[start : start + size]
        yield (
            slice(start, start + size),
            torch.index_select(matrix, 0, chosen, out=room[: len(chosen)]),
        )


def project(matrix: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Return matrix[rows] @ weight.T, (n, out), differentiable in `weight` only.

    The rows are never held all at once: at 4,480 numbers a row and 2,700 rows a fresh copy costs
    as much as the product itself.

    Args:
        matrix: (n_rows, dim), without a gradient.
        rows: (n,) long.
        weight: (out, dim).
    """
    if torch.is_autocast_enabled(matrix.device.type):
        kind = torch.get_autocast_dtype(matrix.device.type)
        product = torch.nn.functional.linear(matrix[rows].to(kind), weight.to(kind))
        return product.float()
    result: Tensor = _Projection.apply(matrix, rows, weight)  # type: ignore[no-untyped-call]
    return result
