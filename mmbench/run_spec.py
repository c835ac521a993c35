"""What `mmbench run` is asked for in a YAML, and what stands in for all that is not said."""

from typing import Any

from pydantic import Field

from mmbench.specs import CONFIGS, Encoding, Gaps, Paradigm, Tuning, parse
from mmbench.yamls import read_yaml


class RunSpec(Encoding, Gaps, Tuning):
    """A YAML for `mmbench run --config`: what the flags say, in a file."""

    dataset: str | None = None
    encoder: str | None = None
    model: str | None = None
    paradigm: Paradigm | None = None
    protocol: str | None = None
    seeds: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    # Checked one by one against the recommender's.
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


def run_defaults() -> dict[str, Any]:
    """Return what `run` does where nothing is said: model, encoder, dataset, paradigm, seeds."""
    path = CONFIGS / "run.yaml"
    return parse(RunSpec, read_yaml(path), str(path)).model_dump(exclude_none=True)
