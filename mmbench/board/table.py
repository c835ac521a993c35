"""A pivoted table as a value: what any renderer needs, and nothing of how it looks."""

from dataclasses import dataclass

from mmbench.board.cell import OK, Cell

MISSING = "–"
BEST, SECOND = 1, 2


@dataclass(frozen=True)
class Measure:
    """What a column holds: a metric of the test part, or a cost.

    name: of the metric, or of one of `mmbench.board.costs.COSTS`. head: what stands above it.
    """

    name: str
    head: str
    cost: bool = False


@dataclass(frozen=True)
class Column:
    """One column: a measure of the cells with these labels, one a noun of the columns."""

    measure: Measure
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """What stands at a row and a column.

    cell: None where there is no record. value: None where the cell has none.
    deviation: None where it has fewer than two seeds, or is a cost.
    rank: `BEST`, `SECOND` or 0. marks: what stands behind the value, explained in the legend.
    p: that it equals the baseline, corrected; None where it was not tested.
    """

    cell: Cell | None
    value: float | None = None
    deviation: float | None = None
    rank: int = 0
    marks: tuple[str, ...] = ()
    p: float | None = None

    @property
    def word(self) -> str:
        """What is said where there is no value: `failed`, `stopped`, or a dash."""
        return self.cell.state if self.cell and self.cell.state != OK else MISSING


@dataclass(frozen=True)
class Row:
    """One row: labels, one a head of the table, and entries, one a column."""

    labels: tuple[str, ...]
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Table:
    """Cells of one protocol, and of one version of each dataset.

    dataset: its name, None where it stands in the rows or columns. protocol: its name.
    constant: noun → label, of what was not asked for and is the same in all cells.
    heads: of the rows' labels. nouns: of the columns' labels.
    legend: what marks and bold mean, a line each.
    cells: all cells, in the order of the rows.
    """

    dataset: str | None
    protocol: str
    constant: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    nouns: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    legend: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is measured, each once, in the order of the columns."""
        return tuple(dict.fromkeys(column.measure for column in self.columns))

    @property
    def title(self) -> str:
        """Say what all cells share."""
        told = [self.dataset] if self.dataset else []
        told += [f"protocol {self.protocol}", "test"]
        told += [f"{noun} {label}" for noun, label in self.constant]
        told += [self.measures[0].head] if self.nouns and len(self.measures) == 1 else []
        return " · ".join(told)
