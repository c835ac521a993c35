"""Cells → a table of the rows and columns that were chosen."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import inf

from mmbench.board.cell import OK, Cell
from mmbench.board.costs import COSTS, cost, costs_of
from mmbench.board.groups import Group
from mmbench.board.labels import Labels, labels
from mmbench.board.layout import FLAT, Layout
from mmbench.board.outcome import DAGGER, LEVEL, UNTESTED, Outcome
from mmbench.board.ranks import direction, ranked, sign
from mmbench.board.table import Column, Entry, Measure, Row, Table

MEANING = {
    "control": "for comparison only, never marked as best",
    "random weights": "the encoder is untrained: what it gives says nothing of its kind",
    "fine-tuned from random weights": "all the encoder knows is from this catalogue",
    "end to end from random weights": "all the encoder knows is from these interactions",
}
Cells = Mapping[tuple[str, ...], Mapping[tuple[str, ...], Cell]]


def pivot(group: Group, layout: Layout, outcome: Outcome = UNTESTED) -> Table:
    """Return the table of one group, with the marks of some tests.

    Rows of a flat table are ordered by the first metric, best first, within each label but the
    last of those that were asked for; other rows by their labels. Controls are the last columns.
    """
    names = labels(group.cells, layout)
    placed: dict[tuple[str, ...], dict[tuple[str, ...], Cell]] = defaultdict(dict)
    for cell in group.cells:
        row, column = names.slot(cell)
        placed[row][column] = cell
    measures = _measures(group.cells, layout)
    columns = tuple(
        Column(measure, place) for measure in measures for place in _column_places(placed)
    )
    order = _order(placed, layout)
    rows = [_row(place, placed[place], columns, names, outcome) for place in order]
    return Table(
        dataset=group.dataset,
        protocol=group.protocol,
        constant=_constant(group.cells, names),
        heads=names.rows + (("seeds",) if layout.flat else ()),
        nouns=names.columns,
        columns=columns,
        rows=tuple(ranked(rows, columns, layout)),
        legend=(*_legend(group.cells, names, layout), *outcome.legend),
        cells=tuple(cell for place in order for cell in placed[place].values()),
    )


def _measures(cells: Iterable[Cell], layout: Layout) -> list[Measure]:
    metrics = [Measure(name, name) for name in layout.metrics]
    names = costs_of(cells) if layout.costs else ()
    return metrics + [Measure(name, COSTS[name].head, cost=True) for name in names]


def _column_places(placed: Cells) -> list[tuple[str, ...]]:
    """Return the labels of the columns, in order: controls last."""
    real: dict[tuple[str, ...], bool] = {}
    for row in placed.values():
        for place, cell in row.items():
            real[place] = real.get(place, False) or not cell.control
    return sorted(real, key=lambda place: (not real[place], place))


def _order(placed: Cells, layout: Layout) -> list[tuple[str, ...]]:
    if not layout.flat:
        return sorted(placed)
    kept = 0 if layout.by == FLAT else len(layout.by) - 1
    first = layout.metrics[0]

    def key(place: tuple[str, ...]) -> tuple[tuple[str, ...], float, tuple[str, ...]]:
        (cell,) = placed[place].values()
        value = cell.mean(first)
        return place[:kept], inf if value is None else -value * sign(first), place

    return sorted(placed, key=key)


def _row(
    place: tuple[str, ...],
    cells: Mapping[tuple[str, ...], Cell],
    columns: tuple[Column, ...],
    names: Labels,
    outcome: Outcome,
) -> Row:
    entries = [_entry(cells.get(each.labels), each.measure, names, outcome) for each in columns]
    if not names.flat:
        return Row(place, tuple(entries))
    (cell,) = cells.values()
    whole = len(cell.records) + len(cell.broken)
    seeds = f"{len(cell.records)} of {whole}" if cell.broken else str(whole)
    return Row((*place, seeds), tuple(entries))


def _entry(cell: Cell | None, measure: Measure, names: Labels, outcome: Outcome) -> Entry:
    if cell is None or cell.state != OK:
        return Entry(cell)
    if measure.cost:
        return Entry(cell, cost(cell, measure.name))
    letters = [f"({names.letters[caveat]})" for caveat in cell.caveats if not names.flat]
    p = outcome.p.get((cell.key, measure.name))
    marks = ([DAGGER] if p is not None and p < LEVEL else []) + letters
    value, deviation = cell.mean(measure.name), cell.deviation(measure.name)
    return Entry(cell, value, deviation, marks=tuple(marks), p=p)


def _constant(cells: Iterable[Cell], names: Labels) -> tuple[tuple[str, str], ...]:
    first = next(iter(cells))
    nouns = (noun for noun in FLAT if noun not in (*names.rows, *names.columns))
    return tuple((noun, names.of(first, noun)) for noun in nouns)


def _legend(cells: tuple[Cell, ...], names: Labels, layout: Layout) -> list[str]:
    """Return what a reader must know; nothing that is not in the table."""
    counts = sorted({len(cell.records) for cell in cells if cell.records})
    told = []
    if counts and counts[-1] > 1:
        seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
        told.append(f"mean ± standard deviation over {seeds} seeds")
    if len(cells) > 1:
        within = ", each dataset for itself" if len({c.dataset for c in cells}) > 1 else ""
        told.append(f"bold: the best, underlined: the second, {direction(layout)}{within}")
    found = {mark for cell in cells for mark in (*cell.marks, *cell.caveats)}
    for mark in sorted(found):
        letter = f"({names.letters[mark]}) " if mark in names.letters else ""
        meaning = f": {MEANING[mark]}" if mark in MEANING else ""
        told += [f"{letter}{mark}{meaning}"] if letter or meaning else []
    if any(cell.state != OK for cell in cells):
        told.append("failed, stopped, not a number: why, see what was left out")
    return told
