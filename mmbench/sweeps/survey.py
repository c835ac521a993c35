"""What a home already has of a sweep's cells: points and records."""

import json
from collections.abc import Sequence

from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import done, plan
from mmbench.progress import Silent
from mmbench.sweeps.finals import request
from mmbench.sweeps.history import History, best
from mmbench.sweeps.tally import Row, Tally


def survey(tally: Tally, cells: Sequence[Cell], home: Home) -> None:
    """Note the points and records that are there before a sweep begins."""
    opened = Opened(home, Silent())
    for row, cell in zip(tally.rows, cells, strict=True):
        note_points(row, cell, home)
        if len(row.points) >= row.trials:
            _note_finals(row, cell, home, opened)


def note_points(row: Row, cell: Cell, home: Home) -> None:
    """Note the points of a cell that were kept since the last look, whoever trained them."""
    history = History.of(cell, home)
    for number in range(row.trials):
        if number in row.points or not history.path(number).is_file():
            continue
        try:
            drawn = json.loads(history.path(number).read_text(encoding="utf-8"))
            point = history.read(number, drawn["hyperparameters"])
        except (OSError, ValueError, KeyError, TypeError):  # it is trained again
            continue
        if point is not None:
            row.points[number] = point


def _note_finals(row: Row, cell: Cell, home: Home, opened: Opened) -> None:
    chosen = best(list(row.points.values()))
    if row.trials and chosen is None:
        return
    asked = request(cell, chosen.hyperparameters if chosen else {})
    for planned in plan(**asked, seeds=cell.seeds, home=home, opened=opened):
        record = done(planned)
        if record is not None:
            row.finals[planned.trial.seed] = float(
                record.values["metrics"]["valid"][row.select.lower()]
            )
