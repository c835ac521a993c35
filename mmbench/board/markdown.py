"""A table as Markdown (GitHub's), names escaped."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from mmbench.board.figures import figure
from mmbench.board.table import BEST, SECOND, Column, Entry, Measure, Table

# An underscore inside a word is one; < begins a tag only before these.
SPECIAL = re.compile(r"[\\|*`\[\]]|(?<!\w)_|_(?!\w)|~~|<(?=[A-Za-z/!?])")
SHOWN = 50  # lines of what was left out


def markdown(table: Table) -> str:
    """Return a heading, the table and its legend."""
    heads = [*map(escaped, table.heads), *(_head(table, column) for column in table.columns)]
    body = [
        [*map(escaped, row.labels)]
        + [
            _entry(entry, column.measure)
            for column, entry in zip(table.columns, row.entries, strict=True)
        ]
        for row in table.rows
    ]
    text = tabulate(body, heads, tablefmt="github", disable_numparse=True)
    legend = "".join(f"- {escaped(line)}\n" for line in table.legend)
    return f"### {escaped(table.title)}\n\n{text}\n" + (f"\n{legend}" if legend else "")


def left_out(lines: Sequence[str]) -> str:
    """Return what is in no table as a list; nothing where there is none."""
    if not lines:
        return ""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "Left out:\n\n" + "".join(f"- {escaped(line)}\n" for line in [*lines[:SHOWN], *more])


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it stands, in one line."""
    return SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))


def _head(table: Table, column: Column) -> str:
    """Return the labels; the measure too, where there are several."""
    if not table.nouns:
        return escaped(column.measure.head)
    told = [column.measure.head] if len(table.measures) > 1 else []
    return escaped(" · ".join([*told, *column.labels]))


def _entry(entry: Entry, measure: Measure) -> str:
    if entry.value is None:
        return entry.word
    text = figure(entry.value, measure)
    text = {BEST: f"**{text}**", SECOND: f"<u>{text}</u>"}.get(entry.rank, text)
    text += f" ± {figure(entry.deviation, measure)}" if entry.deviation is not None else ""
    return " ".join([text, *map(escaped, entry.marks)])
