"""What is one modality worth alone, against the same encoder with all of them?"""

from collections.abc import Iterator

from mmbench.questions.answer import Answer
from mmbench.questions.lacking import patterns, strangers, sweep, unanswered
from mmbench.questions.matching import alike, encoders
from mmbench.questions.pairs import Pair
from mmbench.questions.study import Case, Study
from mmbench.questions.verdict import paired_answer

NAME = "modality-alone"
ASKED = "What is each modality worth alone, against all of the same encoder?"


def answer(study: Study) -> Answer:
    """Compare each encoder of one modality with those that give the same vectors and more."""
    pairs = list(_pairs(study))
    notes = strangers(study.cases)
    if pairs:
        groups = sorted({pair.group for pair in pairs})
        subjects = {group: f"{group} alone against all modalities" for group in groups}
        return paired_answer(NAME, ASKED, study, pairs, subjects, notes)
    alone = [case for case in study.cases if case.real and len(case.told["modalities"]) == 1]
    lacks = "no encoder of one modality stands beside the same one with more"
    if alone:
        lacks += f" ({', '.join(encoders(alone)[:3])} have one modality)"
    single = patterns("single")
    line = sweep(study, [*single, "+".join(single)])
    how = "with models of each (`mmbench list encoders` tells of which)"
    return unanswered(NAME, ASKED, lacks, [f"to have them, {how}: `{line}`", *notes])


def _pairs(study: Study) -> Iterator[Pair]:
    for table in study.tables:
        for cases in alike(table):
            for one in cases:
                modality = _alone(one)
                for other in cases if modality else ():
                    if _holds(other, one, modality):
                        yield Pair(table, one, other, modality)


def _alone(case: Case) -> str:
    """Return the only modality of a case, nothing where it has several."""
    known: list[str] = case.told["modalities"]
    single = case.real and case.spec is not None and len(case.spec.modalities) == 1
    return known[0] if single and len(known) == 1 else ""


def _holds(other: Case, one: Case, modality: str) -> bool:
    """Return whether another case has the very vectors of one, and more."""
    if other.spec is None or one.spec is None or other.cell.paradigm != one.cell.paradigm:
        return False
    same = other.spec.modalities.get(modality) == one.spec.modalities.get(modality)
    more = modality in other.told["modalities"] and len(other.told["modalities"]) > 1
    tuned = other.spec.finetuned == one.spec.finetuned
    return other.real and same and more and tuned and other.random == one.random
