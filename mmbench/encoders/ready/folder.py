"""Ready features as a folder, a file a modality, or as one file beside its item ids."""

import csv
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.encoders.checkpoint import torch_object
from mmbench.encoders.ready.arrays import TORCH, as_array, numpy_array
from mmbench.encoders.ready.source import Source, modality_of
from mmbench.errors import UsageError

ITEMS = "items.txt"
MAPPING = "i_id_mapping.csv"  # of MMRec: an item's own id, and its row
ROW = "itemID"  # the column of the row
MATRICES = (".npy", *TORCH)


class Folder(Source):
    """A folder with `<modality>.npy` or .pt, perhaps `<modality>.mask.npy`, and the item ids.

    The ids stand in items.txt, one a line in the order of the rows, or in MMRec's
    i_id_mapping.csv. A .pt may also be a mapping from item id to vector, and needs neither.

    Args:
        path: the folder.
        only: the one file of it that is meant; all where it is None.
    """

    def __init__(self, path: Path, only: Path | None = None) -> None:
        super().__init__(path)
        self.only = only
        self._objects: dict[str, Any] = {}  # modality → what its .pt holds

    def modalities(self) -> tuple[str, ...]:
        """Return the names of the matrices, without _feat; UsageError: two have the same."""
        return tuple(sorted(self._matrices))

    def files(self, modality: str) -> list[Path]:
        """Return the matrix, its mask and the list of ids, as far as they are there."""
        table = next((path for path in self._tables if path.is_file()), None)
        ids = [table] if table and not self._by_id(modality) else []
        return [*ids, self._matrices[modality], *self._masks(modality)]

    def name(self, modality: str) -> str:
        """Return the path of the matrix."""
        return str(self._matrices.get(modality, self.path / f"{modality}.npy"))

    def ids(self, modality: str, wanted: Sequence[str]) -> list[str]:
        """Return the ids in items.txt, else in i_id_mapping.csv, else in the matrix's own file."""
        if vectors := self._by_id(modality):
            return [str(item) for item in vectors]
        listed, mapping = self._tables
        if listed.is_file():
            return _lines(listed)
        if mapping.is_file():
            return _mapped(mapping, set(wanted))
        n_rows = len(self.matrix(modality))
        raise UsageError(
            f"{self.path} lacks {ITEMS}: write one item id a line, in the order of the rows "
            f"(seq 0 {n_rows - 1} > {listed}, where an id is its row)"
        )

    def matrix(self, modality: str) -> NDArray[Any]:
        """Return the array in the modality's file."""
        path = self._matrices[modality]
        if path.suffix == ".npy":
            return numpy_array(path)
        if vectors := self._by_id(modality):
            return stacked(vectors, str(path))
        return as_array(self._held(modality), str(path))

    def mask(self, modality: str) -> NDArray[Any] | None:
        """Return the array in its mask file, None where there is none."""
        found = self._masks(modality)
        return numpy_array(found[0]) if found else None

    def _masks(self, modality: str) -> list[Path]:
        """Return its mask, named after the modality or after the file of its matrix."""
        stem = self._matrices[modality].stem
        names = dict.fromkeys((f"{modality}.mask.npy", f"{stem}.mask.npy"))
        found = [self.path / name for name in names if (self.path / name).is_file()]
        if len(found) > 1:
            raise UsageError(f"{found[0]} and {found[1].name} are one mask: keep one of them")
        return found

    @cached_property
    def _matrices(self) -> dict[str, Path]:
        paths = [self.only] if self.only else sorted(self.path.iterdir())
        found: dict[str, Path] = {}
        for path in paths:
            if path.suffix not in MATRICES or path.name.endswith(".mask.npy"):
                continue
            first = found.setdefault(modality_of(path), path)
            if first != path:
                raise UsageError(
                    f"{self.path}: {first.name} and {path.name} are one modality: keep one of them"
                )
        return found

    @property
    def _tables(self) -> tuple[Path, Path]:
        return self.path / ITEMS, self.path / MAPPING

    def _held(self, modality: str) -> Any:
        if modality not in self._objects:
            self._objects[modality] = torch_object(self._matrices[modality])
        return self._objects[modality]

    def _by_id(self, modality: str) -> dict[Any, Any] | None:
        """Return the mapping from item id to vector that a .pt holds, None where it is a matrix."""
        if self._matrices[modality].suffix not in TORCH:
            return None
        held = self._held(modality)
        return held if isinstance(held, dict) else None


def stacked(vectors: dict[Any, Any], where: str) -> NDArray[Any]:
    """Return the vectors of a mapping as rows, in its order; UsageError: not all are alike."""
    arrays = [as_array(vector, f"{where}: '{item}'") for item, vector in vectors.items()]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or arrays[0].ndim != 1:
        raise UsageError(
            f"{where}: no mapping from item id to vector, as its values have the shapes "
            f"{sorted(shapes)[:3]}: for matrices, add the ids as a list 'items'"
        )
    return np.stack(arrays)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: save it as UTF-8") from error
    return text.removesuffix("\n").split("\n")


def _mapped(path: Path, wanted: set[str]) -> list[str]:
    """Return the ids of the rows: the items' own ones or their numbers, as the dataset has them."""
    own = _own_ids(path)
    numbers = [str(row) for row in range(len(own))]
    if not wanted.isdisjoint(own) and not wanted.isdisjoint(numbers):
        raise UsageError(
            f"{path}: the dataset's ids are both items' own ids and numbers of rows: "
            f"write {ITEMS} with one item id a line"
        )
    return own if wanted.isdisjoint(numbers) else numbers


def _own_ids(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            table = list(csv.reader(file, delimiter="\t" if "\t" in header else ","))
        place = table[0].index(ROW)
        if len(table[0]) != 2:
            raise ValueError(f"{len(table[0])} columns")
        own = {int(line[place]): line[1 - place] for line in table[1:]}
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise UsageError(
            f"{path}: expected two columns, an item's own id and {ROW} ({error}): write {ITEMS}"
        ) from error
    if sorted(own) != list(range(len(table) - 1)):
        raise UsageError(f"{path}: {ROW} is not each of 0 to {len(table) - 2} once: write {ITEMS}")
    return [own[row] for row in range(len(own))]
