"""Arrays in files that every process on a machine maps, so that memory holds them once.

What recommenders make of the features of a dataset (the prepared matrices, nearest neighbours) lies
in `.<encoder>-<fingerprint>.shared/` beside the features themselves: `<what>-<sha256 of the
key>.npy`, the array followed by the CRC-32 of all before it. The matrices take as much disk as the
features do as float32, for each `feature_norm`, protocol and policy for missing modalities that is
in use. Nothing is lost with the folder but the time to make it again.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mmbench.atomic import locked, whole_file
from mmbench.errors import UsageError
from mmbench.features import Feature, FeatureSet
from mmbench.fingerprint import fingerprint
from mmbench.missing import Completed

CHECK = 4  # bytes of a CRC-32
LEAST = 2**24  # bytes of a completed matrix that is worth a file
_BLOCK = 2**20  # bytes read at once

Blocks = Callable[[], Iterable[NDArray[Any]]]


class SharedArrays:
    """Keeps arrays by key in a folder: made by the process that comes first, mapped by all.

    A process that needs an array which another one is making waits for it. A file that is cut
    short or damaged is made anew. Where the folder cannot be written, nothing is kept, and the
    person is told so once.

    Args:
        folder: made when it is needed. say: told lines for the person.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say, self._told = folder, say, False

    @classmethod
    def beside(cls, features: Path, say: Callable[[str], None]) -> "SharedArrays":
        """Keep what is made of the features in a folder in another one beside it."""
        return cls(features.with_name(f".{features.name}.shared"), say)

    def __call__(
        self, key: str, shape: tuple[int, ...], dtype: DTypeLike, blocks: Blocks, /
    ) -> NDArray[Any] | None:
        """Return an array, None where it cannot be kept; what is written into it nobody else sees.

        Args:
            key: names all that fixes the numbers; its first word begins the file's name.
            shape, dtype: of the array.
            blocks: gives its rows from the first to the last, some at a time.
        """
        kind = np.dtype(dtype)
        path = self.folder / f"{key.split(maxsplit=1)[0]}-{fingerprint(key)}.npy"
        try:
            found = _mapped(path, shape, kind)
            return self._made(path, shape, kind, blocks) if found is None else found
        except (OSError, UsageError) as error:
            if not self._told:
                self.say(f"features are not shared between processes: {error}")
            self._told = True
            return None

    def _made(
        self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Blocks
    ) -> NDArray[Any]:
        with locked(path.with_name(f".{path.name}.lock")):
            found = _mapped(path, shape, dtype)  # another process may just have made it
            if found is not None:
                return found
            for left in self.folder.glob(f".{path.name}.*.part"):  # by a process that was killed
                left.unlink(missing_ok=True)
            with whole_file(path) as part, part.open("wb") as file:
                _write(file, shape, dtype, blocks)
        made = _open(path, shape, dtype)
        if made is None:
            raise OSError(f"{path} is not what was just written")
        return made


def shared(
    completed: Completed, features: FeatureSet, share: SharedArrays | None
) -> tuple[Completed, dict[str, str]]:
    """Return completed features, large filled matrices mapped, and a name of each one's numbers.

    Args:
        completed: made of `features`, which were loaded from their folder.
        share: None for nothing: as they are, and no names.
    """
    if share is None:
        return completed, {}
    modalities, contents = {}, {}
    for name, feature in completed.modalities.items():
        matrix = feature.matrix
        if matrix is features.modalities[name].matrix:
            contents[name] = str(features.meta["files"][f"{name}.npy"])
        else:
            contents[name] = sha256(np.ascontiguousarray(matrix).data).hexdigest()
            if matrix.nbytes >= LEAST:
                key, whole = f"completed {contents[name]}", partial(iter, (matrix,))
                found = share(key, matrix.shape, matrix.dtype, whole)
                matrix = matrix if found is None else found
        modalities[name] = Feature(matrix, feature.mask)
    return replace(completed, modalities=modalities), contents


def _write(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Blocks) -> None:
    """Write an array and the check behind it."""
    told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    head = _Checked(file)
    np.lib.format.write_array_header_1_0(head, told)
    for block in blocks():
        head.write(np.ascontiguousarray(block, dtype).reshape(-1).view(np.uint8))
    file.write(head.check.to_bytes(CHECK, "little"))


class _Checked:
    """Counts the CRC-32 of what is written through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.check = file, 0

    def write(self, data: Any) -> int:
        self.check = zlib.crc32(data, self.check)
        return self.file.write(data)


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return the array of a file; None where there is none, or where it is not whole."""
    return _open(path, shape, dtype) if _sound(path) else None


def _open(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    try:
        # Copy-on-write: torch wants to be able to write, and nobody else must ever see it.
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.shape == shape and array.dtype == dtype else None


def _sound(path: Path) -> bool:
    """Say whether a file ends with the CRC-32 of what is before it."""
    try:
        left, check = path.stat().st_size - CHECK, 0
        with path.open("rb") as file:
            while left > 0:
                block = file.read(min(left, _BLOCK))
                check, left = zlib.crc32(block, check), left - len(block) if block else 0
            return file.read() == check.to_bytes(CHECK, "little")
    except FileNotFoundError:
        return False
