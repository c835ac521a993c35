"""What a person may write in YAML, as frozen models: an unknown key is an error, never ignored."""

import json
import re
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import fingerprint
from mmbench.spec_fields import fields_at
from mmbench.yamls import read_yaml

CONFIGS = Path(__file__).parent / "configs"
Scalar = bool | int | float | str | None
NO_FEATURES = "id"  # the control that stands for "no features at all"
# How an encoder is trained: not at all; to the catalogue beforehand; with the recommender's loss.
Paradigm = Literal["frozen", "finetuned", "end2end"]
PARADIGMS: tuple[Paradigm, ...] = get_args(Paradigm)
# Of every user; what all lists have in common (itemcoverage, giniindex, shannonentropy) is always
# measured. Those after hit read the training popularity of items.
Metric = Literal[
    "recall",
    "precision",
    "ndcg",
    "map",
    "mrr",
    "hit",
    "novelty",
    "averagepopularity",
    "tailpercentage",
    "recall-head",
    "recall-mid",
    "recall-tail",
    "recall-cold",
]


# What becomes of an item without a modality; `mmbench.missing` does it.
Policy = Literal["mask", "zeros", "mean", "neighbour-mean", "propagate", "drop-items"]
USUAL_POLICY: Policy = "mask"


class Spec(BaseModel):
    """A frozen value object; extra keys are forbidden, and 3 is no string."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DatasetSpec(Spec):
    """A named dataset: the source that makes it, and that source's options."""

    description: str
    source: str
    ready: bool = False  # the source needs no download and no options: `run` may prepare it
    options: dict[str, Any] = {}


class Split(Spec):
    """The rule that cuts the interactions into train, validation and test.

    given: as the source has them, which others published.
    cold_items: whether interactions of validation and test stay whose item is not in train.
    """

    rule: Literal["random", "global-time", "leave-one-out", "given"]
    ratios: tuple[float, float, float] | None = None
    seed: int | None = None
    cold_items: Literal["keep", "drop"] = "keep"

    def identity(self) -> dict[str, Any]:
        """Return what fixes the parts; nothing of cold items where they are kept, as ever."""
        kept = {"cold_items"} if self.cold_items == "keep" else set()
        return self.model_dump(mode="json", exclude=kept)


class Protocol(Spec):
    """How a trial is split, masked, ranked, selected and repeated."""

    description: str
    name: str
    split: Split
    mask: dict[Literal["valid", "test"], tuple[Literal["train", "valid"], ...]]
    metrics: tuple[Metric, ...]
    cutoffs: tuple[int, ...]
    select: str
    seeds: tuple[int, ...]
    search_trials: int = Field(ge=1)
    missing: Policy

    def identity(self) -> str:
        """Return the fingerprint of what fixes the numbers: all but the words and the seeds."""
        said = self.model_dump(mode="json", exclude={"seeds", "description"})
        return fingerprint(said | {"split": self.split.identity()})

    @model_validator(mode="after")
    def _select_is_measured(self) -> "Protocol":
        measured = [f"{metric}@{k}" for metric in self.metrics for k in self.cutoffs]
        if self.select not in measured:
            raise ValueError(
                f"select '{self.select}' is not measured: {nearest(self.select, measured)}"
            )
        return self


class Parameter(Spec):
    """What values a hyper-parameter may take, and where a search looks.

    leaves: users or items → how many of a dataset's it must leave over.
    least_modalities: a value of it → how many matrices of item features that needs.
    when: other hyper-parameters → the values without which it is not read.
    """

    type: Literal["int", "float", "bool", "str", "file"]
    min: float | None = None
    above: float | None = None  # exclusive lower bound
    max: float | None = None
    choices: tuple[Scalar, ...] | None = None
    null: bool = False
    leaves: dict[Literal["users", "items"], int] = {}
    least_modalities: dict[str, int] = {}
    when: dict[str, Scalar] = {}
    search: dict[Literal["choice", "uniform", "log_uniform"], tuple[Scalar, ...]] | None = None


class RecommenderSpec(Spec):
    """A recommender: whether it reads item features, is trained, and its hyper-parameters.

    least_modalities: how many matrices of item features it cannot do without.
    """

    description: str
    name: str
    content: bool
    trained: bool = True
    least_modalities: int = Field(default=0, ge=0)
    parameters: dict[str, Parameter] = {}


