"""Do pre-trained multi-modal encoders beat pairs of encoders of one modality each?"""

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import examples, strangers, sweep, unanswered
from mmbench.questions.matching import crossed, encoders
from mmbench.questions.pre_trained import unready
from mmbench.questions.study import Case, Study
from mmbench.questions.verdict import paired_answer

NAME = "multi-modal"
ASKED = "Do pre-trained multi-modal encoders beat modality-specific pairs?"
MULTI_MODAL, PAIR = ("dual", "unified"), "pair"
SUBJECTS = {"": "multi-modal against pairs"}


def answer(study: Study) -> Answer:
    """Compare each multi-modal encoder with each pair, both frozen with their published weights."""
    pairs = crossed(study, _multi_modal, lambda case: case.pretrained and case.kind == PAIR)
    notes = [*unready(study.cases, (*MULTI_MODAL, PAIR)), *strangers(study.cases)]
    if pairs:
        return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)
    found = [case for case in study.cases if case.pretrained]
    many = encoders(case for case in found if case.kind in MULTI_MODAL)
    two = encoders(case for case in found if case.kind == PAIR)
    lacks = "no pre-trained multi-modal encoder" if not many else "no pre-trained pair"
    lacks += " beside one of the other kind in the same recommender"
    wished = [(many or examples(*MULTI_MODAL))[0], (two or examples(PAIR))[0]]
    return unanswered(NAME, ASKED, lacks, [f"to have them: `{sweep(study, wished)}`", *notes])


def _multi_modal(case: Case) -> bool:
    return case.pretrained and case.kind in MULTI_MODAL
