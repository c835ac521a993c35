"""A model of sentence-transformers in a folder: what identifies it, and what is read from it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from mmbench.encoders.expected import check_expected
from mmbench.encoders.huggingface.files import (
    VOCABULARIES,
    require_one_of,
    require_weights,
    weights_sha256,
    words_sha256,
)
from mmbench.encoders.huggingface.model import read_config
from mmbench.encoders.huggingface.words import Words, read_words
from mmbench.encoders.sentence.stack import MODULES, Stack, read_stack
from mmbench.encoders.sentence.transformer import (
    SentenceNetwork,
    dense_weights,
    random_network,
    read_network,
)
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

SEED = 0
CONFIG = "config.json"


class Place(Protocol):
    """Where a model lies."""

    def identity(self, random_weights: bool) -> Mapping[str, Any]:
        """Return what identifies the model; UsageError where it is not there."""

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Hold its folder ready to be read."""


@dataclass(frozen=True)
class Folder:
    """A folder that is ready as it is.

    path: holds modules.json. revision: its commit on the hub. pin: sha256 of its weights file.
    expected: what `check_expected` reads of the transformer's configuration and of `tokens`,
    `pooling` and `unit`; None where any model will do.
    """

    path: Path
    revision: str | None = None
    pin: str | None = None
    expected: str | None = None

    def identity(self, random_weights: bool) -> Mapping[str, Any]:
        """Return the stack and the sha256 of all that changes a vector.

        Raises:
            UsageError: it is no model of sentence-transformers that can be run, or not that of
                the pin.
        """
        stack = read_stack(self.path)
        inner = self.path / stack.transformer
        require_one_of(inner, (CONFIG,), "configuration")
        require_one_of(inner, VOCABULARIES, "tokenizer")
        if self.expected:
            check_expected(str(inner / CONFIG), _told(stack, inner), self.expected)
        same: dict[str, Any] = {
            "stack": asdict(stack),
            "config": file_sha256(inner / CONFIG),
            "tokenizer": words_sha256(inner),
        }
        if self.revision is not None:
            same["revision"] = self.revision
        if random_weights:
            return {**same, "weights": "random", "seed": SEED}
        same["dense"] = [file_sha256(path) for path in dense_weights(stack, self.path)]
        sha256 = weights_sha256(require_weights(inner), self.pin)
        return {**same, "weights": "pretrained", "sha256": sha256}

    @contextmanager
    def opened(self) -> Iterator[Path]:
        """Yield the folder."""
        yield self.path


def is_model(folder: Path) -> bool:
    """Return whether a folder is one of sentence-transformers."""
    return (folder / MODULES).is_file()


def read_model(folder: Path, random_weights: bool) -> tuple[SentenceNetwork, Words]:
    """Return the network in a folder and its tokenizer, which cuts texts as the stack says.

    Raises:
        UsageError: a file is missing or cannot be read, or the weights are not the network's.
    """
    stack = read_stack(folder)
    inner = folder / stack.transformer
    config = read_config(inner)
    if config.is_encoder_decoder or not hasattr(config, "max_position_embeddings"):
        raise UsageError(f"{inner}: mmbench runs encoders with positions, not {config.model_type}")
    words = _words(config, stack, inner)
    if random_weights:
        return random_network(config, stack, SEED), words
    return read_network(config, stack, folder), words


def _told(stack: Stack, folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    tokens = _words(config, stack, folder).length
    settings = {"tokens": tokens, "pooling": stack.pooling, "unit": stack.unit}
    return {**config.to_dict(), **settings}


def _words(config: Any, stack: Stack, folder: Path) -> Words:
    words = read_words(config, folder)
    length = stack.max_length or words.length
    return replace(words, length=length, full=False, lower=stack.lower_case)
