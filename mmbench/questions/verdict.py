"""The answer to a question of pairs: the sentence that counts them, their table, the notes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from mmbench.board.markdown import escaped
from mmbench.board.outcome import LEVEL
from mmbench.questions.answer import Answer, Column, Row, number, plain, spread
from mmbench.questions.pairs import Compared, Pair, bootstrap_for, compared, row
from mmbench.questions.study import Study, counted_as

WORDS = {"better": "better in {}", "worse": "worse in {}", "undecided": "undecided in {}"}
DECIDED = ("better", "worse")
SEVERAL_SEEDS = 2


def paired_answer(
    question: str,
    asked: str,
    study: Study,
    pairs: Sequence[Pair],
    subjects: Mapping[str, str],
    notes: Sequence[str] = (),
) -> Answer:
    """Return the answer of a question of pairs, of which there is one at least.

    Args:
        subjects: group → who is compared with whom, as the beginning of a sentence
            ("fine-tuned against frozen"). Groups are counted apart.
        notes: what the records lack, told after what is to be known of the table.
    """
    found = compared(pairs, study)
    told = [
        f"{subject}: {counted([one for one in found if one.pair.group == group])}"
        for group, subject in subjects.items()
        if any(one.pair.group == group for one in found)
    ]
    tested = sum(one.tested is not None for one in found)
    how = (
        f" (paired t-tests over users, p < {LEVEL:g} after Holm–Bonferroni over "
        f"{counted_as(tested, 'pair')} of this question)"
    )
    verdict = "; ".join(told) + (how if tested else "") + "."
    lines = (*_how(tested, len(found)), *_cautions(found, study.metric), *notes)
    rows = tuple(row(one, study.metric) for one in found)
    return Answer(
        question, asked, verdict[0].upper() + verdict[1:], _columns(study.metric), rows, lines
    )


def counted(found: Sequence[Compared]) -> str:
    """Return how many pairs are better, worse, undecided, and their median relative difference."""
    states = Counter(one.state for one in found)
    untested = [one for one in found if one.tested is None]
    tested = len(found) - len(untested)
    parts = []
    if tested:
        said = [form.format(states[state]) for state, form in WORDS.items()]
        parts.append(f"{said[0]}, {said[1]}, {said[2]} of {counted_as(tested, 'pair')}")
    if untested:
        higher = sum(one.difference > 0 for one in untested)
        lower = sum(one.difference < 0 for one in untested)
        named = f"{len(untested)} more" if tested else counted_as(len(untested), "pair")
        parts.append(f"{named} without a test (higher in {higher}, lower in {lower})")
    shares = [one.relative for one in found if one.relative is not None]
    if shares:
        parts.append(f"{'median ' if len(shares) > 1 else ''}relative difference {middle(shares)}")
    return ", ".join(parts)


def middle(shares: Sequence[float]) -> str:
    """Return the median of shares as a percentage with its sign."""
    return f"{median(shares):+.1%}"


def _columns(metric: str) -> tuple[Column, ...]:
    return (
        Column("dataset", plain("dataset")),
        Column("protocol", plain("protocol")),
        Column("recommender", plain("model")),
        Column("encoder", plain("system")),
        Column("against", _against),
        Column(metric, spread("value", "deviation")),
        Column("that of the other", spread("before", "baseline_deviation")),
        Column("difference", _difference),
        Column("relative", number("relative", "+.1%")),
        Column("d_z", number("d_z", "+.3f")),
        Column("p, Holm", number("p_holm", ".2g")),
        Column("outcome", plain("outcome")),
    )


def _against(row: Row) -> str:
    same = row["model"] == row["baseline_model"]
    return escaped(row["baseline"] if same else f"{row['baseline_model']} {row['baseline']}")


def _difference(row: Row) -> str:
    told = f"{row['difference']:+.4f}"
    return told if row["low"] is None else f"{told} [{row['low']:+.4f}, {row['high']:+.4f}]"


def _how(tested: int, pairs: int) -> list[str]:
    if not tested:
        return []
    used = bootstrap_for(pairs)
    return [
        f"in brackets: {used.confidence:.0%} interval, BCa bootstrap of the mean over users "
        f"({used.resamples} draws), each averaged over the seeds first; ±: deviation over the "
        "seeds, which no test here covers",
        "p is that of the paired t-test; d_z: mean of the users' differences / their deviation",
    ]


def _cautions(found: Sequence[Compared], metric: str) -> list[str]:
    """Return what weakens the pairs: no test, few seeds, several points, budgets, other users."""
    notes = _untested(found)
    near = sum(_within(one, metric) for one in found if one.state in DECIDED)
    if near:
        notes.append(
            f"{counted_as(near, 'pair')} decided by the users differ by no more than the deviation "
            "over the seeds of one of the two: other seeds may decide otherwise"
        )
    sides = [case for one in found for case in (one.pair.system, one.pair.baseline)]
    cases = list({case.cell.key: case for case in sides}.values())
    single = sum(len(case.cell.records) < SEVERAL_SEEDS for case in cases)
    if single:
        notes.append(
            f"{counted_as(single, 'system')} of {len(cases)} with one seed: nothing says what "
            "another seed would give"
        )
    several = [case for case in cases if len(case.points) > 1]
    if several:
        notes.append(
            f"several points of {counted_as(len(several), 'system')}, as of {several[0].name}: of "
            f"those with most seeds the one that is best on validation ({metric}) stands here"
        )
    missing = [one for one in found if one.tested and one.tested.missing]
    if missing:
        notes.append(f"{counted_as(len(missing), 'pair')} over the users that both records hold")
    return notes + _budgets(found)


def _untested(found: Sequence[Compared]) -> list[str]:
    why: dict[str, list[Compared]] = {}
    for one in found:
        if one.tested is None:
            why.setdefault(one.why.partition(": ")[2] or one.why, []).append(one)
    return [f"{counted_as(len(o), 'pair')} without a test, as in {o[0].why}" for o in why.values()]


def _budgets(found: Sequence[Compared]) -> list[str]:
    unlike = [one for one in found if one.pair.system.budget != one.pair.baseline.budget]
    if not unlike:
        return []
    one, other = unlike[0].pair.system, unlike[0].pair.baseline
    told = f"{one.name} ({one.budget}) and {other.name} ({other.budget})"
    return [f"{counted_as(len(unlike), 'pair')} with unlike budgets of search, as {told}"]


def _within(one: Compared, metric: str) -> bool:
    """Return whether the difference is no larger than what another seed changes."""
    cells = (one.pair.system.cell, one.pair.baseline.cell)
    return any(abs(one.difference) <= (cell.deviation(metric) or 0.0) for cell in cells)
