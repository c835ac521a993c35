"""The page: a section a table, the dialog of a cell, and what was left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from os import PathLike
from typing import TYPE_CHECKING, Any

from mmbench.board.leaderboard import Leaderboard
from mmbench.board.markdown import SHOWN
from mmbench.board.table import Table
from mmbench.board_page.costs import cost_figure
from mmbench.board_page.curves import curve_figure
from mmbench.board_page.embedded import embedded
from mmbench.board_page.facts import facts
from mmbench.board_page.grid import grid
from mmbench.board_page.groups import group_figure
from mmbench.board_page.intervals import interval_figure, share
from mmbench.board_page.names import Named, named
from mmbench.board_page.styles import Style, styles
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.page.document import document

if TYPE_CHECKING:
    from mmbench.board_page.galleries import Galleries

HEADING = "Leaderboard"
FILTER = """<p class="filter"><label for="filter">Rows that hold</label>
<input id="filter" type="search" autocomplete="off" spellcheck="false"
placeholder="words, as vbpr control"> <span id="count" role="status"></span></p>
<noscript><p>Sorting, filtering, galleries and records need JavaScript.</p></noscript>"""
DIALOG = """<dialog id="records" aria-labelledby="records-title"><div class="bar">
<h2 id="records-title" tabindex="-1"></h2><button type="button" class="close">Close</button></div>
<div id="records-body"></div></dialog>"""


@dataclass(frozen=True)
class _Whole:
    """What all sections share: encoder → looks, how many cells a figure draws, the galleries."""

    looks: Mapping[str, Style]
    most: int
    hung: "Galleries | None"


def page(
    board: Leaderboard, *, gallery: int = 0, home: Home | str | PathLike[str] | None = None
) -> str:
    """Return a leaderboard as one page of HTML that fetches nothing.

    Its only scripts are the files *.js here, which the page names by their hash, and values that
    are not run.

    Args:
        board: the tables.
        gallery: of how many users it shows what they took and were recommended, with pictures;
            0: of none. A dataset of which that cannot be shown says why.
        home: where the datasets of the gallery are prepared; see `Home.of`.

    Raises:
        UsageError: fewer users than none.
    """
    every = [named(table, number) for number, table in enumerate(board.tables)]
    whole = _Whole(
        looks=styles(each for cells in every for each in cells),
        most=share(sum(map(_n_figures, board.tables, every))),
        hung=(hung := _galleries(every, gallery, home)),
    )
    sections, known = [], dict[str, Any]()
    for number, (table, cells) in enumerate(zip(board.tables, every, strict=True)):
        sections.append(_section(table, number, cells, whole))
        known |= facts(table, cells)
    parts = [_summary(board), _contents(board.tables, hung), FILTER, *sections]
    parts += [_left_out(board.left_out), DIALOG, embedded(known, "cells")]
    parts += [hung.values()] if hung else []
    more = ["gallery"] if hung else []
    style, script = (
        "".join(_file(f"{name}.{kind}") for name in names)
        for kind, names in (("css", ["style", *more]), ("js", ["script", *more]))
    )
    text = document(HEADING, style, parts, script)
    # A record may hold half a surrogate pair, which no file can.
    return text.encode("utf-8", "replace").decode("utf-8")


def _file(name: str) -> str:
    return files("mmbench.board_page").joinpath(name).read_text(encoding="utf-8")


def _summary(board: Leaderboard) -> str:
    cells = [cell for table in board.tables for cell in table.cells]
    n_records = sum(len(cell.records) + len(cell.broken) for cell in cells)
    told = [
        _count(len(board.tables), "table"),
        _count(len(cells), "trial"),
        _count(n_records, "record"),
    ]
    return f'<p class="pale">{", ".join(told)}</p>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _galleries(
    every: Sequence[Sequence[Named]], users: int, home: Home | str | PathLike[str] | None
) -> "Galleries | None":
    if users < 0:
        raise UsageError(f"a gallery of {users} users: name 1 or more")
    if not users:
        return None
    from mmbench.board_page.galleries import galleries

    return galleries([_by_dataset(cells) for cells in every], Home.of(home), users)


def _contents(tables: Sequence[Table], hung: "Galleries | None") -> str:
    links = [(f"table-{number}", table.title) for number, table in enumerate(tables)]
    links += hung.links() if hung else []
    lines = "".join(f'<li><a href="#{id_}">{escape(name)}</a></li>' for id_, name in links)
    return f'<nav aria-label="contents"><ul>{lines}</ul></nav>' if len(links) > 1 else ""


def _section(table: Table, number: int, cells: Sequence[Named], whole: _Whole) -> str:
    """Return the table, what its marks mean, its figures by its first metric, and its galleries."""
    ids = {each.cell.key: each.id for each in cells}
    parts = [grid(table, number, ids), _list(table.legend, "marks")]
    for dataset, of in _by_dataset(cells).items():
        place = "" if table.dataset else f"{dataset}: "
        parts += _figures(place, table, of, whole)
        parts += [whole.hung.section((number, dataset), place)] if whole.hung else []
    body = "\n".join(part for part in parts if part)
    return f'<section>\n<h2 id="table-{number}">{escape(table.title)}</h2>\n{body}\n</section>'


def _by_dataset(cells: Iterable[Named]) -> dict[str, list[Named]]:
    """Return dataset → its cells: what two datasets gave is not compared in a figure."""
    found: dict[str, list[Named]] = defaultdict(list)
    for each in cells:
        found[each.cell.dataset].append(each)
    return found


def _metrics(table: Table) -> list[str]:
    return [measure.name for measure in table.measures if not measure.cost]


def _n_figures(table: Table, cells: Iterable[Named]) -> int:
    """Return how many figures of intervals a table has."""
    return len(_metrics(table)) * len(_by_dataset(cells))


def _figures(place: str, table: Table, cells: Sequence[Named], whole: _Whole) -> list[str]:
    metrics, looks = _metrics(table), whole.looks
    return [
        *(interval_figure(place, metric, cells, looks, whole.most) for metric in metrics),
        cost_figure(place, metrics[0], cells, looks),
        group_figure(place, metrics[0], cells, looks),
        curve_figure(place, cells, looks),
    ]


def _list(lines: Iterable[str], classes: str) -> str:
    told = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="{classes}">{told}</ul>' if told else ""


def _left_out(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    told = _list([*lines[:SHOWN], *more], "left-out")
    return f"<details><summary>Left out ({len(lines):,})</summary>{told}</details>"
