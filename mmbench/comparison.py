"""Is one system better than another: paired tests over users, intervals, effect sizes.

A user's values are averaged over the seeds first, and users are the samples. Seeds of one user are
no independent samples: they rank the same held-out items for the same person, so that counting
them as such would make every p too small. A mixed model (user and seed as random effects) would
say the same of users where every user has all seeds, and asks for normal errors, which recall has
not. What neither test covers is what other seeds would give: `Measured.deviation` shows that, and
a note says so where there is one seed only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np

from mmbench.errors import UsageError
from mmbench.fingerprint import SHORT
from mmbench.home import Home
from mmbench.per_user import Aligned, Values, align
from mmbench.statistics import (
    CONFIDENCE,
    RESAMPLES,
    Tested,
    bootstrap_intervals,
    cohens_dav,
    cohens_dz,
    holm_bonferroni,
    paired_differences,
    paired_t_test,
    wilcoxon_signed_rank,
)
from mmbench.systems import System, Wish, labels, system

METRIC = "recall@20"
HomeLike = Home | str | PathLike[str] | None


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made, see `mmbench.statistics.bootstrap_intervals`."""

    confidence: float = CONFIDENCE
    resamples: int = RESAMPLES
    seed: int = 0


USUAL = Bootstrap()


@dataclass(frozen=True)
class Measured:
    """What one system reached over the common users.

    deviation: standard deviation of the mean over its seeds; None where there is one.
    interval: of the mean over users, its seeds averaged.
    """

    name: str
    trial: str
    seeds: tuple[int, ...]
    mean: float
    deviation: float | None
    interval: tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """One system against a baseline on one metric of the test part, over the same users.

    difference: mean of system - mean of baseline; interval: of it, see `bootstrap`.
    relative: the difference as a share of the baseline's mean; None where that is 0.
    d_z, d_av: Cohen's d for paired samples, see `mmbench.statistics`.
    better, equal, worse: how many users have a greater, the same, a smaller value in the system.
    t_test, wilcoxon: two-sided; the Wilcoxon signed-rank test leaves out equal users.
    t_test_holm, wilcoxon_holm: their p corrected by Holm–Bonferroni over the family.
    family: how many comparisons are in it.
    notes: what a reader must know beside the numbers, a line each.
    """

    metric: str
    dataset: str
    protocol: str
    baseline: Measured
    system: Measured
    users: int
    difference: float
    interval: tuple[float, float]
    relative: float | None
    d_z: float
    d_av: float
    better: int
    equal: int
    worse: int
    t_test: Tested
    wilcoxon: Tested
    t_test_holm: float
    wilcoxon_holm: float
    family: int
    bootstrap: Bootstrap
    notes: tuple[str, ...]

    def json_values(self) -> dict[str, Any]:
        """Return all of it as JSON takes it: what is infinite or NaN is None."""
        values: dict[str, Any] = _finite(asdict(self))
        return values


def compare(
    a: Wish,
    b: Wish,
    *,
    metric: str = METRIC,
    seeds: Iterable[int] | None = None,
    bootstrap: Bootstrap = USUAL,
    home: HomeLike = None,
) -> Comparison:
    """Compare b with the baseline a on the test part; see `compare_family` for all else."""
    (made,) = compare_family(a, [b], metric=metric, seeds=seeds, bootstrap=bootstrap, home=home)
    return made


def compare_family(
    baseline: Wish,
    others: Sequence[Wish],
    *,
    metric: str = METRIC,
    seeds: Iterable[int] | None = None,
    bootstrap: Bootstrap = USUAL,
    home: HomeLike = None,
) -> tuple[Comparison, ...]:
    """Compare systems with one baseline on the test part, over the users that all of them have.

    Args:
        baseline, others: see `mmbench.systems.system`.
        metric: one that is measured for every user.
        seeds: compare these only. home: where names of cells are looked up.

    Returns:
        One comparison for each of the others. p is corrected over all of them, for each of the two
        tests alone; the corrected p of a single comparison is its p.

    Raises:
        UsageError: different test sets, no user in common, records without per-user metrics, NaN;
            see `mmbench.systems.system` and `mmbench.per_user.align`.
    """
    found = _systems((baseline, *others), seeds, home)
    aligned = align([each.records for each in found], metric)
    if len(aligned.users) < 2:
        raise UsageError(f"{metric}: a test over users needs two users at least, there is one")
    return _compared(found, aligned, metric, bootstrap)


def _systems(
    wishes: Sequence[Wish], seeds: Iterable[int] | None, home: HomeLike
) -> tuple[System, ...]:
    """Return the systems; UsageError where they are not of one test set."""
    if len(wishes) < 2:
        raise UsageError("a comparison takes two systems at least: name another")
    found = [system(wish, home) for wish in wishes]
    if seeds is not None:
        wanted = tuple(seeds)
        found = [each.of_seeds(wanted) for each in found]
    first = found[0]
    for other in found[1:]:
        for what, one in _test_set(first).items():
            if one != (another := _test_set(other)[what]):
                raise UsageError(
                    f"{first.name} and {other.name} were ranked on different test sets, their "
                    f"{what} differs ({one}, {another}): compare records of one {what}"
                )
    return tuple(found)


