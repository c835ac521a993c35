"""The encoder `file:PATH`: features that were made elsewhere, taken by item id."""

import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.encoders.base import Control, Items, Mask, Matrix, Rows, Surroundings
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

# A modality names a file of the feature folder, so a name with a path in it is refused.
_MODALITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def modalities(path: Path) -> tuple[str, ...]:
    """Return the modalities that a folder or .npz of ready features holds, sorted.

    Raises:
        UsageError: the path is missing, is no folder and no .npz, or holds no modality.
    """
    names = _opened(path).modalities()
    if not names:
        raise UsageError(f"{path} holds no features: put image.npy, text.npy ... beside items.txt")
    for name in names:
        if not _MODALITY.fullmatch(name):
            raise UsageError(f"{path}: '{name}' cannot name a modality: use letters and digits")
    return names


class Ready(Control):
    """Rows from a folder (`items.txt`, `<modality>.npy`, perhaps `<modality>.mask.npy`) or .npz.

    A .npz holds an array `items` of strings, one array a modality and perhaps `<modality>_mask`.

    Args:
        path: the folder or the .npz.

    Raises:
        UsageError: `modalities` refuses the path, or it lacks the modality.
    """

    def __init__(self, modality: str, surroundings: Surroundings, path: str) -> None:
        super().__init__(modality, surroundings)
        self.path = Path(path)
        known = modalities(self.path)
        if modality not in known:
            raise UsageError(f"{self.path} holds no '{modality}': {nearest(modality, known)}")

    @classmethod
    def modalities(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the modalities at the path that its options name; UsageError as `modalities`."""
        return modalities(Path(str(options["path"])))

    def identity(self) -> Mapping[str, Any]:
        """Return the sha256 of each file that the rows come from."""
        files = _opened(self.path).files(self.modality)
        return {
            "weights": "none",
            "modality": self.modality,
            "files": {file.name: file_sha256(file) for file in files},
        }

    def rows(self, items: Items, base: Rows | None) -> Rows:  # noqa: ARG002
        """Return the rows of the dataset's items, by id; one that the file lacks is masked.

        Raises:
            UsageError: the file is malformed, holds NaN or infinity, or shares no id.
        """
        source = _opened(self.path)
        ids, matrix, mask = _table(source, self.modality)
        position = {item: row for row, item in enumerate(ids)}
        row = np.array([position.get(item, -1) for item in items.ids], dtype=np.int64)  # (n_items,)
        if not (row >= 0).any():
            raise UsageError(
                f"{self.path} has no item of the dataset: "
                f"its first id is '{ids[0]}', the dataset's is '{items.ids[0]}'"
            )
        present: Mask = (row >= 0) & mask[row]
        taken = np.zeros((len(row), matrix.shape[1]), dtype=np.float32)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite: see below
            taken[present] = matrix[row[present]]
        _require_finite(taken, items.ids, source.name(self.modality))
        return Rows(taken, present)


class _Source(ABC):
    """Where ready features lie."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def modalities(self) -> tuple[str, ...]: ...

    @abstractmethod
    def files(self, modality: str) -> list[Path]: ...

    @abstractmethod
    def name(self, modality: str) -> str:
        """Return what messages call the matrix."""

    @abstractmethod
    def ids(self) -> list[str]: ...

    @abstractmethod
    def matrix(self, modality: str) -> NDArray[Any]: ...

    @abstractmethod
    def mask(self, modality: str) -> NDArray[Any] | None: ...


class _Folder(_Source):
    def modalities(self) -> tuple[str, ...]:
        names = [path.name.removesuffix(".npy") for path in self.path.glob("*.npy")]
        return tuple(sorted(name for name in names if not name.endswith(".mask")))

    def files(self, modality: str) -> list[Path]:
        names = ("items.txt", f"{modality}.npy", f"{modality}.mask.npy")
        return [self.path / name for name in names if (self.path / name).is_file()]

    def name(self, modality: str) -> str:
        return str(self.path / f"{modality}.npy")

    def ids(self) -> list[str]:
        try:
            text = (self.path / "items.txt").read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise UsageError(f"{self.path} lacks items.txt: write one item id a line") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.path / 'items.txt'} is not UTF-8: save it as UTF-8") from error
        return text.removesuffix("\n").split("\n")

    def matrix(self, modality: str) -> NDArray[Any]:
        return _loaded(self.path / f"{modality}.npy")

    def mask(self, modality: str) -> NDArray[Any] | None:
        path = self.path / f"{modality}.mask.npy"
        return _loaded(path) if path.is_file() else None