class Encoding(Spec):
    """How an encoder is used: all that changes its vectors beside its name.

    random_weights: allow a model without weights. weights: a file or folder to read them from.
    fuse: make one matrix of all modalities: concat, mean, sum or pca:N.
    long_texts: what becomes of a text that is longer than the model reads.
    precision: in what the model computes. dtype: in what its vectors are kept.
    """

    random_weights: bool = False
    weights: str | None = None
    fuse: str | None = None
    long_texts: Literal["truncate", "mean-of-chunks", "lead+keywords"] = "truncate"
    precision: Literal["float32", "bf16"] = "float32"
    dtype: Literal["float32", "float16"] = "float32"

    @field_validator("weights")
    @classmethod
    def _weights_are_named(cls, path: str | None) -> str | None:
        if path is not None and not path.strip():
            raise ValueError("an empty path")
        return path

    @field_validator("fuse")
    @classmethod
    def _fuse_is_known(cls, how: str | None) -> str | None:
        if how is not None and not re.fullmatch(r"concat|mean|sum|pca:[1-9]\d{0,5}", how):
            raise ValueError(f"'{how}' is none of concat, mean, sum and pca:N")
        return how


class Gaps(Spec):
    """Items without a modality: what becomes of them, and which are made such for a study.

    missing: the policy; the protocol's where it is left out.
    inject_missing: modality → share of the items that have it from which it is hidden.
    inject_seed: which items these are.
    """

    missing: Policy | None = None
    inject_missing: dict[str, float] = {}
    inject_seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("missing", mode="before")
    @classmethod
    def _policy_is_known(cls, policy: Any) -> Any:
        if policy is not None and policy not in get_args(Policy):
            raise ValueError(f"'{policy}' is no policy: {nearest(str(policy), get_args(Policy))}")
        return policy

    @field_validator("inject_missing")
    @classmethod
    def _shares_are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        for modality, share in shares.items():
            if not 0 < share < 1:
                raise ValueError(f"{modality}:{share} is no share above 0 and below 1")
        return dict(sorted(shares.items()))

    def identity(self) -> dict[str, Any]:
        """Return what fixes the numbers; nothing where items are masked and none is hidden."""
        said: dict[str, Any] = {}
        if self.missing not in (None, USUAL_POLICY):
            said["missing"] = self.missing
        if self.inject_missing:
            said |= {"inject_missing": self.inject_missing, "inject_seed": self.inject_seed}
        return said


class Tuning(Spec):
    """What of an encoder trains with the recommender, where the paradigm is end2end.

    adapter: what is added to it to train instead of its own weights. adapter_options: of it.
    train_layers: only so many blocks from the top, and what is above them.
    """

    adapter: Literal["none", "lora", "multiway", "linear"] = "none"
    adapter_options: dict[str, Any] = {}
    train_layers: int | None = Field(default=None, ge=1)


class Trial(Encoding, Gaps, Tuning):
    """One point of the study: everything that fixes its numbers, with nothing left to default."""

    missing: Policy = USUAL_POLICY  # records from before there was a choice lack it

    dataset: str
    encoder: str
    paradigm: Paradigm
    model: str
    protocol: str
    hyperparameters: dict[str, Scalar]
    seed: int = Field(ge=0, lt=2**32)


S = TypeVar("S", bound=Spec)


def parse(spec: type[S], values: dict[str, Any], where: str) -> S:
    """Return the spec that a mapping describes.

    Raises:
        UsageError: an unknown key (with the nearest one), a missing key, or a wrong value.
    """
    try:
        # Strict JSON mode takes lists for tuples, which strict Python mode refuses.
        return spec.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        # A wrong key goes first: that another one is missing may come of it.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = nearest(str(first["loc"][-1]), fields_at(spec, first["loc"]))
            raise UsageError(f"{where}: unknown key '{key}': {known}") from error
        told = first["msg"].removeprefix("Value error, ")
        raise UsageError(": ".join(part for part in (where, key, told) if part)) from error


def names(noun: str) -> list[str]:
    """Return the names that have a YAML: noun is datasets, encoders, recommenders or protocols."""
    return sorted(path.stem for path in (CONFIGS / noun).glob("*.yaml"))


def named(spec: type[S], noun: str, name: str) -> S:
    """Return the YAML of a noun by its name; UsageError names the nearest one."""
    if name not in names(noun):
        raise UsageError(f"unknown {noun[:-1]} '{name}': {nearest(name, names(noun))}")
    path = CONFIGS / noun / f"{name}.yaml"
    values = read_yaml(path)
    if "name" in spec.model_fields:
        values["name"] = name
    return parse(spec, values, str(path))


def dataset_spec(name: str) -> DatasetSpec:
    """Return the named dataset's YAML; UsageError names the nearest one."""
    return named(DatasetSpec, "datasets", name)


def protocol_spec(name: str) -> Protocol:
    """Return the named protocol; UsageError names the nearest one."""
    return named(Protocol, "protocols", name)


def recommender_spec(name: str) -> RecommenderSpec:
    """Return the named recommender; UsageError names the nearest one."""
    return named(RecommenderSpec, "recommenders", name)
