"""Do dual-stream encoders (a tower a modality) beat unified ones (one network for both)?"""

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import examples, strangers, sweep, unanswered
from mmbench.questions.matching import crossed, encoders
from mmbench.questions.pre_trained import unready
from mmbench.questions.study import Study
from mmbench.questions.verdict import paired_answer

NAME = "dual-unified"
ASKED = "Do dual-stream encoders beat unified ones?"
DUAL, UNIFIED = "dual", "unified"
SUBJECTS = {"": "dual-stream against unified"}


def answer(study: Study) -> Answer:
    """Compare each dual-stream encoder with each unified one, frozen with published weights."""
    pairs = crossed(
        study,
        lambda case: case.pretrained and case.kind == DUAL,
        lambda case: case.pretrained and case.kind == UNIFIED,
    )
    notes = [*unready(study.cases, (DUAL, UNIFIED)), *strangers(study.cases)]
    if pairs:
        return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)
    found = [case for case in study.cases if case.pretrained]
    dual = encoders(case for case in found if case.kind == DUAL)
    unified = encoders(case for case in found if case.kind == UNIFIED)
    lacks = f"no pre-trained {'unified' if dual else 'dual-stream'} encoder beside one of the other"
    lacks += " kind in the same recommender"
    wished = [(dual or examples(DUAL))[0], (unified or examples(UNIFIED))[0]]
    return unanswered(NAME, ASKED, lacks, [f"to have them: `{sweep(study, wished)}`", *notes])
