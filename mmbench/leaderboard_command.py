"""`mmbench leaderboard`: its options, and what it prints."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench import options as opt
from mmbench.errors import UsageError, nearest
from mmbench.output import tell

if TYPE_CHECKING:
    from mmbench.board.leaderboard import Leaderboard

FORMATS = ("md", "latex", "csv", "json", "html")
GALLERY_USERS = 10

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
CostsOption = Annotated[
    bool, typer.Option("--costs", help="show seconds, memory, parameters and energy")
]
CompareOption = Annotated[
    str | None,
    typer.Option(help="ENCODER, RECOMMENDER or RECOMMENDER/ENCODER to test all others against"),
]

GalleryOption = Annotated[
    bool,
    typer.Option(
        "--gallery", help="html: pictures of what users took and were recommended, hits marked"
    ),
]
GalleryUsersOption = Annotated[
    int | None, typer.Option("--gallery-users", min=1, help="how many users it shows (10)")
]


def leaderboard(
    results: opt.ResultsArgument = None,
    by: ByOption = "",
    columns: ColumnsOption = "",
    metric: MetricOption = "recall@20,ndcg@20",
    format_: FormatOption = "md",
    costs: CostsOption = False,
    compare: CompareOption = None,
    out: opt.OutOption = None,
    gallery: GalleryOption = False,
    gallery_users: GalleryUsersOption = None,
    home: opt.HomeOption = None,
) -> None:
    """Turn records into tables: mean ± standard deviation over the seeds, best and second marked.

    Results of several protocols, or of several versions of a dataset, never share a table.
    """
    from mmbench.board.leaderboard import leaderboard as made
    from mmbench.home import Home

    if format_ not in FORMATS:
        raise UsageError(f"--format {format_}: {nearest(format_, FORMATS)}")
    n_users = _gallery_users(gallery, gallery_users, format_)
    board = made(
        results or None,
        by=_names(by),
        columns=_names(columns),
        metrics=_names(metric),
        costs=costs,
        compare=compare,
        home=Home.find(home),
    )
    tell(_text(board, format_, n_users, home), out)
    if format_ == "csv":
        for line in board.left_out:
            print(f"left out: {line}", file=sys.stderr)


def _gallery_users(gallery: bool, users: int | None, format_: str) -> int:
    """Return of how many users a gallery is drawn, 0 where none is; either option asks for one."""
    if not gallery and users is None:
        return 0
    if format_ != "html":
        raise UsageError(f"--gallery is drawn on a page, not in {format_}: add --format html")
    return GALLERY_USERS if users is None else users


def _text(board: "Leaderboard", format_: str, gallery: int, home: str | None) -> str:
    if format_ == "html":
        from mmbench.board_page.page import page

        return page(board, gallery=gallery, home=home)
    texts: dict[str, Callable[[], str]] = {
        "md": board.markdown,
        "latex": board.latex,
        "csv": board.csv,
        "json": board.json,
    }
    return texts[format_]()


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
