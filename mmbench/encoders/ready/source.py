"""Where ready features lie: one matrix a modality, whose rows have item ids."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

FEATURES = "_feat"  # how MMRec's files end: image_feat.npy


class Source(ABC):
    """Features at a path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities there, sorted."""

    @abstractmethod
    def files(self, modality: str) -> list[Path]:
        """Return all files that the rows of a modality depend on."""

    @abstractmethod
    def name(self, modality: str) -> str:
        """Return what messages call the matrix."""

    @abstractmethod
    def ids(self, modality: str, wanted: Sequence[str]) -> list[str]:
        """Return the item id of each row.

        Args:
            modality: that of the matrix.
            wanted: the ids of the dataset, which tell what kind of ids is meant.

        Raises:
            UsageError: there are no ids, or two kinds of them fit.
        """

    @abstractmethod
    def matrix(self, modality: str) -> NDArray[Any]:
        """Return the matrix; UsageError where it cannot be read."""

    @abstractmethod
    def mask(self, modality: str) -> NDArray[Any] | None:
        """Return which rows count; None where all do."""


def modality_of(path: Path) -> str:
    """Return the modality that a file of one matrix names."""
    return path.stem.removesuffix(FEATURES)
