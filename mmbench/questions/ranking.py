"""How alike two orders are: Kendall's tau-b and Spearman's rho, with ties."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata


def kendall(one: ArrayLike, other: ArrayLike) -> float | None:
    """Return tau-b of two (n,) lists of values; None where one of them has no order."""
    signs = [np.sign(np.subtract.outer(v, v)) for v in (np.asarray(one), np.asarray(other))]
    return _cosine(*signs)


def spearman(one: ArrayLike, other: ArrayLike) -> float | None:
    """Return rho of two (n,) lists of values; None where one of them has no order."""
    ranks = [rankdata(values) for values in (one, other)]  # ties share the mean of their ranks
    return _cosine(*(rank - rank.mean() for rank in ranks))


def _cosine(one: ArrayLike, other: ArrayLike) -> float | None:
    a, b = np.ravel(one), np.ravel(other)
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm else None
