"""A table of HTML: every head sorts, every value opens the records that it stands for."""

import re
from collections.abc import Mapping
from html import escape

from mmbench.board.cell import Key
from mmbench.board.figures import figure
from mmbench.board.table import BEST, SECOND, Column, Entry, Row, Table

ASIDE = ("notes", "seeds")  # labels that do not name a row
JOINT = re.compile(r"(?<=[:+/@])")
TOLD = {BEST: ("b", "best"), SECOND: ("u", "second")}


def grid(table: Table, number: int, ids: Mapping[Key, str]) -> str:
    """Return the table in a scroller of its own, named by the heading `table-<number>`."""
    heads = "".join(_head(name, "text") for name in table.heads)
    heads += "".join(_head(_measured(table, column), "number") for column in table.columns)
    rows = "\n".join(_row(table, row, ids) for row in table.rows)
    count = f"{len(table.rows):,} rows" if len(table.rows) != 1 else "1 row"
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="table-{number}">'
        f'<table class="board"><caption>{count}. A head sorts, a value opens its records.'
        f"</caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _measured(table: Table, column: Column) -> str:
    if not table.nouns:
        return column.measure.head
    told = [column.measure.head] if len(table.measures) > 1 else []
    return " · ".join([*told, *column.labels])


def _head(name: str, kind: str) -> str:
    return (
        f'<th scope="col" class="{kind}" aria-sort="none">'
        f'<button type="button">{escape(name)}</button></th>'
    )


def _row(table: Table, row: Row, ids: Mapping[Key, str]) -> str:
    labels = "".join(map(_label, table.heads, row.labels))
    entries = "".join(
        _entry(entry, column, ids) for column, entry in zip(table.columns, row.entries, strict=True)
    )
    return f"<tr>{labels}{entries}</tr>"


def _label(head: str, label: str) -> str:
    if head in ASIDE:
        return f'<td class="{head}">{escape(label)}</td>'
    # Long names of encoders may be broken where their parts meet, when the page is printed.
    return f'<th scope="row">{JOINT.sub("<wbr>", escape(label))}</th>'


def _entry(entry: Entry, column: Column, ids: Mapping[Key, str]) -> str:
    if entry.cell is None:
        return f'<td class="number">{entry.word}</td>'
    value = "" if entry.value is None else f' data-value="{entry.value!r}"'
    return (
        f'<td class="number"{value}><button type="button" aria-haspopup="dialog" '
        f'data-cell="{ids[entry.cell.key]}">{_shown(entry, column)}</button></td>'
    )


def _shown(entry: Entry, column: Column) -> str:
    if entry.value is None:
        return escape(entry.word)
    text = figure(entry.value, column.measure)
    if entry.rank in TOLD:
        tag, said = TOLD[entry.rank]
        text = f'<{tag}>{text}</{tag}><span class="unseen"> {said}</span>'
    if entry.deviation is not None:
        text += f' <span class="pale">± {figure(entry.deviation, column.measure)}</span>'
    return " ".join([text, *map(escape, entry.marks)])
