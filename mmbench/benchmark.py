"""A benchmark: the YAML (or the flags) that crosses datasets, encoders and recommenders."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, PrivateAttr, field_validator

from mmbench.benchmark_values import check_once, fixed, named, plain, searched
from mmbench.encoder_spec import EncoderSpec, encoder_spec
from mmbench.errors import UsageError
from mmbench.finetuning.settings import Settings
from mmbench.run_spec import run_defaults
from mmbench.specs import (
    Encoding,
    Gaps,
    Paradigm,
    Scalar,
    Spec,
    Tuning,
    parse,
    protocol_spec,
    recommender_spec,
)
from mmbench.yamls import read_yaml

OPTIONS = "the options"  # where a benchmark is from that no YAML holds
S = TypeVar("S", bound=Spec)


class Search(Spec):
    """How the hyper-parameters of a cell are searched, the same for every cell.

    trials: how many points; the protocol's number where it is left out.
    round: so many points are drawn at once; they know the results of the rounds before.
    seed: of the draw. grid_values: values of a continuous range, where the algorithm is grid.
    early_stopping: whether a trial that is worse than others ends early. grace: evaluations it has
    before that. reduction: one of so many goes on each time.
    """

    algorithm: Literal["tpe", "random", "grid"] = "tpe"
    trials: int | None = Field(default=None, ge=1)
    round: int = Field(default=4, ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    early_stopping: Literal["asha", "none"] = "asha"
    grace: int = Field(default=3, ge=1)
    reduction: float = Field(default=3, gt=1)
    grid_values: int = Field(default=3, ge=2)


class Wish(Spec):
    """What is asked of one recommender beside what is asked of all.

    set: its fixed hyper-parameters. space: hyper-parameter → where it is searched instead of the
    usual range, as {log_uniform: [1e-4, 1e-2]}. encoders: instead of those of all.
    """

    set: dict[str, Scalar] = Field(default={})
    space: dict[str, dict[str, tuple[Scalar, ...]]] = Field(default={})
    encoders: tuple[str, ...] | None = None


class Benchmark(Encoding, Gaps, Tuning):
    """What is crossed with what, and how each cell is searched; the cells are in `cells`.

    paradigms: frozen takes an encoder as its name says it is, so a fine-tuned one is that.
    finetuning: how encoders that are none yet are fine-tuned, once for each dataset, where the
        paradigms name finetuned; adapter and train_layers are those of all where it has none.
    seeds: how many of the protocol's the chosen point of a cell is trained with; None is all.
    select: the metric that chooses, said for clarity: it must be the protocol's.
    set: fixed hyper-parameters, of the recommenders that have them.
    search: None trains the defaults.
    """

    description: str = ""
    datasets: tuple[str, ...]
    encoders: tuple[str, ...] = ()
    paradigms: tuple[Paradigm, ...] = ("frozen",)
    finetuning: Settings | None = None
    recommenders: dict[str, Wish]
    protocol: str | None = None
    seeds: int | None = Field(default=None, ge=1)
    select: str | None = None
    set: dict[str, Scalar] = Field(default={})
    search: Search | None = Search()
    _where: str = PrivateAttr(OPTIONS)

    @property
    def where(self) -> str:
        """What it was made of, for messages: the path of its YAML, or words for the options."""
        return self._where

    @field_validator("datasets", "paradigms", "recommenders")
    @classmethod
    def _names_something(cls, names: Any) -> Any:
        if not names:
            raise ValueError("it is empty: name at least one")
        return names

    @field_validator("datasets", "paradigms", "encoders")
    @classmethod
    def _names_each_once(cls, names: Any) -> Any:
        check_once(names)
        return names


def read_benchmark(path: Path) -> Benchmark:
    """Return the benchmark that a YAML describes.

    Raises:
        UsageError: no mapping, an unknown key (with the nearest one, at any depth), a wrong value,
            an unknown encoder, recommender or protocol, a name that stands twice.
    """
    return _benchmark(plain(read_yaml(path), str(path)), str(path))


def of_flags(
    names: Mapping[str, str | None],
    settings: Mapping[str, Scalar] | None = None,
    file: Path | None = None,
    *,
    search: Mapping[str, Any] | None = None,
    no_search: bool = False,
    seeds: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Benchmark:
    """Return the benchmark of everyday flags; they win over the YAML where both say something.

    Args:
        names: model, encoder, dataset, paradigm as typed, with commas; protocol; None where
            nothing was said. Without a YAML, what is left out is that of `mmbench run`.
        settings: fixed hyper-parameters; they win over what the YAML sets or searches.
        file: a YAML of a benchmark.
        search: fields of `Search`, None where nothing was said. no_search: train the defaults.
        seeds: how many of the protocol's. options: fields of `Encoding`, `Gaps` and `Tuning`.

    Raises:
        UsageError: as `read_benchmark`, and --no-search beside a wish for the search.
    """
    given = plain(read_yaml(file), str(file)) if file else {}
    values = dict(given)
    for flag, text in names.items():
        if text is not None:
            values |= named(flag, text, values)
    values |= searched(values, search or {}, no_search) | dict(options or {})
    values |= {"seeds": seeds} if seeds is not None else {}
    values = fixed(values if file else _usual(values) | values, settings or {})
    if file is None:
        return _benchmark(values, OPTIONS)
    return _benchmark(values, str(file) if values == given else f"{file} and {OPTIONS}")


def _benchmark(values: dict[str, Any], where: str) -> Benchmark:
    made = parse(Benchmark, values, where)
    if made.protocol is not None:
        _found(protocol_spec, made.protocol, f"{where}: protocol")
    encoders = _expanded(made.encoders, f"{where}: encoders")
    wishes = {}
    for name, wish in made.recommenders.items():
        at = f"{where}: recommenders"
        _found(recommender_spec, name, at)
        own = None if wish.encoders is None else _expanded(wish.encoders, f"{at}.{name}.encoders")
        wishes[name] = wish.model_copy(update={"encoders": own})
    made = made.model_copy(update={"encoders": encoders, "recommenders": wishes})
    made._where = where
    return made


def _found(reader: Callable[[str], S], name: str, where: str) -> S:
    """Return what a name stands for; the error tells the place of the name."""
    try:
        return reader(name)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _encoder(name: str) -> EncoderSpec:
    spec = encoder_spec(name)
    if spec.of is not None:
        _encoder(spec.of)
    return spec


def _expanded(encoders: Sequence[str], where: str) -> tuple[str, ...]:
    """Return the encoders; a control of another encoder's rows that names none is one of each."""
    specs = {name: _found(_encoder, name, where) for name in encoders}
    real = [name for name, spec in specs.items() if not spec.control]
    made: list[str] = []
    for name, spec in specs.items():
        if spec.argument != "of" or ":" in name:
            made.append(name)
            continue
        if not real:
            raise UsageError(
                f"{where}: '{name}' takes the rows of another encoder: "
                f"write {name}:ENCODER, or put encoders beside it"
            )
        made += [f"{name}:{other}" for other in real]
    return tuple(dict.fromkeys(made))


def _usual(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `mmbench run` does; no encoder where nothing reads one."""
    usual = run_defaults()
    recommenders = values.get("recommenders", {usual["model"]: {}})
    read = any(_found(recommender_spec, name, "--model").content for name in recommenders)
    told = {"datasets": [usual["dataset"]], "recommenders": recommenders}
    return told | ({"encoders": [usual["encoder"]]} if read else {})
