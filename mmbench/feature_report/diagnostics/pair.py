"""The numbers of two modalities of the same items: do they say the same of them?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.feature_report.diagnostics.modality import K, constant_columns, norms
from mmbench.feature_report.diagnostics.neighbours import blocks, nearest, unit
from mmbench.feature_report.diagnostics.sample import sample
from mmbench.features import Feature

CUTOFFS = (1, 5)


@dataclass(frozen=True)
class OneSpace:
    """What can be asked of two modalities whose vectors have one length.

    matching, random: mean cosine of the two vectors of an item, and of two different items (exact).
    gap: distance between the centroids of the unit vectors (Liang et al. 2022).
    recall: "first-to-second@k" → share of items whose own vector in the second modality is among
        the k nearest to its vector in the first, of those `sampled`.
    chance: the mean of these shares for vectors without any meaning.
    """

    matching: float
    random: float
    gap: float
    recall: dict[str, float]
    chance: float


@dataclass(frozen=True)
class Pair:
    """What two modalities have in common, over the items that have both.

    items, sampled: items that have both, and those the neighbours were sought among.
    overlap: share of an item's k nearest in one modality that are also among its k nearest in the
        other; needs no common space. None with k + 1 items or fewer, or if all are equal.
    chance: that share for modalities that have nothing to do with each other.
    one_space: None where the vectors differ in length, so that no cosine can be taken.
    """

    items: int
    sampled: int
    k: int = K
    overlap: float | None = None
    chance: float | None = None
    one_space: OneSpace | None = None


def pair(names: tuple[str, str], first: Feature, second: Feature) -> Pair:
    """Return the numbers of two modalities called `names`, whose rows are the same items."""
    rows = np.flatnonzero(first.mask & second.mask)
    both = (norms(first.matrix, rows) > 0) & (norms(second.matrix, rows) > 0)
    rows = rows[both]
    some = sample(rows)
    told: dict[str, Any] = {"items": len(rows), "sampled": len(some)}
    matrices = (first.matrix, second.matrix)
    if len(some) > K + 1 and all(constant_columns(each, some) != 1 for each in matrices):
        told["overlap"] = _overlap(first.matrix, second.matrix, some)
        told["chance"] = K / (len(some) - 1)
    if len(rows) > 1 and first.matrix.shape[1] == second.matrix.shape[1]:
        told["one_space"] = _one_space(names, first.matrix, second.matrix, rows, some)
    return Pair(**told)


def _overlap(first: NDArray[Any], second: NDArray[Any], rows: NDArray[np.intp]) -> float:
    ones, others = (nearest(matrix, rows, rows, K).rows for matrix in (first, second))
    common = [len(np.intersect1d(*two)) for two in zip(ones, others, strict=True)]
    return float(np.mean(common) / K)


def _one_space(
    names: tuple[str, str],
    first: NDArray[Any],
    second: NDArray[Any],
    rows: NDArray[np.intp],
    some: NDArray[np.intp],
) -> OneSpace:
    totals, matching = np.zeros((2, first.shape[1])), 0.0
    for part in blocks(len(rows)):
        ones = unit(first[rows[part]]).astype(np.float64)
        others = unit(second[rows[part]]).astype(np.float64)
        totals += ones.sum(axis=0), others.sum(axis=0)
        matching += float((ones * others).sum())
    n = len(rows)
    recall: dict[str, float] = {}
    for way, queries, answers in ((names, first, second), (names[::-1], second, first)):
        places = _places(unit(queries[some]), unit(answers[some]))
        recall |= {f"{'-to-'.join(way)}@{k}": float((places < k).mean()) for k in CUTOFFS}
    return OneSpace(
        matching=matching / n,
        random=float(totals[0] @ totals[1] - matching) / (n * (n - 1)),
        gap=float(np.linalg.norm(totals[0] / n - totals[1] / n)),
        recall=recall,
        chance=float(np.mean([min(k / len(some), 1.0) for k in CUTOFFS])),
    )


def _places(queries: NDArray[np.float32], answers: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how many answers stand before the own one, (n,); of equal ones, half of them."""
    parts = []
    for part in blocks(len(queries)):
        cosines = np.round(queries[part] @ answers.T, 6)  # (block, n)
        here = np.arange(len(cosines))
        own = cosines[here, here + part.start][:, None]  # (block, 1)
        parts.append((cosines > own).sum(axis=1) + ((cosines == own).sum(axis=1) - 1) / 2)
    return np.concatenate(parts)
