"""The page: a section a table, the dialog of a cell, and what was left out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from mmbench.board.leaderboard import Leaderboard
from mmbench.board.markdown import SHOWN
from mmbench.board.table import Table
from mmbench.board_page.costs import cost_figure
from mmbench.board_page.curves import curve_figure
from mmbench.board_page.embedded import embedded
from mmbench.board_page.facts import facts
from mmbench.board_page.grid import grid
from mmbench.board_page.groups import group_figure
from mmbench.board_page.intervals import interval_figure
from mmbench.board_page.names import Named, named
from mmbench.board_page.styles import Style, styles
from mmbench.page.document import document

HEADING = "Leaderboard"
FILTER = """<p class="filter"><label for="filter">Rows that hold</label>
<input id="filter" type="search" autocomplete="off" spellcheck="false"
placeholder="words, as vbpr control"> <span id="count" role="status"></span></p>
<noscript><p>Sorting, filtering and the records of a value need JavaScript.</p></noscript>"""
DIALOG = """<dialog id="records" aria-labelledby="records-title"><div class="bar">
<h2 id="records-title" tabindex="-1"></h2><button type="button" class="close">Close</button></div>
<div id="records-body"></div></dialog>"""


def page(board: Leaderboard) -> str:
    """Return a leaderboard as one page of HTML that fetches nothing.

    Its only scripts are script.js, which the page names by its hash, and values that are not run.
    """
    every = [named(table, number) for number, table in enumerate(board.tables)]
    looks = styles(each for cells in every for each in cells)
    sections, known = [], dict[str, Any]()
    for number, (table, cells) in enumerate(zip(board.tables, every, strict=True)):
        sections.append(_section(table, number, cells, looks))
        known |= facts(table, cells)
    parts = [_summary(board), _contents(board.tables), FILTER, *sections]
    parts += [_left_out(board.left_out), DIALOG, embedded(known, "cells")]
    text = document(HEADING, _file("style.css"), parts, _file("script.js"))
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


def _contents(tables: Sequence[Table]) -> str:
    lines = "".join(
        f'<li><a href="#table-{number}">{escape(table.title)}</a></li>'
        for number, table in enumerate(tables)
    )
    return f'<nav aria-label="tables"><ul>{lines}</ul></nav>' if len(tables) > 1 else ""


def _section(table: Table, number: int, cells: Sequence[Named], looks: Mapping[str, Style]) -> str:
    """Return the table, what its marks mean, and its figures, by its first metric."""
    ids = {each.cell.key: each.id for each in cells}
    parts = [grid(table, number, ids), _list(table.legend, "marks")]
    for dataset, of in _by_dataset(cells).items():
        parts += _figures("" if table.dataset else f"{dataset}: ", table, of, looks)
    body = "\n".join(part for part in parts if part)
    return f'<section>\n<h2 id="table-{number}">{escape(table.title)}</h2>\n{body}\n</section>'


def _by_dataset(cells: Iterable[Named]) -> dict[str, list[Named]]:
    """Return dataset → its cells: what two datasets gave is not compared in a figure."""
    found: dict[str, list[Named]] = defaultdict(list)
    for each in cells:
        found[each.cell.dataset].append(each)
    return found


def _figures(
    place: str, table: Table, cells: Sequence[Named], looks: Mapping[str, Style]
) -> list[str]:
    metrics = [measure.name for measure in table.measures if not measure.cost]
    return [
        *(interval_figure(place, metric, cells, looks) for metric in metrics),
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
