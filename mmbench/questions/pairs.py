"""Pairs of cases: how much one differs from the other, tested over users."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

import numpy as np

from mmbench.board.outcome import LEVEL
from mmbench.comparison import USUAL, Bootstrap
from mmbench.errors import UsageError
from mmbench.per_user import Values
from mmbench.questions.study import Case, Study, Table
from mmbench.questions.user_values import Paired
from mmbench.statistics import (
    bootstrap_intervals,
    cohens_dz,
    holm_bonferroni,
    paired_differences,
    paired_t_test,
)

MANY, FEWER = 500, 1000  # pairs of a question; draws of more than so many
AT_ONCE = 2**22  # resampled means that are held at once: 32 MB


@dataclass(frozen=True)
class Pair:
    """A system and what it is compared with, of one table; group: what the sentence counts by."""

    table: Table
    system: Case
    baseline: Case
    group: str = ""


@dataclass(frozen=True)
class Tested:
    """What the users say of a pair.

    interval: of the mean difference, BCa bootstrap. d_z: mean / deviation of the differences.
    p: of the paired t-test. holm: corrected over all pairs of the question. missing: users of one
    of the two that the other lacks.
    """

    users: int
    interval: tuple[float, float]
    d_z: float
    p: float
    holm: float
    missing: int


@dataclass(frozen=True)
class Compared:
    """A pair with its difference; tested is None where it could not be, and `why` says why.

    value, before: means of the system and of the baseline, over the users of both where tested.
    """

    pair: Pair
    value: float
    before: float
    tested: Tested | None
    why: str = ""

    @property
    def difference(self) -> float:
        """How much more the system reaches."""
        return self.value - self.before

    @property
    def relative(self) -> float | None:
        """The difference as a share of the baseline; None where that is 0."""
        return self.difference / self.before if self.before else None

    @property
    def state(self) -> str:
        """Return better, worse, undecided or untested."""
        if self.tested is None:
            return "untested"
        if self.tested.holm >= LEVEL:
            return "undecided"
        return "better" if self.difference > 0 else "worse"


def bootstrap_for(pairs: int) -> Bootstrap:
    """Return how the intervals of so many pairs are made: the usual way, with fewer draws of many.

    An interval from 1,000 draws is within a few per cent of its width of that from 5,000.
    """
    return USUAL if pairs <= MANY else replace(USUAL, resamples=FEWER)


def compared(pairs: Sequence[Pair], study: Study) -> list[Compared]:
    """Return the pairs of one question, tested; p is corrected over all of them that could be.

    Each user's values are averaged over the seeds first, see `mmbench.comparison`.
    """
    found, why = _paired(pairs, study)
    differences = {
        place: paired_differences(both.values, both.baseline) for place, both in found.items()
    }
    tests = {place: paired_t_test(d).p for place, d in differences.items()}
    corrected = holm_bonferroni(list(tests.values())) if tests else np.empty(0)
    holm = dict(zip(tests, corrected.tolist(), strict=True))
    intervals = _intervals(found, differences, bootstrap_for(len(pairs)))
    made = []
    for place, pair in enumerate(pairs):
        if place in why:
            made.append(_untested(pair, study.metric, why[place]))
            continue
        both, d = found[place], differences[place]
        told = Tested(
            users=len(d),
            interval=intervals[place],
            d_z=cohens_dz(d),
            p=tests[place],
            holm=holm[place],
            missing=both.missing,
        )
        made.append(Compared(pair, float(both.values.mean()), float(both.baseline.mean()), told))
    return made


def _paired(pairs: Sequence[Pair], study: Study) -> tuple[dict[int, Paired], dict[int, str]]:
    """Return place → the values of both over users, and place → why there are none."""
    found, why = {}, {}
    for place, pair in enumerate(pairs):
        try:
            found[place] = study.user_values.paired(pair.system.cell, pair.baseline.cell)
        except UsageError as error:
            why[place] = str(error)
    return found, why


def _intervals(
    found: dict[int, Paired], differences: dict[int, Values], bootstrap: Bootstrap
) -> dict[int, tuple[float, float]]:
    """Return place → interval; pairs of the same users are drawn together, which is much faster."""
    same: dict[int, list[int]] = defaultdict(list)
    for place, both in found.items():
        same[id(both.users)].append(place)
    step = max(1, AT_ONCE // bootstrap.resamples)
    intervals: dict[int, tuple[float, float]] = {}
    for places in same.values():
        for first in range(0, len(places), step):
            some = places[first : first + step]
            columns = np.stack([differences[place] for place in some], axis=1)
            rows = bootstrap_intervals(columns, **asdict(bootstrap))
            intervals |= {p: (float(a), float(b)) for p, (a, b) in zip(some, rows, strict=True)}
    return intervals


def _untested(pair: Pair, metric: str, why: str) -> Compared:
    value, before = pair.system.cell.mean(metric), pair.baseline.cell.mean(metric)
    return Compared(pair, float(value or 0), float(before or 0), None, why)


def row(one: Compared, metric: str) -> dict[str, Any]:
    """Return a pair as a row: key → value, None where it is not known."""
    pair, tested = one.pair, one.tested
    low, high = tested.interval if tested else (None, None)
    d_z = tested.d_z if tested and isfinite(tested.d_z) else None
    return {
        "group": pair.group,
        "dataset": pair.table.dataset,
        "protocol": pair.table.protocol,
        "model": pair.system.cell.model,
        "system": pair.system.encoder,
        "baseline_model": pair.baseline.cell.model,
        "baseline": pair.baseline.encoder,
        "seeds": len(pair.system.cell.records),
        "baseline_seeds": len(pair.baseline.cell.records),
        "value": one.value,
        "deviation": pair.system.cell.deviation(metric),
        "before": one.before,
        "baseline_deviation": pair.baseline.cell.deviation(metric),
        "difference": one.difference,
        "low": low,
        "high": high,
        "relative": one.relative,
        "d_z": d_z,
        "users": tested.users if tested else None,
        "p": tested.p if tested else None,
        "p_holm": tested.holm if tested else None,
        "outcome": one.state,
    }
