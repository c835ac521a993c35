"""The verb: records → the answers to the questions of a study."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

from mmbench.board.leaderboard import Places, check_metrics, read_results
from mmbench.board.markdown import escaped, left_out
from mmbench.errors import UsageError, nearest
from mmbench.home import Home
from mmbench.questions import QUESTIONS
from mmbench.questions.answer import Answer
from mmbench.questions.study import study

METRIC = "recall@20"


@dataclass(frozen=True)
class Report:
    """The answers, in the order of `mmbench.questions.QUESTIONS`.

    records: how many were read. left_out: what gave no number, or is no record, a line each.
    """

    metric: str
    records: int
    answers: tuple[Answer, ...]
    left_out: tuple[str, ...]

    def markdown(self) -> str:
        """Return a section a question, and what was left out."""
        noun = "record" if self.records == 1 else "records"
        head = f"## Questions · {escaped(self.metric)} · test · {self.records} {noun}\n"
        parts = [head, *(answer.markdown() for answer in self.answers), left_out(self.left_out)]
        return "\n".join(part for part in parts if part)

    def json(self) -> str:
        """Return all of it as JSON, numbers at full precision; what is not known is null."""
        values = {
            "metric": self.metric,
            "records": self.records,
            "answers": [answer.values() for answer in self.answers],
            "left_out": list(self.left_out),
        }
        return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)


def report(
    results: Places | None = None,
    *,
    metric: str = METRIC,
    questions: Sequence[str] = (),
    home: Home | str | PathLike[str] | None = None,
) -> Report:
    """Return what some records answer of a study's questions.

    Args:
        results: folders of records, or records; the home's where they are left out.
        metric: of the test part, by which systems are compared.
        questions: their names; all of `mmbench.questions.QUESTIONS` where they are left out.
        home: see `Home.find`; its manifests tell which datasets are of the same data.

    Raises:
        UsageError: no record, an unknown question, a metric that they lack.
    """
    asked = [name for name in QUESTIONS if name in _known(questions)] if questions else [*QUESTIONS]
    found = read_results(results, home)
    check_metrics([metric], found.records)
    made = study(found.records, metric, Home.of(home))
    if not made.tables:
        raise UsageError(f"no record of {metric} went well: {made.left_out[0]}")
    answers = tuple(QUESTIONS.resolve(name)(made) for name in asked)
    return Report(metric, len(found.records), answers, (*made.left_out, *found.left_out))


def _known(questions: Sequence[str]) -> set[str]:
    for name in questions:
        if name not in list(QUESTIONS):
            raise UsageError(f"--question {name}: {nearest(name, QUESTIONS)}")
    return set(questions)
