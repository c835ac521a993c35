"""Which records would answer a question, and the command line that makes them."""

import shlex
from collections.abc import Iterable, Sequence
from functools import cache

from mmbench.encoder_spec import UNKNOWN, EncoderSpec, encoder_yaml
from mmbench.questions.answer import Answer
from mmbench.questions.study import Case, Study
from mmbench.specs import RecommenderSpec, names, recommender_spec

SHOWN = 6  # names in a line


def unanswered(question: str, asked: str, lacks: str, notes: Sequence[str] = ()) -> Answer:
    """Return the answer to a question that the records do not answer.

    Args:
        lacks: what is not there, as the end of a sentence. notes: what would make it.
    """
    return Answer(question, asked, f"These records do not answer it: {lacks}.", notes=tuple(notes))


def sweep(
    study: Study, encoders: Iterable[str], cases: Iterable[Case] | None = None, paradigm: str = ""
) -> str:
    """Return the command line that fills in encoders, in the recommenders of cases.

    Args:
        cases: those of the study with a named encoder, where left out, else those with any, else
            all; their recommenders and datasets are named.
    """
    shown = list(cases or [])
    shown = shown or [case for case in study.cases if case.real and case.kind != UNKNOWN]
    shown = shown or [case for case in study.cases if case.told["modalities"]] or study.cases
    models = [case.cell.model for case in shown if case.told["modalities"]] or _content()[:1]
    datasets = [case.cell.records[0].trial["dataset"] for case in shown]
    words = ["mmbench", "sweep", "--model", _list(models), "--encoder", _list(encoders)]
    words += ["--dataset", _list(datasets), *(["--paradigm", paradigm] if paradigm else [])]
    return shlex.join(words)


def without_features() -> list[str]:
    """Return the recommenders that read no features and are trained."""
    return [spec.name for spec in _recommenders() if spec.trained and not spec.content]


def examples(*kinds: str) -> list[str]:
    """Return the encoders of some kinds that a name alone stands for, kind by kind."""
    specs = [spec for spec in _encoders() if spec.argument is None]
    return [spec.name for kind in kinds for spec in specs if spec.kind == kind]


def patterns(kind: str) -> list[str]:
    """Return the encoders of a kind that take a name, as NAME:MODEL."""
    specs = [spec for spec in _encoders() if spec.kind == kind]
    return [f"{spec.name}:{spec.argument.upper()}" for spec in specs if spec.argument]


def control(kind: str, of: str | None = None) -> str:
    """Return the name of the control of a kind, of the encoder whose rows it takes, if any."""
    (name,) = [spec.name for spec in _encoders() if spec.kind == kind]
    return f"{name}:{of}" if of else name


def strangers(cases: Iterable[Case]) -> list[str]:
    """Return a note on encoders of unknown kind, which a question of kinds leaves out."""
    found = dict.fromkeys(c.cell.encoder for c in cases if c.real and c.kind == UNKNOWN)
    return [f"of unknown kind and left out: {some(found)}"] if found else []


def some(found: Iterable[str]) -> str:
    """Return names with commas, the first few."""
    told = list(dict.fromkeys(found))
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more


def _content() -> list[str]:
    return [spec.name for spec in _recommenders() if spec.trained and spec.content]


@cache  # the YAMLs lie in the package, and many notes name some of them
def _encoders() -> tuple[EncoderSpec, ...]:
    return tuple(map(encoder_yaml, names("encoders")))


@cache
def _recommenders() -> tuple[RecommenderSpec, ...]:
    return tuple(map(recommender_spec, names("recommenders")))


def _list(found: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(found))
