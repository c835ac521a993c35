"""What one Ray trial does: train one point of a search, or the chosen point with one seed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmbench.specs import Scalar


@dataclass(frozen=True)
class Job:
    """A training that a worker can do by itself.

    cell: its place in the sweep. name: of the cell, for people.
    kind: a point of the search, or a final training that is tested and recorded.
    number: of the point; of a final training its seed.
    hyperparameters: what the search chose, over the fixed ones of the cell.
    """

    cell: int
    name: str
    kind: Literal["point", "final"]
    number: int
    hyperparameters: Mapping[str, Scalar]

    @property
    def title(self) -> str:
        """The job in a few words."""
        return f"{self.name} · {'point' if self.kind == 'point' else 'seed'} {self.number}"

    def config(self) -> dict[str, Any]:
        """Return the job as a trial's configuration."""
        return asdict(self) | {"hyperparameters": dict(self.hyperparameters)}

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Job":
        """Return the job that a trial's configuration describes."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})

    def result(self) -> dict[str, Any]:
        """Return what every result of the job tells of it."""
        return {key: value for key, value in self.config().items() if key != "hyperparameters"}
