"""Which cells of a table differ from a baseline: paired t-tests over users."""

from collections.abc import Iterable, Sequence

from mmbench.board.cell import Cell, Key
from mmbench.board.outcome import DAGGER, LEVEL, Outcome
from mmbench.errors import UsageError, nearest
from mmbench.per_user import Aligned, align
from mmbench.statistics import holm_bonferroni, paired_differences, paired_t_test

LEAST = 2  # users of a test


def check_baseline(baseline: str, cells: Iterable[Cell]) -> None:
    """Refuse a baseline that no cell is; UsageError names the nearest encoder or recommender."""
    known = {name for cell in cells for name in _names(cell)}
    if baseline not in known:
        raise UsageError(f"--compare {baseline}: {nearest(baseline, known)}")


def against(baseline: str, cells: Sequence[Cell], metrics: Sequence[str]) -> Outcome:
    """Test the cells of one table against a baseline, each metric for itself.

    A cell is compared with the cell of its dataset that is the baseline: where that names an
    encoder, the one of the same recommender; where it names a recommender, the one of the same
    encoder, or, if it has one only, that one. Each user's values are averaged over the seeds
    first, see `mmbench.comparison.compare_family`. p is corrected by Holm–Bonferroni over all
    comparisons of the metric in the table.
    """
    p: dict[tuple[Key, str], float] = {}
    told: list[str] = []
    most = 0
    for metric in metrics:
        found, lines = _of_metric(baseline, cells, metric)
        corrected = holm_bonferroni(list(found.values())) if found else ()
        p |= {(key, metric): float(one) for key, one in zip(found, corrected, strict=True)}
        most = max(most, len(found))
        told += lines
    legend = (
        f"{DAGGER} differs from {baseline}, p < {LEVEL:g}: paired t-test over users, "
        f"Holm–Bonferroni over the {most} comparisons of a metric"
    )
    return Outcome(p, (legend,) if most else (), tuple(dict.fromkeys(told)))


def _of_metric(
    baseline: str, cells: Sequence[Cell], metric: str
) -> tuple[dict[Key, float], list[str]]:
    """Return cell → p as it is, and a line for each that was not tested, or not over all users."""
    found: dict[Key, float] = {}
    told = []
    for cell in cells:
        if not cell.records or baseline in _names(cell):
            continue
        name = f"{cell.dataset} · {cell.model} {cell.encoder}"
        try:
            aligned = align([_baseline(baseline, cell, cells).records, cell.records], metric)
            found[cell.key] = _p(aligned)
        except UsageError as error:
            told.append(f"{name}: not tested: {error}")
            continue
        if any(aligned.missing):
            told.append(f"{name}: tested over the {len(aligned.users)} users of all its records")
    return found, told


def _names(cell: Cell) -> tuple[str, str, str]:
    return cell.encoder, cell.model, f"{cell.model}/{cell.encoder}"


def _baseline(baseline: str, cell: Cell, cells: Iterable[Cell]) -> Cell:
    """Return what a cell is compared with; UsageError where it is none or several."""
    own = [
        other
        for other in cells
        if other.dataset == cell.dataset and baseline in _names(other) and other.records
    ]
    if not any(baseline == f"{other.model}/{other.encoder}" for other in own):
        same = [other for other in own if other.model in (baseline, cell.model)]
        alike = [other for other in same if other.encoder == cell.encoder]
        own = alike or same
    if len(own) > 1:
        own = [other for other in own if other.notes == cell.notes] or own
    if len(own) != 1:
        told = f"{len(own)} trials are" if own else "no trial is"
        raise UsageError(f"{told} its baseline {baseline}")
    return own[0]


def _p(aligned: Aligned) -> float:
    if len(aligned.users) < LEAST:
        raise UsageError("it shares one user with the baseline, a test takes two")
    before, after = aligned.seed_means()  # (n_users,) each
    return paired_t_test(paired_differences(after, before, list(aligned.users))).p
