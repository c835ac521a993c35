"""Best and second among what is compared."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

from mmbench.board.layout import Layout
from mmbench.board.table import BEST, SECOND, Column, Entry, Measure, Row

LESS_IS_MORE = ("giniindex",)  # metrics of which the least is the best
ALONG_ROWS = "along each row"
DOWN_COLUMNS = "down each column"
Scope = tuple[str, str, int | None]  # metric, dataset, row


def sign(metric: str) -> int:
    """Return 1 where more is better, -1 where less is."""
    return -1 if metric.partition("@")[0] in LESS_IS_MORE else 1


def direction(layout: Layout) -> str:
    """Return in words what is compared: a row where columns were asked for, else a column.

    Datasets are never compared with each other: where they are all that the columns tell apart,
    each column is compared within itself.
    """
    return ALONG_ROWS if set(layout.columns) - {"dataset"} else DOWN_COLUMNS


def ranked(rows: Iterable[Row], columns: tuple[Column, ...], layout: Layout) -> list[Row]:
    """Return the rows, best and second marked; neither controls nor costs are.

    Equal values share their rank. One alone is compared with nothing and has none.
    """
    told = list(rows)
    along = direction(layout) == ALONG_ROWS
    scopes = [
        [
            _scope(entry, column.measure, number if along else None)
            for column, entry in zip(columns, row.entries, strict=True)
        ]
        for number, row in enumerate(told)
    ]
    values: dict[Scope, list[float]] = defaultdict(list)
    for row, within in zip(told, scopes, strict=True):
        for entry, scope in zip(row.entries, within, strict=True):
            if scope is not None and entry.value is not None:
                values[scope].append(entry.value)
    best = {scope: _best(scope[0], found) for scope, found in values.items()}
    return [
        replace(row, entries=tuple(map(partial(_with_rank, best), row.entries, within)))
        for row, within in zip(told, scopes, strict=True)
    ]


def _scope(entry: Entry, measure: Measure, row: int | None) -> Scope | None:
    """Return what an entry is compared within, None where it is not compared."""
    cell = entry.cell
    if cell is None or cell.control or measure.cost:
        return None
    return measure.name, cell.dataset, row


def _best(metric: str, values: list[float]) -> list[float]:
    """Return the best and the second value, each once."""
    different = sorted(set(values), key=lambda value: -value * sign(metric))
    return different[:SECOND] if len(values) > 1 else []


def _with_rank(best: Mapping[Scope, list[float]], entry: Entry, scope: Scope | None) -> Entry:
    values = [] if scope is None else best.get(scope, [])
    return replace(entry, rank=values.index(entry.value) + BEST) if entry.value in values else entry
