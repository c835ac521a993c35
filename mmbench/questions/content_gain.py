"""Does an encoder beat its own rows on other items, and noise: is it the content that helps?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import control, examples, sweep, unanswered
from mmbench.questions.matching import alike
from mmbench.questions.pairs import Pair
from mmbench.questions.study import END2END, Case, Study, counted_as
from mmbench.questions.verdict import paired_answer

NAME = "content-gain"
ASKED = "Does the encoder beat its own permuted features, and noise?"
SHUFFLED, RANDOM = "shuffled", "random"  # kinds of controls
SUBJECTS = {
    SHUFFLED: "the encoder against its own rows on other items",
    RANDOM: "the encoder against noise",
}


def answer(study: Study) -> Answer:
    """Compare each encoder with its controls in the same recommender.

    What trains end to end is left out: its control would have to train, too.
    """
    real = [case for case in study.cases if case.real and case.cell.paradigm != END2END]
    pairs = list(_pairs(study))
    notes = [*_lacks(study, real, pairs)]
    if not real:
        line = f"`{sweep(study, [first := examples('pair')[0], control(SHUFFLED, first)])}`"
        return unanswered(NAME, ASKED, "there is no encoder of content in them", [line])
    if not pairs:
        return unanswered(NAME, ASKED, "no encoder stands beside permuted features or noise", notes)
    return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)


def _pairs(study: Study) -> Iterator[Pair]:
    for table in study.tables:
        for cases in alike(table):
            for one in cases:
                if one.real and one.cell.paradigm != END2END:
                    for other in cases:
                        if group := _group(one, other):
                            yield Pair(table, one, other, group)


def _group(one: Case, other: Case) -> str:
    """Return as what another case controls one; nothing where it does not."""
    if other.kind == RANDOM and not other.cell.of:
        return RANDOM
    if other.kind == SHUFFLED and other.cell.of == one.cell.encoder:
        # The rows of random weights are no control of published ones, nor the other way round.
        return SHUFFLED if one.random == other.random else ""
    return ""


def _lacks(study: Study, real: Iterable[Case], pairs: Iterable[Pair]) -> list[str]:
    """Return which encoders have no control beside them, with what would make it."""
    known = {(pair.group, id(pair.system)) for pair in pairs}
    without: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in real:
        if (SHUFFLED, id(case)) not in known:
            without[SHUFFLED, case.cell.encoder].append(case)
        if (RANDOM, id(case)) not in known:
            without[RANDOM, ""].append(case)
    notes = []
    for (kind, name), cases in without.items():
        line = sweep(study, [control(kind, name)], cases)
        what = "permuted rows" if kind == SHUFFLED else "rows of noise"
        which = f"of {name}" if name else "of any encoder"
        notes.append(f"no {what} beside {counted_as(len(cases), 'system')} {which}: `{line}`")
    return notes
