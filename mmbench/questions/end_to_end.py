"""Does training the encoder with the recommender's loss beat the same encoder frozen?"""

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import examples, sweep, unanswered
from mmbench.questions.matching import alike, encoders
from mmbench.questions.origin_of_weights import GROUPS, group
from mmbench.questions.pairs import Pair
from mmbench.questions.study import END2END, Case, Study, counted_as
from mmbench.questions.verdict import paired_answer

NAME = "end-to-end"
ASKED = "Does training end to end beat the same encoder frozen?"
SUBJECTS = {key: f"end to end against frozen{said}" for key, said in GROUPS.items()}


def answer(study: Study) -> Answer:
    """Compare each encoder that trained end to end with the same one, frozen."""
    joint = [case for case in study.cases if case.cell.paradigm == END2END]
    pairs = [
        Pair(table, one, other, group(one))
        for table in study.tables
        for cases in alike(table)
        for one in cases
        if one.cell.paradigm == END2END
        for other in cases
        if _frozen(other, one)
    ]
    beside = {id(pair.system) for pair in pairs}
    alone = [case for case in joint if id(case) not in beside]
    notes = []
    if alone:
        line = sweep(study, encoders(alone), alone)
        notes = [f"{counted_as(len(alone), 'system')} end to end, nothing frozen beside: `{line}`"]
    if pairs:
        return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)
    if joint:
        return unanswered(NAME, ASKED, "nothing frozen stands beside what trained", notes)
    known = encoders(case for case in study.cases if case.pretrained) or examples("pair")[1:]
    line = sweep(study, known[:1], paradigm=f"frozen,{END2END}")
    return unanswered(NAME, ASKED, "no encoder trained end to end", [f"to have them: `{line}`"])


def _frozen(other: Case, one: Case) -> bool:
    same = other.cell.encoder == one.cell.encoder and other.random == one.random
    return same and other.real and other.cell.paradigm != END2END
