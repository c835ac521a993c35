"""What stands in the heads of rows and columns: the names of a cell, and what it is marked with."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

from mmbench.board.cell import Cell, Key
from mmbench.board.layout import Layout
from mmbench.encoder_spec import FINETUNED

TOLD_BY_NAME = ("frozen", "finetuned")  # paradigms that the name of an encoder tells
PRINT = 6  # characters of a fingerprint
MOST_SETTINGS = 3
Slot = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Labels:
    """How the cells of one table are called.

    rows, columns: the nouns, in order; `notes` is among the rows where a cell has any.
    letters: mark → the letter that stands for it behind a name; empty in a flat table, where
        marks stand in the notes.
    apart: cell → what tells it from another of the same names.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    flat: bool
    letters: Mapping[str, str]
    apart: Mapping[Key, str] = field(default_factory=dict)

    def of(self, cell: Cell, noun: str) -> str:
        """Return the label of a cell for a noun."""
        if noun == "notes":
            return ", ".join(self._notes(cell))
        if noun == "encoder":
            return self._encoder(cell)
        return str(getattr(cell, noun))

    def slot(self, cell: Cell) -> Slot:
        """Return the labels of the row and of the column."""
        rows, columns = ([self.of(cell, n) for n in nouns] for nouns in (self.rows, self.columns))
        return tuple(rows), tuple(columns)

    def _encoder(self, cell: Cell) -> str:
        name = cell.encoder
        if "paradigm" in (*self.rows, *self.columns):
            name = name.partition(FINETUNED)[0]
        if self.flat:
            return name
        name = f"{name} of {cell.of}" if cell.of and cell.of not in name else name
        letters = ", ".join(self.letters[mark] for mark in cell.marks)
        return f"{name} ({letters})" if letters else name

    def _notes(self, cell: Cell) -> list[str]:
        told = list(cell.marks) if self.flat else []
        told += [f"of {cell.of}"] if self.flat and cell.of else []
        nouns = (*self.rows, *self.columns)
        told += [] if "paradigm" in nouns or cell.paradigm in TOLD_BY_NAME else [cell.paradigm]
        told += cell.notes
        told += [self.apart[cell.key]] if cell.key in self.apart else []
        return told + (list(cell.caveats) if self.flat else [])


def labels(cells: Iterable[Cell], layout: Layout) -> Labels:
    """Return the labels that leave no two cells in one place.

    What was not asked for and is not the same in all cells becomes a noun of the rows.
    """
    shown = list(cells)
    several = [
        noun
        for noun in ("model", "encoder")
        if noun not in layout.nouns and len({getattr(cell, noun) for cell in shown}) > 1
    ]
    by = tuple(noun for noun in (*layout.by, *several) if noun != "notes")
    letters = {} if layout.flat else _letters(shown)
    made = Labels(by, layout.columns, layout.flat, letters)
    if "notes" not in layout.columns:
        made = replace(made, rows=(*by, "notes"))
    made = replace(made, apart=_apart(shown, made))
    needed = layout.flat or "notes" in layout.by or any(made.of(cell, "notes") for cell in shown)
    return made if needed else replace(made, rows=by)


def _letters(cells: Iterable[Cell]) -> dict[str, str]:
    marks = dict.fromkeys(mark for cell in cells for mark in (*cell.marks, *cell.caveats))
    return {mark: ascii_lowercase[place % 26] for place, mark in enumerate(sorted(marks))}


def _apart(cells: Iterable[Cell], made: Labels) -> dict[Key, str]:
    """Return, of cells that would stand in one place, what tells them apart."""
    places: dict[Slot, list[Cell]] = defaultdict(list)
    for cell in cells:
        places[made.slot(cell)].append(cell)
    return {
        cell.key: told
        for same in places.values()
        if len(same) > 1
        for cell, told in zip(same, _differences(same), strict=True)
    }


def _differences(same: list[Cell]) -> list[str]:
    """Return a text a cell: the fine-tuning, a few hyper-parameters, or the fingerprint."""
    tried = [[cell.encoder.partition(FINETUNED)[2] for cell in same], _settings(same)]
    tried.append([cell.trial[:PRINT] for cell in same])
    for told in tried:
        if len(set(told)) == len(same):
            return [text or "as it is" for text in told]
    return [cell.trial for cell in same]


def _settings(same: list[Cell]) -> list[str]:
    """Return the hyper-parameters that are not the same in all cells; nothing of too many."""
    every = [cell.hyperparameters for cell in same]
    names = dict.fromkeys(name for each in every for name in each)
    various = [name for name in names if len({repr(each.get(name)) for each in every}) > 1]
    if len(various) > MOST_SETTINGS:
        return ["" for _ in same]
    return [", ".join(f"{name} {each.get(name)}" for name in various) for each in every]
