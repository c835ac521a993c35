"""What the dialog of a cell shows: its records, in short and in full, and how to repeat them."""

from collections.abc import Iterable, Mapping
from typing import Any

from mmbench.board.cell import Cell, part_tested
from mmbench.board.costs import COSTS, cost
from mmbench.board.figures import figure
from mmbench.board.table import Measure, Table
from mmbench.board_page.names import Named
from mmbench.records import Record

LONG = {"epochs": "curve", "search": "history"}  # what is drawn, or as long as the search


def facts(table: Table, cells: Iterable[Named]) -> dict[str, Any]:
    """Return id → the name of a cell, what all its seeds share, and its records.

    Words are texts ready to show; `facts` of a record are its own keys but for `LONG`.
    """
    return {each.id: _cell(table, each) for each in cells}


def _cell(table: Table, each: Named) -> dict[str, Any]:
    cell = each.cell
    return {
        "name": each.name,
        "words": {**_names(cell), **_costs(cell)},
        "records": [_record(table, record) for record in (*cell.records, *cell.broken)],
    }


def _names(cell: Cell) -> dict[str, str]:
    notes = ", ".join((*cell.marks, *cell.notes, *cell.caveats))
    told = {"dataset": cell.dataset, "protocol": cell.protocol, "paradigm": cell.paradigm}
    return told | ({"notes": notes} if notes else {})


def _costs(cell: Cell) -> dict[str, str]:
    known = {name: cost(cell, name) for name in COSTS}
    return {
        COSTS[name].head: figure(value, Measure(name, name, cost=True))
        for name, value in known.items()
        if value is not None
    }


def _record(table: Table, record: Record) -> dict[str, Any]:
    values = record.values
    tested, epochs = part_tested(record), values.get("epochs") or {}
    shown = {
        measure.head: figure(tested[measure.name], measure)
        for measure in table.measures
        if measure.name in tested
    }
    counts = {"epochs": epochs.get("run"), "best epoch": epochs.get("best")}
    return {
        "seed": record.trial["seed"],
        "status": record.status,
        "file": str(record.path),
        "words": shown | {name: str(n) for name, n in counts.items() if n is not None},
        "command": values.get("command"),
        "error": _error(values.get("error")),
        "facts": {key: _short(key, value) for key, value in values.items() if key != "command"},
    }


def _error(error: Any) -> str | None:
    if not isinstance(error, Mapping):
        return None
    return str(error.get("traceback") or error.get("message") or "")


def _short(key: str, value: Any) -> Any:
    """Return the value of a key without what would fill the page."""
    if not isinstance(value, Mapping):
        return value
    left_out = "traceback" if key == "error" else LONG.get(key)
    return {name: one for name, one in value.items() if name != left_out}
