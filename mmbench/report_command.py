"""`mmbench report`: its options, and what it prints."""

from typing import Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError, nearest
from mmbench.output import tell

FORMATS = ("md", "json")

MetricOption = Annotated[str, typer.Option(help="one metric of the test part")]
QuestionOption = Annotated[
    list[str] | None, typer.Option(help="one of the questions (all); repeatable")
]
FormatOption = Annotated[str, typer.Option("--format", help="md or json")]


def report(
    results: opt.ResultsArgument = None,
    metric: MetricOption = "recall@20",
    question: QuestionOption = None,
    format_: FormatOption = "md",
    out: opt.OutOption = None,
    home: opt.HomeOption = None,
) -> None:
    """Answer the questions of a study from records, each pair tested over users.

    multi-modal, fine-tuned, end-to-end, dual-unified, modality-alone, content-gain, id-only,
    rank-correlation, test-selection, quality-cost.
    """
    from mmbench.home import Home
    from mmbench.questions.report import report as made

    if format_ not in FORMATS:
        raise UsageError(f"--format {format_}: {nearest(format_, FORMATS)}")
    told = made(results or None, metric=metric, questions=question or (), home=Home.find(home))
    tell(told.markdown() if format_ == "md" else told.json(), out)
