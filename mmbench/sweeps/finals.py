"""The records of one cell: the chosen point, trained with every seed and tested once."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmbench.atomic import whole_file
from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import Planned, done, plan
from mmbench.record_keys import broken
from mmbench.records import Record, read_record
from mmbench.specs import Scalar
from mmbench.sweeps.history import Point

Files = Sequence[tuple[str, bytes]]  # path below the home, content


def request(cell: Cell, chosen: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return the arguments of `plan` for a point of a cell."""
    fixed = cell.request.get("hyperparameters") or {}
    return {**cell.request, "hyperparameters": {**fixed, **chosen}}


class Finals:
    """What is left to train of the chosen point, and the records so far.

    cell, home: whose and where. chosen: its hyper-parameters. search: the key of that name in the
    records, None where nothing was searched. opened: what is shared with other cells.
    """

    def __init__(
        self,
        cell: Cell,
        home: Home,
        chosen: Mapping[str, Scalar],
        search: Mapping[str, Any] | None,
        opened: Opened,
    ) -> None:
        self.home, self.chosen, self.search = home, chosen, search
        planned = plan(**request(cell, chosen), seeds=cell.seeds, home=home, opened=opened)
        self.planned = {one.trial.seed: one for one in planned}
        self.records: dict[int, Record] = {}
        self._given: set[int] = set()
        for seed, one in self.planned.items():
            record = done(one)
            if record is not None:
                self.records[seed] = self._searched(record)

    def next(self) -> int | None:
        """Return a seed to train with, None where all are begun."""
        left = [s for s in self.planned if s not in self.records and s not in self._given]
        self._given.update(left[:1])
        return left[0] if left else None

    @property
    def complete(self) -> bool:
        """Whether every seed has its record."""
        return len(self.records) == len(self.planned)

    def finish(self, seed: int, files: Files) -> None:
        """Take a record that a worker made; its files are given where the worker has no home here.

        Raises:
            UsageError: the disk is full.
        """
        for name, content in files:
            with whole_file(self.home.root / name) as part:
                part.write_bytes(content)
        self.records[seed] = self._searched(read_record(self.planned[seed].path))

    def fail(self, seed: int, error: Mapping[str, str]) -> None:
        """Record that a training failed, unless the worker did; UsageError where it cannot."""
        planned = self.planned[seed]
        record = self._written(planned)
        if record is None or record.values.get("error") != dict(error):
            record = Record(planned.path, self._broken(planned, error))
            record.write()
        self.records[seed] = self._searched(record)

    def fail_all(self, points: Sequence[Point]) -> None:
        """Record, once, that every point of the search failed; the first says why."""
        first = dict(points[0].error or {})
        told = f"all {len(points)} points of the search failed; the first, {first['type']}: "
        error = {**first, "type": "SearchFailed", "message": told + first["message"]}
        seed = next(iter(self.planned))
        self.planned = {seed: self.planned[seed]}
        if seed not in self.records:
            self.fail(seed, error)

    @staticmethod
    def _written(planned: Planned) -> Record | None:
        return read_record(planned.path) if planned.path.is_file() else None

    @staticmethod
    def _broken(planned: Planned, error: Mapping[str, str]) -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        return {**broken(planned, "failed", now, RuntimeError()), "error": dict(error)}

    def _searched(self, record: Record) -> Record:
        """Return the record with the search that chose it, as it was the last time."""
        if self.search is None or record.values.get("search") == self.search:
            return record
        told = Record(record.path, {**record.values, "search": dict(self.search)})
        with whole_file(record.path) as part:
            part.write_text(told.json() + "\n", encoding="utf-8")
        return told


def files_of(record: Record, home: Path) -> list[tuple[str, bytes]]:
    """Return the files of a record, those first without which the JSON would be half a record."""
    paths = (record.path.with_suffix(".npz"), record.path)
    return [(path.relative_to(home).as_posix(), path.read_bytes()) for path in paths]
