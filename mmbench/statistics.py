"""Paired statistics over users: two tests, Holm–Bonferroni, bootstrap intervals, effect sizes.

Everything rests on one difference a user, (n_users,), which `paired_differences` makes. All tests
are two-sided. No function draws from a generator that it was not given the seed of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

CONFIDENCE, RESAMPLES = 0.95, 5000
DIGITS = 12  # of the largest value; what differs below them differs by rounding only
MOST_DECIMALS = 300  # 10 to more than that is no float
BLOCK = 2**22  # users drawn at once: 32 MB of weights

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Tested:
    """What a test gave: its statistic, its two-sided p, and how many differences it used."""

    statistic: float
    p: float
    n: int


def paired_differences(
    values: ArrayLike, baseline: ArrayLike, users: Sequence[Any] | None = None
) -> Values:
    """Return values - baseline for every user, to the 12 digits that an average of seeds keeps.

    Without the rounding, two means of the same values in another order differ in the last bit:
    a signed-rank test would count such users as better or worse.

    Args:
        values, baseline: (n_users,) each, the same users in the same order.
        users: (n_users,) what to call them in a message; their places where left out.

    Raises:
        ValueError: other numbers of users, or a value that is NaN or infinite (the user is named).
    """
    b, a = np.asarray(values, np.float64), np.asarray(baseline, np.float64)
    if b.ndim != 1 or b.shape != a.shape:
        raise ValueError(f"paired values have one shape (n_users,), not {b.shape} and {a.shape}")
    broken = np.flatnonzero(~(np.isfinite(b) & np.isfinite(a)))
    if len(broken):
        place = int(broken[0])
        user = place if users is None else users[place]
        raise ValueError(f"user {user}: a value is no number ({b[place]}, {a[place]})")
    largest = max(np.abs(b).max(initial=0), np.abs(a).max(initial=0))
    decimals = DIGITS - int(np.floor(np.log10(largest))) if largest else DIGITS
    rounded: Values = np.round(b - a, min(decimals, MOST_DECIMALS))
    return rounded


def paired_t_test(differences: ArrayLike) -> Tested:
    """Test whether the mean difference is 0: Student's t for paired samples.

    Where all differences are equal there is no variance: of zeros p is 1, as nothing differs; else
    the statistic is infinite and p is 0.

    Raises:
        ValueError: fewer than two users, or a difference that is no number.
    """
    d = _checked(differences)
    if np.ptp(d) == 0:
        return Tested(float(np.copysign(np.inf, d[0])) if d[0] else 0.0, float(d[0] == 0), len(d))
    # SciPy's ttest_1samp says the same, and takes twenty times as long to look at its arguments.
    t = float(d.mean() / (d.std(ddof=1) / np.sqrt(len(d))))
    return Tested(t, float(2 * special.stdtr(len(d) - 1, -abs(t))), len(d))


def wilcoxon_signed_rank(differences: ArrayLike) -> Tested:
    """Test whether the differences lie symmetrically about 0: Wilcoxon's signed-rank test.

    Differences of 0 are left out, as Wilcoxon did; `n` counts the others. Where none is left, p is
    1: nothing differs. p is exact for up to 50 differences without ties; with more, or with ties,
    it is SciPy's: normal with the variance corrected for ties (for a handful of tied differences,
    newer versions of SciPy try all signs). The statistic is the smaller sum of ranks.

    Raises:
        ValueError: fewer than two users, or a difference that is no number.
    """
    d = _checked(differences)
    d = d[d != 0]  # (n,)
    if not len(d):
        return Tested(0.0, 1.0, 0)
    found = stats.wilcoxon(d, correction=False)
    return Tested(float(found.statistic), float(found.pvalue), len(d))


def holm_bonferroni(p_values: ArrayLike) -> Values:
    """Return the p values corrected for the size of their family, in their order.

    Holm's step-down: the smallest of m is multiplied by m, the next by m - 1, ..., none becomes
    smaller than one before it, none larger than 1. It holds for dependent tests, too, which those
    against one baseline are.

    Raises:
        ValueError: a value outside 0 to 1, or NaN.
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p values are a list of numbers from 0 to 1, not {p.tolist()}")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(corrected, 1.0)


