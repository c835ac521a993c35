"""What a benchmark crosses with what: its cells by name, before anything is opened."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mmbench.benchmark import Benchmark
from mmbench.encoder_spec import EncoderSpec, encoder_spec
from mmbench.errors import UsageError, nearest
from mmbench.hyperparameters import parameters
from mmbench.paradigm import END2END, FINETUNED
from mmbench.specs import RecommenderSpec, Spec, Tuning, recommender_spec


@dataclass(frozen=True)
class Wish:
    """A cell before it is resolved; encoder and paradigm are None where no features are read."""

    dataset: str
    encoder: str | None
    paradigm: str | None
    model: str

    @property
    def joint(self) -> bool:
        """Whether the encoder trains with the recommender."""
        return self.paradigm == END2END

    @property
    def name(self) -> str:
        """What it is called in messages."""
        parts = (self.dataset, self.encoder, self.paradigm, self.model)
        return " · ".join(part for part in parts if part)


def crossed(benchmark: Benchmark) -> list[Wish]:
    """Return the cells of a benchmark by name, each once.

    Raises:
        UsageError: a key that no recommender has, an encoder that none reads.
    """
    known = {name: recommender_spec(name) for name in benchmark.recommenders}
    _check(benchmark, known)
    return list(dict.fromkeys(_wishes(benchmark, known)))


def to_finetune(wish: Wish) -> bool:
    """Return whether the encoder of a cell is fine-tuned for it, by the benchmark's wish."""
    return (
        wish.paradigm == FINETUNED
        and wish.encoder is not None
        and _way(encoder_spec(wish.encoder)) != FINETUNED
    )


def unusual(benchmark: Benchmark, kind: type[Spec]) -> dict[str, Any]:
    """Return the fields of `Encoding`, `Gaps` or `Tuning` for which something was said."""
    return {
        name: getattr(benchmark, name)
        for name, field in kind.model_fields.items()
        if getattr(benchmark, name) != field.get_default(call_default_factory=True)
    }


def _check(benchmark: Benchmark, known: Mapping[str, RecommenderSpec]) -> None:
    """Refuse what would be without any effect: a key that nothing has, an encoder nobody reads."""
    where, joint = benchmark.where, END2END in benchmark.paradigms
    keys = {key for spec in known.values() for key in parameters(spec, joint and spec.trained)}
    for key in benchmark.set:
        if key not in keys:
            raise UsageError(f"{where}: set.{key}: no recommender has it; {nearest(key, keys)}")
    for name, wish in benchmark.recommenders.items():
        at = f"{where}: recommenders.{name}"
        own = parameters(known[name], joint and known[name].trained)
        for key in (*wish.set, *wish.space):
            if key not in own:
                raise UsageError(f"{at}: {name} has no key '{key}'; {nearest(key, own)}")
            if key in wish.set and key in wish.space:
                raise UsageError(f"{at}: {key} is both set and searched: leave one of them out")
        if wish.encoders and not known[name].content:
            raise UsageError(f"{at}.encoders: {name} reads no item features: leave them out")
    if benchmark.encoders and not any(spec.content for spec in known.values()):
        told = ", ".join(known)
        raise UsageError(f"{where}: encoders: {told} read no item features: leave them out")
    trains = joint or benchmark.finetuning is not None
    if not trains and (wrong := list(unusual(benchmark, Tuning))):
        raise UsageError(f"{where}: {wrong[0]} trains an encoder: name end2end in `paradigms`")
    if benchmark.finetuning is not None and FINETUNED not in benchmark.paradigms:
        raise UsageError(f"{where}: finetuning: name {FINETUNED} in `paradigms`")


def _wishes(benchmark: Benchmark, known: Mapping[str, RecommenderSpec]) -> Iterator[Wish]:
    for dataset in benchmark.datasets:
        for model, spec in known.items():
            if not spec.content:
                yield Wish(dataset, None, None, model)
                continue
            own = benchmark.recommenders[model].encoders
            encoders = benchmark.encoders if own is None else own
            if not encoders:
                raise UsageError(
                    f"{benchmark.where}: encoders: {model} reads item features: name at least one"
                )
            for encoder in encoders:
                for paradigm in _paradigms(benchmark, encoder_spec(encoder), spec):
                    yield Wish(dataset, encoder, paradigm, model)


def _paradigms(benchmark: Benchmark, encoder: EncoderSpec, spec: RecommenderSpec) -> list[str]:
    """Return how an encoder is trained with a recommender; its name says if it was fine-tuned."""
    asked = benchmark.paradigms
    name, fixed = _way(encoder), encoder.control or not spec.trained
    made = []
    for paradigm in asked:
        if paradigm == "frozen":
            made.append(name)
        elif paradigm == FINETUNED:
            made += _finetuned(benchmark, encoder, name)
        elif paradigm == END2END and not (fixed and len(asked) > 1):
            made.append(paradigm)
    return made


def _finetuned(benchmark: Benchmark, encoder: EncoderSpec, name: str) -> list[str]:
    """Return the paradigm where the encoder is fine-tuned, or will be; else refuse what is none."""
    if name == FINETUNED or (benchmark.finetuning is not None and not encoder.control):
        return [FINETUNED]
    if encoder.control and len(benchmark.paradigms) > 1:
        return []
    raise UsageError(
        f"{benchmark.where}: paradigms: '{encoder.name}' is not {FINETUNED}: say how with "
        "`finetuning`, as in finetuning: {loss: itc}, or name ENCODER@finetuned:ID"
    )


def _way(encoder: EncoderSpec) -> str:
    while encoder.of is not None:
        encoder = encoder_spec(encoder.of)
    return "frozen" if encoder.finetuned is None else FINETUNED
