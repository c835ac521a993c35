"""Does an encoder that was fine-tuned to the catalogue beat itself as it was?"""

import shlex

from mmbench.encoder_spec import FINETUNED as MARK
from mmbench.questions.answer import Answer
from mmbench.questions.lacking import examples, sweep, unanswered
from mmbench.questions.matching import alike, encoders
from mmbench.questions.origin_of_weights import GROUPS, group
from mmbench.questions.pairs import Pair
from mmbench.questions.study import FINETUNED, FROZEN, Case, Study, counted_as
from mmbench.questions.verdict import paired_answer

NAME = "fine-tuned"
ASKED = "Do fine-tuned encoders beat the same ones frozen?"
SUBJECTS = {key: f"fine-tuned against frozen{said}" for key, said in GROUPS.items()}


def answer(study: Study) -> Answer:
    """Compare each fine-tuned encoder with the one that it was made of, frozen."""
    tuned = [case for case in study.cases if case.cell.paradigm == FINETUNED and case.real]
    pairs = [
        Pair(table, one, other, group(one))
        for table in study.tables
        for cases in alike(table)
        for one in cases
        if one.cell.paradigm == FINETUNED and one.real
        for other in cases
        if other.cell.paradigm == FROZEN and other.real and other.cell.encoder == base(one)
    ]
    beside = {id(pair.system) for pair in pairs}
    alone = [case for case in tuned if id(case) not in beside]
    notes = []
    if alone:
        line = sweep(study, map(base, alone), alone)
        notes = [f"{counted_as(len(alone), 'system')} fine-tuned, nothing frozen beside: `{line}`"]
    if pairs:
        return paired_answer(NAME, ASKED, study, pairs, SUBJECTS, notes)
    return unanswered(NAME, ASKED, _lacks(tuned), notes or _lines(study))


def base(case: Case) -> str:
    """Return the name of the encoder that was fine-tuned."""
    told = case.told.get("finetuned") or {}
    return str(told.get("encoder") or case.cell.encoder.partition(MARK)[0])


def _lacks(tuned: list[Case]) -> str:
    return "no frozen encoder beside its fine-tuned self" if tuned else "no encoder was fine-tuned"


def _lines(study: Study) -> list[str]:
    """Return the command lines that fine-tune an encoder of the study and sweep with it."""
    known = encoders(case for case in study.cases if case.pretrained) or examples("pair")[1:]
    names = [case.cell.records[0].trial["dataset"] for case in study.cases]
    words = ["mmbench", "finetune", "--encoder", known[0], "--dataset", names[0]]
    line = sweep(study, [known[0], f"{known[0]}{MARK}ID"])
    return [f"to have them: `{shlex.join(words)}`, then, with the ID that it prints, `{line}`"]
