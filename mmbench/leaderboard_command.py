"""`mmbench leaderboard`: its options, and what it prints."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from mmbench.board.leaderboard import Leaderboard

FORMATS = ("md", "latex", "csv", "json", "html")

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
FormatOption = Annotated[str, typer.Option("--format", help="md, latex, csv, json or html")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="the file to write; it is printed, if left out")
]
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
    out: OutOption = None,
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
    texts: dict[str, Callable[[], str]] = {
        "md": board.markdown,
        "latex": board.latex,
        "csv": board.csv,
        "json": board.json,
        "html": lambda: _page(board),
    }
    _tell(texts[format_](), out)
    if format_ == "csv":
        for line in board.left_out:
            print(f"left out: {line}", file=sys.stderr)


def _page(board: "Leaderboard") -> str:
    from mmbench.board_page.page import page

    return page(board)


def _tell(text: str, out: Path | None) -> None:
    """Print a text, or write it whole to a file and print where that is."""
    if out is None:
        print(text.rstrip("\n"))
        return
    from mmbench.atomic import whole_file

    with whole_file(out) as part:
        part.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    print(out)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
