"""The records that belong to a cell of a benchmark: of the chosen point, or of what is set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmbench.cells import Cell
from mmbench.plan import Planned
from mmbench.records import Record
from mmbench.specs import Trial

NAMES = ("dataset", "encoder", "paradigm", "model", "protocol")
SEARCHED = ("algorithm", "trials", "round", "seed", "early_stopping")


@dataclass(frozen=True)
class Place:
    """A cell, and the trial of its first seed before anything was searched."""

    cell: Cell
    planned: Planned

    def named(self, record: Record) -> bool:
        """Return whether a record is of its dataset, encoder, paradigm, recommender, protocol."""
        if self.cell.pending:  # its encoder is not fine-tuned yet
            return False
        trial = record.trial
        return all(_field(trial, name) == getattr(self.planned.trial, name) for name in NAMES)

    def holds(self, record: Record) -> bool:
        """Return whether a record, sound and of these names, belongs here.

        What a record of before lacks is taken to be as it is.
        """
        told = self.planned.trial.model_dump(mode="json")
        left_out = {"hyperparameters", "seed", "weights"}  # a path; the features' print knows it
        same = all(_field(record.trial, key) == told[key] for key in told.keys() - left_out)
        return (
            same
            and record.trial["seed"] in self.cell.seeds
            and bool(record.trial.get("weights")) == bool(told["weights"])
            and self._set(record, told["hyperparameters"])
            and self._searched(record)
        )

    def _set(self, record: Record, settings: Mapping[str, Any]) -> bool:
        """Return whether all is as it is set, but for what is searched."""
        prints, files = record.values["fingerprints"], self.planned.files
        return (
            all(
                prints.get(key) == files[key] if key in files else settings.get(key, value) == value
                for key, value in record.trial["hyperparameters"].items()
                if key not in self.cell.space
            )
            and record.trial["hyperparameters"].keys() <= settings.keys()
        )

    def _searched(self, record: Record) -> bool:
        """Return whether the search of a record is the one of the cell."""
        if self.cell.search is None:
            return True
        told, search = self.cell.search.model_dump(mode="json"), record.values.get("search") or {}
        space = {key: [kind, list(values)] for key, (kind, values) in self.cell.space.items()}
        same = all(search.get(key) == told[key] for key in SEARCHED)
        return same and search.get("space") == space


def _field(trial: Mapping[str, Any], key: str) -> Any:
    """Return a field of a record's trial; a record of before there was a choice lacks some."""
    if key in trial:
        return trial[key]
    return Trial.model_fields[key].get_default(call_default_factory=True)
