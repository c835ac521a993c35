"""`mmbench leaderboard`: its options, and what it prints."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError, nearest

FORMATS = ("md", "latex", "csv", "json")

ResultsArgument = Annotated[
    list[Path] | None, typer.Argument(help="folders of records, or records (the home's)")
]
ByOption = Annotated[
    str,
    typer.Option(
        help="what the rows are, with commas: dataset, protocol, model, encoder, paradigm, notes "
        "(model,encoder)"
    ),
]
ColumnsOption = Annotated[
    str, typer.Option(help="what the columns are, of the same names; the metrics, if left out")
]
MetricOption = Annotated[str, typer.Option(help="metrics of the test part, with commas")]
FormatOption = Annotated[str, typer.Option("--format", help="md, latex, csv or json")]
CostsOption = Annotated[
    bool, typer.Option("--costs", help="show seconds, memory, parameters and energy")
]
CompareOption = Annotated[
    str | None,
    typer.Option(help="ENCODER, RECOMMENDER or RECOMMENDER/ENCODER to test all others against"),
]


def leaderboard(
    results: ResultsArgument = None,
    by: ByOption = "",
    columns: ColumnsOption = "",
    metric: MetricOption = "recall@20,ndcg@20",
    format_: FormatOption = "md",
    costs: CostsOption = False,
    compare: CompareOption = None,
    home: opt.HomeOption = None,
) -> None:
    """Turn records into tables: mean ± standard deviation over the seeds, best and second marked.

    Results of several protocols, or of several versions of a dataset, never share a table.
    """
    from mmbench.board.leaderboard import leaderboard as made
    from mmbench.home import Home

    if format_ not in FORMATS:
        raise UsageError(f"--format {format_}: {nearest(format_, FORMATS)}")
    board = made(
        results or None,
        by=_names(by),
        columns=_names(columns),
        metrics=_names(metric),
        costs=costs,
        compare=compare,
        home=Home.find(home),
    )
    texts = {"md": board.markdown, "latex": board.latex, "csv": board.csv, "json": board.json}
    print(texts[format_]().rstrip("\n"))
    if format_ == "csv":
        for line in board.left_out:
            print(f"left out: {line}", file=sys.stderr)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
