"""Ready features in one file: a .npz, or a mapping that torch saved, with item ids in it."""

import zipfile
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.encoders.ready.arrays import as_array, numpy_array
from mmbench.encoders.ready.source import Source
from mmbench.errors import UsageError

ITEMS = "items"
MASK = "_mask"


class _File(Source):
    """Named arrays: `items`, one a modality, and perhaps `<modality>_mask`."""

    def modalities(self) -> tuple[str, ...]:
        """Return the names of the arrays that are neither ids nor masks."""
        names = set(self._names()) - {ITEMS}
        masks = {name for name in names if name.removesuffix(MASK) in names - {name}}
        return tuple(sorted(names - masks))

    def files(self, modality: str) -> list[Path]:  # noqa: ARG002
        """Return the one file."""
        return [self.path]

    def name(self, modality: str) -> str:
        """Return the path and the array's name."""
        return f"{self.path}: {modality}"

    def matrix(self, modality: str) -> NDArray[Any]:
        """Return the modality's array."""
        return self._array(modality)

    def mask(self, modality: str) -> NDArray[Any] | None:
        """Return the modality's mask, None where there is none."""
        return self._array(f"{modality}{MASK}") if f"{modality}{MASK}" in self._names() else None

    @abstractmethod
    def _names(self) -> list[str]: ...

    @abstractmethod
    def _array(self, name: str) -> NDArray[Any]: ...


class NumpyArchive(_File):
    """A .npz; its `items` is an array of strings."""

    def ids(self, modality: str, wanted: Sequence[str]) -> list[str]:  # noqa: ARG002
        """Return the array `items`; UsageError where it is missing or no list of strings."""
        if ITEMS not in self._names():
            raise UsageError(f"{self.path} lacks the array 'items': save the item ids as strings")
        items = self._array(ITEMS)
        if items.dtype.kind != "U" or items.ndim != 1:
            raise UsageError(f"{self.path}: 'items' must be a list of strings: np.array(ids, str)")
        return [str(item) for item in items]

    def _names(self) -> list[str]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        except zipfile.BadZipFile as error:
            raise UsageError(f"{self.path} is no .npz: write it with numpy.savez") from error

    def _array(self, name: str) -> NDArray[Any]:
        return numpy_array(self.path, name)


class TorchArchive(_File):
    """A mapping that torch saved; its `items` is a list of ids.

    Args:
        path: of the file.
        held: what it holds.
    """

    def __init__(self, path: Path, held: dict[str, Any]) -> None:
        super().__init__(path)
        self.held = held

    def ids(self, modality: str, wanted: Sequence[str]) -> list[str]:  # noqa: ARG002
        """Return the list `items`; UsageError where it is no list of strings or whole numbers."""
        items = self.held[ITEMS]
        if not isinstance(items, (list, tuple)):
            items = as_array(items, f"{self.path}: {ITEMS}").tolist()
        if not all(isinstance(item, (str, int)) for item in items):
            raise UsageError(f"{self.path}: '{ITEMS}' must be a list of strings or whole numbers")
        return [str(item) for item in items]

    def _names(self) -> list[str]:
        return [str(name) for name in self.held]

    def _array(self, name: str) -> NDArray[Any]:
        return np.asarray(as_array(self.held[name], f"{self.path}: {name}"))
