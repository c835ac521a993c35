"""The vectors of all items: ids, a matrix and a mask a modality; written once, memory-mapped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmbench.atomic import whole_folder
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

SCHEMA = 1
META = "meta.json"


class Feature(NamedTuple):
    """One modality: matrix (n_items, dim) float, mask (n_items,) true where it is real."""

    matrix: NDArray[Any]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class FeatureSet:
    """The features of a dataset under an encoder; every matrix has the rows of `ids`.

    ids: (n_items,) item ids.
    modalities: name → matrix and mask.
    meta: what made them: encoder, weights, sha256, versions, fingerprints, seconds.
    """

    ids: tuple[str, ...]
    modalities: Mapping[str, Feature]
    meta: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The identity of dataset and encoder; `load` refuses any other."""
        return str(self.meta["fingerprint"])

    @property
    def dimensions(self) -> dict[str, int]:
        """Modality → length of its vectors."""
        return {name: int(feature.matrix.shape[1]) for name, feature in self.modalities.items()}

    def save(self, folder: Path) -> None:
        """Write the folder whole: `<modality>.npy`, `<modality>.mask.npy`, items.txt, meta.json."""
        with whole_folder(folder) as part:
            (part / "items.txt").write_bytes("".join(f"{i}\n" for i in self.ids).encode())
            for name, feature in self.modalities.items():
                np.save(part / f"{name}.npy", feature.matrix)
                np.save(part / f"{name}.mask.npy", feature.mask)
            sums = {path.name: file_sha256(path) for path in sorted(part.iterdir())}
            told = {"schema": SCHEMA, "modalities": list(self.modalities), "files": sums}
            meta = {**self.meta, **told}
            (part / META).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, fingerprint: str, ids: tuple[str, ...]) -> "FeatureSet":
        """Open a feature folder; the matrices stay on disk and are read as they are used.

        Raises:
            UsageError: the folder was made from another dataset, by another encoder, or holds
                other items; the message says how to make it again.
        """
        meta = _read_meta(folder / META)
        if meta.get("fingerprint") != fingerprint or meta.get("schema") != SCHEMA:
            raise UsageError(
                f"{folder}: these are features of dataset '{meta.get('dataset')}' by encoder "
                f"'{meta.get('encoder')}', not of what was asked for: delete the folder"
            )
        expected = "".join(f"{item}\n" for item in ids).encode()
        if not (folder / "items.txt").is_file() or (folder / "items.txt").read_bytes() != expected:
            raise UsageError(f"{folder}: its items are not those of the dataset: delete the folder")
        for name, sha256 in meta.get("files", {}).items():
            if not (folder / name).is_file() or file_sha256(folder / name) != sha256:
                raise UsageError(f"{folder}/{name}: gone or changed: delete the folder")
        modalities = {name: _read(folder, name, len(ids)) for name in meta["modalities"]}
        return cls(ids, modalities, meta)


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path} ({error}): delete its folder") from error
    return meta if isinstance(meta, dict) else {}


def _read(folder: Path, name: str, n_items: int) -> Feature:
    try:
        matrix = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        mask = np.load(folder / f"{name}.mask.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder}/{name}.npy: {error}: delete the folder") from error
    if matrix.ndim != 2 or len(matrix) != n_items or mask.shape != (n_items,):
        raise UsageError(
            f"{folder}/{name}.npy: {matrix.shape} for {n_items} items: delete the folder"
        )
    return Feature(matrix, mask)
