"""The statistics are those of SciPy and statsmodels, and what a pencil gives."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from mmbench.statistics import (
    bootstrap_intervals,
    cohens_dav,
    cohens_dz,
    holm_bonferroni,
    paired_differences,
    paired_t_test,
    wilcoxon_signed_rank,
)

STATISTICS = (paired_t_test, wilcoxon_signed_rank, cohens_dz, bootstrap_intervals)


@pytest.fixture
def recalls():
    """Recall of 300 users by two systems: many find nothing, many differences are tied."""
    rng = np.random.default_rng(4)
    a = rng.binomial(3, 0.15, 300) / 3
    return a, np.clip(a + rng.choice([-1, 0, 0, 0, 1, 1], 300) / 3, 0, 1)


def test_the_t_test_is_that_of_scipy_and_statsmodels(recalls):
    a, b = recalls
    ours = paired_t_test(paired_differences(b, a))
    theirs = stats.ttest_rel(b, a)
    statistic, p, _ = DescrStatsW(b - a).ttest_mean(0.0)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (ours.statistic, ours.p) == pytest.approx((statistic, p))
    assert ours.n == 300


def test_the_t_test_by_hand():
    """Mean 2, deviation 1, three users: t = 2 sqrt(3); with 2 degrees p has a closed form."""
    t = 2 * 3**0.5
    found = paired_t_test([1.0, 2.0, 3.0])
    assert found.statistic == pytest.approx(t)
    assert found.p == pytest.approx(1 - t / (2 + t**2) ** 0.5)


def test_the_signed_rank_test_is_that_of_scipy(recalls):
    a, b = recalls
    ours = wilcoxon_signed_rank(paired_differences(b, a))
    differences = np.round(3 * (b - a))  # whole numbers: no rounding breaks a tie
    theirs = stats.wilcoxon(differences[differences != 0])
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert ours.n == (differences != 0).sum() < 300


def test_the_signed_rank_test_by_hand():
    """All 2^8 ways to give the ranks a sign, counted."""
    differences = np.array([0.3, -0.1, 0.8, 0.5, -0.2, 0.9, 0.4, 0.7, 0.0, 0.0])
    signs = np.array(list(product([0, 1], repeat=8)))
    sums = signs @ np.arange(1, 9)
    smaller = np.minimum(sums, 36 - sums)
    found = wilcoxon_signed_rank(differences)
    assert (found.statistic, found.n) == (3, 8)  # ranks 1 and 2 are negative
    assert found.p == pytest.approx((smaller <= 3).mean())


def test_the_normal_signed_rank_test_by_hand(recalls):
    """Variance of the sum of ranks, less (t^3 - t) / 48 for every group of t ties."""
    differences = paired_differences(*recalls)
    found = wilcoxon_signed_rank(differences)
    _, ties = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    n = found.n
    variance = n * (n + 1) * (2 * n + 1) / 24 - (ties**3 - ties).sum() / 48
    z = (found.statistic - n * (n + 1) / 4) / variance**0.5
    assert found.p == pytest.approx(2 * stats.norm.cdf(z))


def test_nothing_differs():
    for test in (paired_t_test, wilcoxon_signed_rank):
        assert test(np.zeros(9)).p == 1
    assert wilcoxon_signed_rank(np.zeros(9)).n == 0
    assert cohens_dz(np.zeros(9)) == cohens_dav(np.ones(9), np.ones(9)) == 0
    assert bootstrap_intervals(np.zeros(9)).tolist() == [[0, 0]]


def test_all_differ_alike():
    found = paired_t_test(np.full(9, -0.5))
    assert (found.statistic, found.p) == (-np.inf, 0)
    assert cohens_dz(np.full(9, 0.5)) == cohens_dav(np.ones(9), np.zeros(9)) == np.inf
    assert bootstrap_intervals(np.full(9, 0.5)).tolist() == [[0.5, 0.5]]
    assert wilcoxon_signed_rank(np.full(9, 0.5)).p < 0.01


@pytest.mark.parametrize("statistic", STATISTICS)
def test_one_user_and_nan_are_refused(statistic):
    with pytest.raises(ValueError, match="two users"):
        statistic(np.array([0.5]))
    with pytest.raises(ValueError, match="user 1 is no number: nan"):
        statistic(np.array([0.5, np.nan, 0.1]))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_user_whose_value_is_no_number_is_named(bad):
    with pytest.raises(ValueError, match="user u7"):
        paired_differences([0.5, 0.1], [0.5, bad], ["u3", "u7"])
    with pytest.raises(ValueError, match="user 1"):
        paired_differences([0.5, bad], [0.5, 0.1])


def test_other_numbers_of_users_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        paired_differences([0.5, 0.1], [0.5])


def test_the_last_bit_is_no_difference():
    """Means of the same three values in another order."""
    a, b = (0.1 + 0.2 + 0.3) / 3, (0.3 + 0.2 + 0.1) / 3
    assert a != b
    assert paired_differences([a, 0.5, 1.0], [b, 0.25, 1.0]).tolist() == [0, 0.25, 0]
    assert paired_differences([1000 * a, 2e-9], [1000 * b, 1e-9]).tolist() == [0, 1e-9]


def test_holm_by_hand():
    assert holm_bonferroni([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_bonferroni([0.6, 0.5]).tolist() == [1, 1]
    assert holm_bonferroni([0.02]).tolist() == [0.02]


def test_holm_is_that_of_statsmodels_and_monotone():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 60):
        p = np.round(rng.uniform(size=n) ** 3, 2)  # with ties, zeros and ones
        ours = holm_bonferroni(p)
        assert ours == pytest.approx(multipletests(p, method="holm")[1])
        assert (np.diff(ours[np.argsort(p)]) >= 0).all()
        assert (ours >= p).all()
        assert (ours <= 1).all()


@pytest.mark.parametrize("p", [[0.1, np.nan], [-0.1], [1.1], [[0.1]]])
def test_holm_takes_p_values_only(p):
    with pytest.raises(ValueError, match="p values"):
        holm_bonferroni(p)


def test_effect_sizes_by_hand():
    a, b = np.array([0.0, 2.0, 4.0]), np.array([1.0, 4.0, 7.0])  # deviations 2 and 3
    assert cohens_dz(b - a) == pytest.approx(2.0)
    assert cohens_dav(b, a) == pytest.approx(2 / 2.5)


def test_intervals_are_those_of_scipy():
    difference = np.random.default_rng(5).exponential(size=60) - 0.8
    (ours,) = bootstrap_intervals(difference, resamples=20_000, confidence=0.9)
    theirs = stats.bootstrap(
        (difference,), np.mean, n_resamples=20_000, confidence_level=0.9, method="BCa", rng=1
    ).confidence_interval
    assert ours == pytest.approx([*theirs], abs=0.03 * (theirs.high - theirs.low))


def test_intervals_of_skewed_values_are_not_symmetric():
    values = np.random.default_rng(3).exponential(size=40) ** 2
    ((low, high),) = bootstrap_intervals(values)
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_many_users_give_the_normal_interval():
    values = np.random.default_rng(3).uniform(size=20_000)
    (ours,) = bootstrap_intervals(values, resamples=1000)
    theirs = DescrStatsW(values).zconfint_mean()
    assert ours == pytest.approx(theirs, abs=0.1 * (theirs[1] - theirs[0]))


def test_columns_are_drawn_together_and_the_seed_fixes_them(recalls):
    a, b = recalls
    both = bootstrap_intervals(np.column_stack([a, b, b - a]), resamples=300)
    assert both.shape == (3, 2)
    for column, interval in zip((a, b, b - a), both, strict=True):
        assert bootstrap_intervals(column, resamples=300)[0] == pytest.approx(interval)
    assert (bootstrap_intervals(a, resamples=300, seed=1) != both[0]).any()


@pytest.mark.parametrize("wrong", [{"confidence": 1.0}, {"confidence": 0.0}, {"resamples": 3}])
def test_wrong_options_of_an_interval(wrong):
    with pytest.raises(ValueError, match="confidence"):
        bootstrap_intervals(np.arange(9.0), **wrong)


@pytest.mark.parametrize("test", [paired_t_test, wilcoxon_signed_rank])
def test_p_is_uniform_where_nothing_differs(test):
    """Kolmogorov–Smirnov over 500 pairs of systems that differ by chance only."""
    rng = np.random.default_rng(0)
    p = [test(rng.normal(size=80) * rng.exponential(size=80)).p for _ in range(500)]
    assert stats.kstest(p, "uniform").pvalue > 0.05
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08


def test_the_interval_holds_the_true_mean_as_often_as_it_says():
    """Skewed values with many zeros, true mean 0.2; 95 % less what 60 users cost."""
    rng = np.random.default_rng(0)
    table = rng.binomial(1, 0.4, (60, 600)) * rng.exponential(0.5, (60, 600))  # a set a column
    low, high = bootstrap_intervals(table, resamples=1000).T
    assert 0.92 <= ((low <= 0.2) & (high >= 0.2)).mean() <= 0.97
