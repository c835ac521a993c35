"""A prepared dataset folder: its manifest, its files, its identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from mmbench.datasets.catalog import Catalog, picture_digests
from mmbench.datasets.manifest import MANIFEST, read_manifest
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256
from mmbench.home import Home

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Dataset:
    """A dataset folder that is whole.

    folder: `<home>/datasets/<name>`.
    manifest: its dataset.json.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @classmethod
    def load(cls, home: Home, name: str) -> "Dataset":
        """Open the dataset of that name in a home.

        Raises:
            UsageError: there is none, its manifest cannot be read or is of another schema.
        """
        folder = home.datasets / name
        if not (folder / MANIFEST).is_file():
            found = nearest(name, prepared(home))
            raise UsageError(f"dataset '{name}' is not prepared in {home.root}: {found}")
        return cls(folder, read_manifest(folder))

    @property
    def name(self) -> str:
        """The name, that of the folder."""
        return self.folder.name

    @property
    def fingerprint(self) -> str:
        """The sha256 of the content: splits, texts and pictures, not the bytes of the files."""
        return str(self.manifest["fingerprint"])

    @cached_property
    def catalog(self) -> Catalog:
        """The items, read from items.parquet; UsageError where that is gone or damaged."""
        path = self.folder / "items.parquet"
        try:
            frame = pd.read_parquet(path)
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"cannot read {path} ({reason}): prepare the dataset again with --force"
            ) from error
        attributes = {m: tuple(names) for m, names in self.manifest["attributes"].items()}
        return Catalog(self.folder, frame, attributes)

    def damage(self) -> list[str]:
        """Return which tables differ from the manifest, a line each: gone or changed."""
        return self._compare(self.manifest["files"])

    def damaged_pictures(self) -> list[str]:
        """Return which pictures differ from images.sha256, a line each; reads them all."""
        return self._compare(picture_digests(self.folder))

    def _compare(self, sums: Mapping[str, str]) -> list[str]:
        found = []
        for name, sha256 in sums.items():
            path = self.folder / name
            if not path.is_file():
                found.append(f"{path}: gone")
            elif file_sha256(path) != sha256:
                found.append(f"{path}: changed since it was prepared")
        return found


def prepared(home: Home) -> list[str]:
    """Return the names of the datasets in a home."""
    return sorted(path.parent.name for path in home.datasets.glob(f"[!.]*/{MANIFEST}"))
