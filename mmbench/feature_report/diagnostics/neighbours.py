"""Nearest neighbours by cosine: exact, in blocks, so that no n × n matrix is ever held."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 4096  # rows of the matrix in memory at a time
_QUERIES = 1024
_DIGITS = 6  # what single precision holds of a cosine; finer differences would break ties by chance


class Neighbours(NamedTuple):
    """Row numbers (n_queries, k), nearest first, and their cosines (n_queries, k)."""

    rows: NDArray[np.intp]
    cosines: NDArray[np.float32]


def blocks(n_rows: int, size: int = BLOCK) -> Iterator[slice]:
    """Yield the slices that cover 0 to n_rows."""
    return (slice(start, start + size) for start in range(0, n_rows, size))


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Return the vectors (n, dim) at length one; a zero vector stays zero."""
    exact = vectors.astype(np.float64)
    # The greatest entry first: squares of numbers near the ends of the range would be lost.
    exact /= np.where((top := np.abs(exact).max(axis=1, initial=0.0)) > 0, top, 1.0)[:, None]
    length = np.linalg.norm(exact, axis=1)
    return (exact / np.where(length > 0, length, 1.0)[:, None]).astype(np.float32)


def nearest(
    matrix: NDArray[Any], rows: NDArray[np.intp], queries: NDArray[np.intp], k: int
) -> Neighbours:
    """Return the k rows nearest to each query by cosine, the query itself left out.

    Equal cosines (to six digits) stand in the order of the rows.

    Args:
        matrix: (n_items, dim), on disk or in memory.
        rows: the row numbers that may be neighbours; none is a zero vector.
        queries: row numbers, all among `rows`.
        k: how many; all others where there are fewer.
    """
    k = max(min(k, len(rows) - 1), 0)
    parts = [_nearest(matrix, rows, queries[part], k) for part in blocks(len(queries), _QUERIES)]
    if not parts:
        return Neighbours(np.zeros((0, k), np.intp), np.zeros((0, k), np.float32))
    return Neighbours(*(np.concatenate(side) for side in zip(*parts, strict=True)))


def _nearest(
    matrix: NDArray[Any], rows: NDArray[np.intp], queries: NDArray[np.intp], k: int
) -> Neighbours:
    asked = unit(matrix[queries])  # (n_queries, dim)
    best = Neighbours(np.zeros((len(queries), 0), np.intp), np.zeros((len(queries), 0), np.float32))
    for part in blocks(len(rows)):
        cosines = np.round(asked @ unit(matrix[rows[part]]).T, _DIGITS)  # (n_queries, block)
        cosines[queries[:, None] == rows[part]] = -np.inf
        found = np.broadcast_to(rows[part], cosines.shape)
        best = _best(Neighbours(found, cosines), best, k)
    return best


def _best(new: Neighbours, old: Neighbours, k: int) -> Neighbours:
    rows = np.concatenate([old.rows, new.rows], axis=1)
    cosines = np.concatenate([old.cosines, new.cosines], axis=1)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]  # (n_queries, k)
    return Neighbours(
        np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)
    )
