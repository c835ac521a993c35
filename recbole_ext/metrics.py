"""Accuracy of ranked lists, user by user, from the places at which positives were found.

Equal to RecBole's metrics of the same names to 1e-6 (a test says so), never rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Where the positives of users stand in their ranked lists.

    row: (n,) the user of each positive, 0 to n_users - 1, ascending.
    rank: (n,) its place in that user's list from 0, -1 where the list does not hold it.
    """

    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    n_users: int

    def only(self, kept: NDArray[np.bool_]) -> "Found":
        """Return some of the positives, (n,) true; the lists stay as they are."""
        return Found(self.row[kept], self.rank[kept], self.n_users)


@dataclass(frozen=True)
class Hits:
    """The positives that lists hold, by user and then rank.

    row, rank: (n,) as in `Found`; ordinal: (n,) the how-manieth hit of its list, from 1.
    count: (n_users,) positives of each user, found or not.
    """

    row: NDArray[np.int64]
    rank: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    count: NDArray[np.int64]

    @classmethod
    def of(cls, found: Found) -> "Hits":
        """Sort what was found."""
        count = np.bincount(found.row, minlength=found.n_users)
        held = found.rank >= 0
        row, rank = found.row[held], found.rank[held]
        order = np.lexsort((rank, row))
        row, rank = row[order], rank[order]
        ordinal = np.arange(1, len(row) + 1) - np.searchsorted(row, row)
        return cls(row, rank, ordinal, count)

    def gained(self, gain: Values, k: int) -> Values:
        """Return the sum of the hits' gains, (n,), within the first k places, (n_users,)."""
        within = self.rank < k
        total = np.bincount(self.row[within], gain[within], minlength=len(self.count))
        return total.astype(np.float64)  # bincount of nothing is of integers

    def ideal(self, k: int) -> NDArray[np.int64]:
        """Return how many hits a perfect list of k places has, (n_users,)."""
        return np.minimum(self.count, k)


def accuracy(found: Found, metrics: Sequence[str], cutoffs: Sequence[int]) -> dict[str, Values]:
    """Return the metrics of ranked lists.

    Args:
        found: where the positives stand.
        metrics: any of recall, precision, ndcg, map, mrr, hit.
        cutoffs: list lengths; a list that ends before is filled up with misses.

    Returns:
        "recall@20" → (n_users,) float64; NaN for a user without a positive, but for precision,
        mrr and hit, which are zero there.
    """
    hits = Hits.of(found)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of a user without a positive
        return {f"{name}@{k}": ACCURACY[name](hits, k) for name in metrics for k in cutoffs}


def _recall(hits: Hits, k: int) -> Values:
    return hits.gained(np.ones(len(hits.row)), k) / hits.count


def _precision(hits: Hits, k: int) -> Values:
    return hits.gained(np.ones(len(hits.row)), k) / k


def _hit(hits: Hits, k: int) -> Values:
    return np.minimum(hits.gained(np.ones(len(hits.row)), k), 1)


def _mrr(hits: Hits, k: int) -> Values:
    return hits.gained((hits.ordinal == 1) / (hits.rank + 1), k)


def _map(hits: Hits, k: int) -> Values:
    return hits.gained(hits.ordinal / (hits.rank + 1), k) / hits.ideal(k)


def _ndcg(hits: Hits, k: int) -> Values:
    discount = 1 / np.log2(np.arange(2, k + 2))  # (k,)
    ideal = np.concatenate([[0.0], discount.cumsum()])[hits.ideal(k)]  # (n_users,)
    values: Values = hits.gained(1 / np.log2(hits.rank + 2), k) / ideal
    return values


ACCURACY: Mapping[str, Callable[[Hits, int], Values]] = {
    "recall": _recall,
    "precision": _precision,
    "ndcg": _ndcg,
    "map": _map,
    "mrr": _mrr,
    "hit": _hit,
}
