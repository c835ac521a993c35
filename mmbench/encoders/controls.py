"""Encoders that carry no content, and one that carries the truth: what the others are held to."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mmbench.encoders.base import Control, Items, Matrix, Rows, Surroundings
from mmbench.errors import UsageError


class Noise(Control):
    """Gaussian rows, independent of the item and of the other modalities.

    Args:
        dim: length of the rows.
        seed: seed of the draw.
    """

    def __init__(
        self, modality: str, surroundings: Surroundings, dim: int = 64, seed: int = 0
    ) -> None:
        super().__init__(modality, surroundings)
        self.dim = dim
        self.seed = seed

    def identity(self) -> Mapping[str, Any]:
        """Return what fixes the draw."""
        return {
            "weights": "none",
            "control": "noise",
            "modality": self.modality,
            "dim": self.dim,
            "seed": self.seed,
        }

    def rows(self, items: Items, base: Rows | None) -> Rows:  # noqa: ARG002
        """Return (n_items, dim) standard normal numbers, for all items."""
        random = np.random.RandomState([self.seed, zlib.crc32(self.modality.encode())])
        matrix = random.standard_normal((len(items.ids), self.dim)).astype(np.float32)
        return Rows(matrix, np.ones(len(items.ids), dtype=np.bool_))


class Permuted(Control):
    """The rows of another encoder, each moved to another item that has the modality.

    Modalities that the same items have are moved alike: an item trades all its content with
    another, and what its modalities tell together stays as it was.

    Args:
        seed: seed of the shuffle.
    """

    def __init__(self, modality: str, surroundings: Surroundings, seed: int = 1) -> None:
        super().__init__(modality, surroundings)
        self.seed = seed

    def identity(self) -> Mapping[str, Any]:
        """Return what fixes the shuffle; the base has an identity of its own."""
        return {"weights": "none", "control": "permuted", "seed": self.seed}

    def rows(self, items: Items, base: Rows | None) -> Rows:  # noqa: ARG002
        """Return the rows of the base, moved; no item keeps its own where two items have one.

        Raises:
            UsageError: there is no base.
        """
        if base is None:
            raise UsageError("the control 'permuted' needs an encoder: write permuted:classic")
        cycle = np.random.RandomState(self.seed).permutation(np.flatnonzero(base.mask))
        matrix = np.array(base.matrix, dtype=np.float32)
        matrix[cycle] = base.matrix[np.roll(cycle, 1)]  # one cycle through all: none stays
        return Rows(matrix, np.array(base.mask))


class Constant(Control):
    """The same number everywhere.

    Args:
        dim: length of the rows.
    """

    value: ClassVar[float]

    def __init__(self, modality: str, surroundings: Surroundings, dim: int = 64) -> None:
        super().__init__(modality, surroundings)
        self.dim = dim

    def identity(self) -> Mapping[str, Any]:
        """Return the number and the length of the rows."""
        return {"weights": "none", "control": "constant", "value": self.value, "dim": self.dim}

    def rows(self, items: Items, base: Rows | None) -> Rows:  # noqa: ARG002
        """Return (n_items, dim) copies of the number, for all items."""
        matrix = np.full((len(items.ids), self.dim), self.value, dtype=np.float32)
        return Rows(matrix, np.ones(len(items.ids), dtype=np.bool_))


class Zeros(Constant):
    """Rows of zeros: content that says nothing at all."""

    value = 0.0


class Ones(Constant):
    """Rows of ones: content that says the same of every item."""

    value = 1.0


class Oracle(Control):
    """The true attributes of each item, one column a value: no encoder can know more."""

    def identity(self) -> Mapping[str, Any]:
        """Return the name; the attributes belong to the dataset's identity."""
        return {"weights": "none", "control": "oracle", "modality": self.modality}

    def rows(self, items: Items, base: Rows | None) -> Rows:  # noqa: ARG002
        """Return (n_items, number of values of all attributes) zeros and ones, for all items.

        Raises:
            UsageError: the dataset does not tell its true attributes.
        """
        attributes = items.attributes.get(self.modality, ())
        if not attributes:
            raise UsageError(
                "the oracle knows only datasets that carry their true attributes: toyshop"
            )
        matrix = np.hstack([_one_hot(items.columns[name]) for name in attributes])
        return Rows(matrix, np.ones(len(items.ids), dtype=np.bool_))


def _one_hot(column: Sequence[Any]) -> Matrix:
    values, codes = np.unique([str(value) for value in column], return_inverse=True)
    return np.eye(len(values), dtype=np.float32)[codes]  # (n_items, n_values)
