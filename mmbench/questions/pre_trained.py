"""Which encoders a question about published weights leaves out, and why."""

from collections.abc import Iterable, Sequence

from mmbench.questions.lacking import some
from mmbench.questions.study import FROZEN, Case


def unready(cases: Iterable[Case], kinds: Sequence[str]) -> list[str]:
    """Return a note on the frozen encoders of some kinds that have no published weights."""
    found = [case for case in cases if case.real and case.kind in kinds]
    frozen = [case for case in found if case.cell.paradigm == FROZEN and not case.pretrained]
    random = [case.cell.encoder for case in frozen if case.random]
    without = [case.cell.encoder for case in frozen if not case.random]
    notes = [f"random weights, no pre-trained encoder, left out: {some(random)}"] if random else []
    return notes + ([f"without weights, left out: {some(without)}"] if without else [])