def _test_set(one: System) -> dict[str, str]:
    """Return what two systems must share for a user's values to be of the same held-out items."""
    record = one.records[0]
    prints = record.values["fingerprints"]
    said = {name: str(prints.get(name, "unknown"))[:SHORT] for name in ("dataset", "protocol")}
    said = {name: f"{record.trial[name]} {print_}" for name, print_ in said.items()}
    return said | {"catalogue": f"dropped: {record.values.get('dropped') or 'nothing'}"}


def _compared(
    systems: Sequence[System], aligned: Aligned, metric: str, bootstrap: Bootstrap
) -> tuple[Comparison, ...]:
    users, values = aligned.users.tolist(), aligned.seed_means()  # (n_systems, n_users)
    pairs = [paired_differences(row, values[0], users) for row in values[1:]]
    intervals = bootstrap_intervals(np.stack([*values, *pairs], axis=1), **asdict(bootstrap))
    baseline, *others = _measured(systems, aligned, intervals)
    trial, notes = systems[0].records[0].trial, _notes(systems, aligned, metric)
    of_all = {"metric": metric, "dataset": trial["dataset"], "protocol": trial["protocol"]}
    of_all |= {"family": len(pairs), "bootstrap": bootstrap, "notes": notes}
    effects = [
        _effect(*each, values[0])
        for each in zip(pairs, values[1:], intervals[len(systems) :], strict=True)
    ]
    return tuple(
        Comparison(baseline=baseline, system=other, **of_all, **effect, **tested)
        for other, effect, tested in zip(others, effects, _both_tests(pairs), strict=True)
    )


def _measured(
    systems: Sequence[System], aligned: Aligned, intervals: Values
) -> tuple[Measured, ...]:
    made = []
    for one, name, rows, interval in zip(
        systems, labels(systems), aligned.values, intervals, strict=False
    ):
        means = rows.mean(axis=1)  # (n_seeds,)
        deviation = float(means.std(ddof=1)) if len(means) > 1 else None
        pair = (float(interval[0]), float(interval[1]))
        made.append(Measured(name, one.trial, one.seeds, float(means.mean()), deviation, pair))
    return tuple(made)


def _effect(d: Values, system: Values, interval: Values, baseline: Values) -> dict[str, Any]:
    """Return how much a system differs from the baseline; all (n_users,) but the interval."""
    mean, difference = float(baseline.mean()), float(d.mean())
    return {
        "users": len(d),
        "difference": difference,
        "interval": (float(interval[0]), float(interval[1])),
        "relative": difference / mean if mean else None,
        "d_z": cohens_dz(d),
        "d_av": cohens_dav(system, baseline),
        "better": int((d > 0).sum()),
        "equal": int((d == 0).sum()),
        "worse": int((d < 0).sum()),
    }


def _both_tests(pairs: Sequence[Values]) -> list[dict[str, Any]]:
    """Return what both tests say of each of a family, and their p corrected over it."""
    t_tests, t_holm = _family(pairs, paired_t_test)
    ranks, rank_holm = _family(pairs, wilcoxon_signed_rank)
    names = ("t_test", "t_test_holm", "wilcoxon", "wilcoxon_holm")
    every = zip(t_tests, t_holm, ranks, rank_holm, strict=True)
    return [dict(zip(names, each, strict=True)) for each in every]


def _family(
    pairs: Sequence[Values], test: Callable[[Values], Tested]
) -> tuple[list[Tested], list[float]]:
    tested = [test(pair) for pair in pairs]
    return tested, holm_bonferroni([each.p for each in tested]).tolist()


def _notes(systems: Sequence[System], aligned: Aligned, metric: str) -> tuple[str, ...]:
    names, notes = labels(systems), []
    counts = [len(each.seeds) for each in systems]
    if len(set(counts)) > 1:
        told = ", ".join(f"{name} {n}" for name, n in zip(names, counts, strict=True))
        notes.append(f"different numbers of seeds ({told}): a mean of fewer seeds varies more")
    if 1 in counts:
        which = " and ".join(n for n, count in zip(names, counts, strict=True) if count == 1)
        notes.append(f"one seed of {which}: no test here covers what another seed would give")
    for name, each, missing in zip(names, systems, aligned.missing, strict=True):
        if missing:
            told = f"{missing} of its users are not in all of the records compared"
            notes.append(f"{name}: {told}, and are left out")
        notes += [f"{name}: {line}" for line in each.left_out]
    if aligned.unmeasured:
        notes.append(f"{aligned.unmeasured} users of whom {metric} says nothing are left out")
    return tuple(notes)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
