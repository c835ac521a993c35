"""What a cell is called in a figure: its panel, its series, and what else tells it apart."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from mmbench.board.cell import Cell, Key
from mmbench.board.table import Table

APART = ("paradigm", "notes")  # labels that tell cells of one recommender and encoder apart


@dataclass(frozen=True)
class Named:
    """A cell with its names.

    id: of the cell in the page. panel: its recommender, the dataset before it where the table has
    several. series: its encoder. note: what tells it from others of that panel and series.
    """

    cell: Cell
    id: str
    panel: str
    series: str
    note: str

    @property
    def label(self) -> str:
        """Its name within a panel."""
        return f"{self.series}, {self.note}" if self.note else self.series

    @property
    def name(self) -> str:
        """Its name within a table."""
        return f"{self.panel} · {self.label}"


def named(table: Table, number: int) -> list[Named]:
    """Return the cells of a table, in its order; `number` is the table's place in the page."""
    notes = _notes(table)
    pairs = Counter((_panel(table, cell), cell.encoder) for cell in table.cells)
    found = []
    for place, cell in enumerate(table.cells):
        panel = _panel(table, cell)
        note = notes[cell.key] if pairs[panel, cell.encoder] > 1 else ""
        found.append(Named(cell, f"{number}-{place}", panel, cell.encoder, note))
    return found


def by_panel(cells: Iterable[Named]) -> dict[str, list[Named]]:
    """Return panel → its cells, both in the order of the table."""
    panels: dict[str, list[Named]] = defaultdict(list)
    for each in cells:
        panels[each.panel].append(each)
    return panels


def _panel(table: Table, cell: Cell) -> str:
    return cell.model if table.dataset else f"{cell.dataset} · {cell.model}"


def _notes(table: Table) -> dict[Key, str]:
    """Return the labels of each cell beside its recommender and encoder."""
    return {
        entry.cell.key: ", ".join(
            label
            for noun, label in zip(
                (*table.heads, *table.nouns), (*row.labels, *column.labels), strict=True
            )
            if noun in APART and label
        )
        for row in table.rows
        for column, entry in zip(table.columns, row.entries, strict=True)
        if entry.cell
    }
