"""The numbers of one modality: lengths, repetitions, isotropy, hubness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.feature_report.diagnostics.neighbours import blocks, nearest, unit
from mmbench.feature_report.diagnostics.sample import sample
from mmbench.features import Feature

K = 10  # neighbours, as in the paper on hubs
_GROUPS, _NAMED = 3, 5  # groups of equal rows, and ids of each, that are told
_NOTHING = 1e-12  # variance, as a share of the squared length, that is rounding


@dataclass(frozen=True)
class Norms:
    """The lengths of the vectors."""

    min: float
    p5: float
    median: float
    mean: float
    p95: float
    max: float


@dataclass(frozen=True)
class Repeated:
    """Items that have one and the same vector: how many, and the first of their ids."""

    items: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Hub:
    """The item that is most often among the neighbours of others, and how often."""

    item: str
    times: int


@dataclass(frozen=True)
class Modality:
    """What is known of one modality; None where too few items have a vector
    to tell, or all have the same.

    items, masked: items of the dataset, and those of them without a vector. All else is of the
        items that have one.
    zero_rows, repeated_rows, constant_columns: shares from 0 to 1. A row is repeated when another
        is equal to it.
    mean_cosine: of all pairs of different items (exact).
    isoscore: from 0 (one direction) to 1 (variance alike in all), on the vectors as they are
        (Rudman et al. 2022; it equals (participation ratio - 1) / (dimension - 1)).
    effective_rank: e to the entropy of the singular values of the centred vectors (Roy and
        Vetterli 2007).
    first_component: share of the variance along the first principal component.
    hubness: skewness of how often an item is among the k nearest of others (Radovanović et al.
        2010).
    sampled: items that the last four and `hub` were measured on; see `sample`.
    """

    items: int
    masked: int
    dimension: int
    dtype: str
    norms: Norms | None = None
    zero_rows: float | None = None
    repeated_rows: float | None = None
    repeated: tuple[Repeated, ...] = ()
    constant_columns: float | None = None
    mean_cosine: float | None = None
    isoscore: float | None = None
    effective_rank: float | None = None
    first_component: float | None = None
    hubness: float | None = None
    hub: Hub | None = None
    k: int = K
    sampled: int = 0


def modality(ids: Sequence[str], feature: Feature) -> Modality:
    """Return the numbers of one modality; `ids` (n_items,) name its rows."""
    matrix, rows = feature.matrix, np.flatnonzero(feature.mask)
    bare = Modality(len(matrix), len(matrix) - len(rows), int(matrix.shape[1]), str(matrix.dtype))
    if not len(rows):
        return bare
    lengths = norms(matrix, rows)
    share, groups = _repeated(matrix, rows, ids)
    constant = constant_columns(matrix, rows)
    pointed = rows[lengths > 0]
    # Of equal vectors the order of the rows would name the hub.
    hubs = {} if constant == 1 else _hubs(matrix, sample(pointed), ids)
    return replace(
        bare,
        norms=_spread(lengths),
        zero_rows=float((lengths == 0).mean()),
        repeated_rows=share,
        repeated=groups,
        constant_columns=constant,
        mean_cosine=_mean_cosine(matrix, pointed),
        **_spectrum(matrix[sample(rows)].astype(np.float64)),
        **hubs,
        sampled=len(sample(rows)),
    )


def norms(matrix: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the length of each row, (n_rows,)."""
    parts = [
        np.linalg.norm(matrix[rows[part]].astype(np.float64), axis=1) for part in blocks(len(rows))
    ]
    return np.concatenate([np.zeros(0), *parts])


def _spread(lengths: NDArray[np.float64]) -> Norms:
    low, p5, median, p95, high = np.percentile(lengths, [0, 5, 50, 95, 100]).tolist()
    return Norms(low, p5, median, float(lengths.mean()), p95, high)


def _repeated(
    matrix: NDArray[Any], rows: NDArray[np.intp], ids: Sequence[str]
) -> tuple[float, tuple[Repeated, ...]]:
    digests = np.zeros((len(rows), 2), np.uint64)
    for part in blocks(len(rows)):
        for place, row in enumerate(matrix[rows[part]] + 0.0, part.start):  # -0.0 is 0.0
            digests[place] = np.frombuffer(blake2b(row.tobytes(), digest_size=16).digest(), "<u8")
    _, group, counts = np.unique(digests, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)  # (n_rows,); NumPy 2.0 alone gives it another shape
    largest = [each for each in np.argsort(-counts, kind="stable")[:_GROUPS] if counts[each] > 1]
    told = (
        Repeated(
            int(counts[each]),
            tuple(ids[row] for row in rows[np.flatnonzero(group == each)[:_NAMED]]),
        )
        for each in largest
    )
    return float((counts[group] > 1).mean()), tuple(told)


def constant_columns(matrix: NDArray[Any], rows: NDArray[np.intp]) -> float | None:
    """Return the share of columns with one value in all rows; None of fewer than two rows."""
    if len(rows) < 2:
        return None
    same = np.ones(matrix.shape[1], bool)  # (dim,)
    for part in blocks(len(rows)):
        same &= (matrix[rows[part]] == matrix[rows[0]]).all(axis=0)
    return float(same.mean())


def _mean_cosine(matrix: NDArray[Any], rows: NDArray[np.intp]) -> float | None:
    """Of all pairs at once: the squared length of the sum holds every pair twice."""
    if len(rows) < 2:
        return None
    total = np.zeros(matrix.shape[1])
    for part in blocks(len(rows)):
        total += unit(matrix[rows[part]]).sum(axis=0, dtype=np.float64)
    n = len(rows)
    return float(np.clip((total @ total - n) / (n * (n - 1)), -1, 1))


def _spectrum(vectors: NDArray[np.float64]) -> dict[str, Any]:
    n, dim = vectors.shape
    centred = vectors - vectors.mean(axis=0)
    gram = centred.T @ centred if dim <= n else centred @ centred.T  # the smaller of the two
    variances = np.clip(np.linalg.eigvalsh(gram), 0, None)
    total = variances.sum()
    if n < 2 or total <= _NOTHING * (vectors**2).sum():
        return {}
    participation = total**2 / (variances**2).sum()
    singular = np.sqrt(variances) / np.sqrt(variances).sum()
    entropy = -(singular * np.log(np.where(singular > 0, singular, 1.0))).sum()
    return {
        "isoscore": float((participation - 1) / (dim - 1)) if dim > 1 else None,
        "effective_rank": float(np.exp(entropy)),
        "first_component": float(variances[-1] / total),
    }


def _hubs(matrix: NDArray[Any], rows: NDArray[np.intp], ids: Sequence[str]) -> dict[str, Any]:
    if len(rows) <= K + 1:  # everybody is everybody's neighbour
        return {}
    found = nearest(matrix, rows, rows, K).rows
    times = np.bincount(np.searchsorted(rows, found.ravel()), minlength=len(rows))  # (n_rows,)
    away = times - times.mean()
    spread = times.std()
    hub = int(times.argmax())
    return {
        "hubness": float((away**3).mean() / spread**3) if spread else 0.0,
        "hub": Hub(ids[int(rows[hub])], int(times[hub])),
    }
