"""What a question gives: a sentence with figures, a table, and what is missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from mmbench.board.markdown import escaped

Row = Mapping[str, Any]
SHOWN = 40  # rows of a table and lines of notes in Markdown; JSON has all


@dataclass(frozen=True)
class Column:
    """A column: its head, and what of a row stands in it."""

    head: str
    text: Callable[[Row], str]


def plain(key: str) -> Callable[[Row], str]:
    """Return what writes a value as it is, escaped."""
    return lambda row: "" if row.get(key) is None else escaped(str(row[key]))


def number(key: str, form: str) -> Callable[[Row], str]:
    """Return what writes a number (`format`); one that is not known is a dash."""
    return lambda row: "–" if row.get(key) is None else format(row[key], form)


def spread(key: str, deviation: str) -> Callable[[Row], str]:
    """Return what writes a metric with its deviation over the seeds, where there is one."""

    def text(row: Row) -> str:
        told = f"{row[key]:.4f}"
        return told if row[deviation] is None else f"{told} ± {row[deviation]:.4f}"

    return text


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    question: its name. asked: it in words. verdict: one sentence.
    rows: key of a column → value at full precision; None where it is not known.
    notes: what a reader must know beside the table, and what the records lack, a line each.
    """

    question: str
    asked: str
    verdict: str
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return a heading, the sentence, the table and the notes."""
        parts = [f"### {escaped(self.asked)}", escaped(self.verdict)]
        parts += [self._table()] if self.rows else []
        more = len(self.rows) - SHOWN
        notes = [*self.notes, *([f"{more} more rows: --format json has them"] if more > 0 else [])]
        parts += ["\n".join(f"- {_line(line)}" for line in _first(notes))] if notes else []
        return "\n\n".join(parts) + "\n"

    def values(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        return {
            "question": self.question,
            "asked": self.asked,
            "verdict": self.verdict,
            "rows": [dict(row) for row in self.rows],
            "notes": list(self.notes),
        }

    def _table(self) -> str:
        shown = self.rows[:SHOWN]
        texts = {column.head: [column.text(row) for row in shown] for column in self.columns}
        # A column that says nothing of any row is left out.
        told = {head: column for head, column in texts.items() if set(column) - {"", "–"}}
        body = list(zip(*told.values(), strict=True))
        heads = [*map(escaped, told)]
        return tabulate(body, heads, tablefmt="github", disable_numparse=True)


def _line(text: str) -> str:
    """Return a note; what stands between backticks is code, which Markdown shows as it stands."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(f"`{part}`" if place % 2 else _kept(part) for place, part in enumerate(parts))


def _kept(text: str) -> str:
    """Return a text escaped, with the spaces at its ends."""
    bare = text.strip()
    return text.replace(bare, escaped(bare)) if bare else text


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"and {more} more notes"] if more > 0 else [])]