class _Archive(_Source):
    def modalities(self) -> tuple[str, ...]:
        names = set(self._names()) - {"items"}
        masks = {name for name in names if name.removesuffix("_mask") in names - {name}}
        return tuple(sorted(names - masks))

    def files(self, modality: str) -> list[Path]:  # noqa: ARG002
        return [self.path]

    def name(self, modality: str) -> str:
        return f"{self.path}: {modality}"

    def ids(self) -> list[str]:
        if "items" not in self._names():
            raise UsageError(f"{self.path} lacks the array 'items': save the item ids as strings")
        items = _loaded(self.path, "items")
        if items.dtype.kind != "U" or items.ndim != 1:
            raise UsageError(f"{self.path}: 'items' must be a list of strings: np.array(ids, str)")
        return [str(item) for item in items]

    def matrix(self, modality: str) -> NDArray[Any]:
        return _loaded(self.path, modality)

    def mask(self, modality: str) -> NDArray[Any] | None:
        key = f"{modality}_mask"
        return _loaded(self.path, key) if key in self._names() else None

    def _names(self) -> list[str]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        except zipfile.BadZipFile as error:
            raise UsageError(f"{self.path} is no .npz: write it with numpy.savez") from error


def _opened(path: Path) -> _Source:
    path = path.expanduser()
    if path.is_dir():
        return _Folder(path)
    if not path.exists():
        raise UsageError(f"there is nothing at {path}: name a folder or .npz of features")
    if path.suffix != ".npz":
        raise UsageError(f"{path} is neither a folder nor a .npz: name one of them after file:")
    return _Archive(path)


def _loaded(path: Path, key: str | None = None) -> NDArray[Any]:
    where = f"{path}: {key}" if key else str(path)
    try:
        if key is None:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[key])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{where}: no plain array of numbers ({reason}): save float32 with numpy.save"
        ) from error


def _table(source: _Source, modality: str) -> tuple[list[str], NDArray[Any], Mask]:
    ids, matrix, mask = source.ids(), source.matrix(modality), source.mask(modality)
    where = source.name(modality)
    seen: set[str] = set()
    for item in ids:
        if item in seen:
            raise UsageError(f"{source.path}: item id '{item}' stands twice: keep one row an item")
        seen.add(item)
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
        raise UsageError(
            f"{where} is {matrix.ndim}-d of type {matrix.dtype}: expected numbers, (items, dim)"
        )
    if len(matrix) != len(ids):
        raise UsageError(f"{where} has {len(matrix)} rows for {len(ids)} item ids: one row an id")
    if mask is None:
        return ids, matrix, np.ones(len(ids), dtype=np.bool_)
    if mask.shape != (len(ids),) or mask.dtype != np.bool_:
        raise UsageError(
            f"{where}: its mask is {mask.dtype} {mask.shape}: expected bool ({len(ids)},)"
        )
    return ids, matrix, np.asarray(mask)


def _require_finite(matrix: Matrix, ids: Sequence[str], where: str) -> None:
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if bad.size:
        raise UsageError(
            f"{where} holds NaN or infinity in {bad.size} rows, first for item '{ids[bad[0]]}': "
            "mask the items that have no features"
        )