def cohens_dz(differences: ArrayLike) -> float:
    """Return Cohen's d for paired samples, d_z: mean of the differences / their deviation.

    0 where all are 0, infinite where all are equal otherwise. ValueError as in the tests.
    """
    d = _checked(differences)
    if np.ptp(d) == 0:
        return float(np.copysign(np.inf, d[0])) if d[0] else 0.0
    return float(d.mean() / d.std(ddof=1))


def cohens_dav(values: ArrayLike, baseline: ArrayLike) -> float:
    """Return d_av: the mean difference / the average of both deviations over the users.

    Unlike d_z it does not grow with the correlation of the two, so it compares with a d of
    unpaired samples. 0 where the means are equal, infinite where only the deviations are 0.

    Raises:
        ValueError: as `paired_differences` and the tests do.
    """
    mean = float(_checked(paired_differences(values, baseline)).mean())
    both = np.stack([values, baseline]).astype(np.float64)  # (2, n_users)
    spread = float(both.std(axis=1, ddof=1).mean())
    if not spread:
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return mean / spread


def bootstrap_intervals(
    columns: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Values:
    """Return a bootstrap confidence interval of the mean of each column, (n_columns, 2).

    Users are drawn with replacement. Bias-corrected and accelerated (BCa), not percentile: metrics
    of users are skewed (most find nothing), for which percentile intervals lie too far to one
    side, and of a mean the acceleration costs nothing. All columns are drawn together.

    Args:
        columns: (n_users, n_columns), or (n_users,) for one: values, or differences.
        confidence: the share of such intervals that hold the true mean.
        resamples: how often the users are drawn. seed: what fixes the draws.

    Raises:
        ValueError: fewer than two users, a value that is no number, or a wrong option.
    """
    table = np.asarray(columns, np.float64)
    table = table[:, None] if table.ndim == 1 else table  # (n_users, n_columns)
    for column in table.T:
        _checked(column)
    if not 0 < confidence < 1 or resamples < 100:
        raise ValueError("confidence lies between 0 and 1, and resamples are 100 at least")
    drawn = _resampled_means(table, resamples, np.random.default_rng(seed))
    return np.array([_bca(table[:, i], drawn[:, i], confidence) for i in range(table.shape[1])])


def _resampled_means(table: Values, resamples: int, rng: np.random.Generator) -> Values:
    """Return the means of all columns for each draw of users, (resamples, n_columns)."""
    n_users = len(table)
    rows = max(1, min(resamples, BLOCK // n_users))
    means = []
    for first in range(0, resamples, rows):
        n = min(rows, resamples - first)
        drawn = rng.integers(0, n_users, (n, n_users))
        drawn += np.arange(n)[:, None] * n_users
        # How often each user was drawn: a product with this is faster than gathering the rows.
        weights = np.bincount(drawn.ravel(), minlength=n * n_users).reshape(n, n_users)
        means.append(weights.astype(np.float64) @ table / n_users)  # (n, n_columns)
    return np.concatenate(means)


def _bca(values: Values, drawn: Values, confidence: float) -> Values:
    """Return the BCa interval of a mean (Efron, 1987) from its resampled means."""
    mean, centred = values.mean(), values - values.mean()
    if np.ptp(values) == 0:
        return np.array([mean, mean])
    # Of metrics with few values many resampled means are the mean itself, but for the last bit.
    close = np.abs(values).max() * 10.0**-DIGITS
    below = (np.mean(drawn < mean - close) + np.mean(drawn <= mean + close)) / 2
    half = 0.5 / len(drawn)
    bias = special.ndtri(np.clip(below, half, 1 - half))
    # The jackknife's values of a mean are linear in the values themselves.
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    tail = (1 - confidence) / 2
    z = bias + special.ndtri([tail, 1 - tail])
    found: Values = np.quantile(drawn, special.ndtr(bias + z / (1 - acceleration * z)))
    return found


def _checked(values: ArrayLike) -> Values:
    d = np.asarray(values, np.float64)
    if d.ndim != 1 or len(d) < 2:
        raise ValueError(f"a statistic over users needs two users at least, not {d.shape}")
    if not np.isfinite(d).all():
        place = int(np.flatnonzero(~np.isfinite(d))[0])
        raise ValueError(f"the value of user {place} is no number: {d[place]}")
    return d
