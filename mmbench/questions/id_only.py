"""Does a recommender with an encoder beat the best one that reads no features?"""

from collections.abc import Iterator

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import examples, sweep, unanswered, without_features
from mmbench.questions.matching import alike
from mmbench.questions.pairs import Pair
from mmbench.questions.study import Case, Study, Table, valid_mean
from mmbench.questions.verdict import paired_answer

NAME = "id-only"
ASKED = "Does the recommender with an encoder beat the ID-only model?"
BEST, OWN = "best", "own"
SUBJECTS = {
    BEST: "against the ID-only recommender that is best on validation",
    OWN: "against the same recommender without features",
}


def answer(study: Study) -> Answer:
    """Compare each system with the best ID-only one of its table, chosen on validation."""
    pairs, notes = [], []
    for table in study.tables:
        best = _best(table, study.metric)
        pairs += list(_pairs(table, best))
        if best:
            notes.append(f"{table.name}: the ID-only model is {best.name}")
        elif any(case.real for case in table.cases):
            notes.append(f"{table.name} has no ID-only model with a score on validation")
    if pairs:
        return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)
    if any(case.real for case in study.cases):
        lacks, line = "no ID-only model stands beside the encoders", _line(study)
    else:
        lacks = "there is no encoder of content in them"
        line = sweep(study, examples("pair")[:1])
    return unanswered(NAME, ASKED, lacks, [f"to have them: `{line}`"])


def _pairs(table: Table, best: Case | None) -> Iterator[Pair]:
    for cases in alike(table):
        own = [case for case in cases if not case.told["modalities"]]
        for one in (case for case in cases if case.real):
            if best and best.setting == one.setting:
                yield Pair(table, one, best, BEST)
            yield from (Pair(table, one, other, OWN) for other in own if other is not best)


def _best(table: Table, metric: str) -> Case | None:
    """Return the case without features that is best on validation; the test part has no say."""
    found = [
        (reached, case.name, case)
        for case in table.cases
        if not case.told["modalities"]
        if (reached := valid_mean(case.cell, metric)) is not None
    ]
    return max(found, key=lambda one: one[:2])[2] if found else None


def _line(study: Study) -> str:
    names = dict.fromkeys(case.cell.records[0].trial["dataset"] for case in study.cases)
    models = ",".join(without_features())
    return f"mmbench sweep --model {models} --dataset {','.join(names)}"
