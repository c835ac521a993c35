"""A table as lines, one a cell and metric, at full precision: CSV, JSON, data frames."""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Any

from mmbench.board.cell import Cell
from mmbench.board.costs import COSTS, cost
from mmbench.board.table import Entry, Table
from mmbench.records import Record

Line = dict[str, Any]


def lines(table: Table) -> list[Line]:
    """Return a line a cell and metric; `seeds` and `values` go together, `records` say whence."""
    entries: dict[tuple[Any, str], Entry] = {
        (entry.cell.key, column.measure.name): entry
        for row in table.rows
        for column, entry in zip(table.columns, row.entries, strict=True)
        if entry.cell
    }
    return [
        _line(cell, measure.name, entries[cell.key, measure.name])
        for cell in table.cells
        for measure in table.measures
        if not measure.cost
    ]


def as_csv(made: Iterable[Line]) -> str:
    """Return the lines as CSV with a head; lists are joined by spaces, records by their paths."""
    rows = [{**line, **_flat(line)} for line in made]
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _line(cell: Cell, metric: str, entry: Entry) -> Line:
    every = (*cell.records, *cell.broken)
    values = cell.values(metric)
    return {
        "dataset": every[0].trial["dataset"],
        "dataset_fingerprint": cell.version,
        "protocol": every[0].trial["protocol"],
        "protocol_fingerprint": cell.rule,
        "model": cell.model,
        "encoder": cell.encoder,
        "of": cell.of,
        "paradigm": cell.paradigm,
        "control": cell.control,
        "notes": [*cell.marks, *cell.notes, *cell.caveats],
        "trial_fingerprint": cell.trial,
        "state": cell.state,
        "metric": metric,
        "mean": entry.value,
        "deviation": entry.deviation,
        "p_corrected": entry.p,
        "seeds": list(values),
        "values": list(values.values()),
        "broken_seeds": sorted(record.trial["seed"] for record in cell.broken),
        **{name: cost(cell, name) for name in COSTS},
        "records": [_record(record) for record in every],
    }


def _record(record: Record) -> Line:
    """Return which file it is, and the fingerprints of all that made it."""
    return {
        "path": str(record.path),
        "seed": record.trial["seed"],
        "status": record.status,
        "fingerprints": dict(record.values["fingerprints"]),
    }


def _flat(line: Line) -> Line:
    return {
        "notes": ", ".join(line["notes"]),
        **{key: " ".join(map(str, line[key])) for key in ("seeds", "values", "broken_seeds")},
        "records": " ".join(record["path"] for record in line["records"]),
    }
