"""The items of a prepared dataset: ids, texts and pictures, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from mmbench.datasets.pictures import read_picture

OWN = ("item_id", "title", "text", "image")


@dataclass(frozen=True)
class Catalog:
    """The items of a dataset folder.

    folder: the dataset folder.
    frame: its items.parquet.
    attributes: modality → columns that hold the true attributes, where the dataset knows them.
    """

    folder: Path
    frame: pd.DataFrame
    attributes: Mapping[str, tuple[str, ...]]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The item ids; a row number in this module is a position here."""
        return tuple(self.frame["item_id"])

    @cached_property
    def present(self) -> dict[str, NDArray[np.bool_]]:
        """Modality → (n_items,) true where the item has it."""
        image = self.frame["image"].notna().to_numpy(bool)
        text = (self.frame["title"].notna() | self.frame["text"].notna()).to_numpy(bool)
        return {"image": image, "text": text}

    @property
    def columns(self) -> dict[str, list[Any]]:
        """The columns that are neither id nor content."""
        extra = [name for name in self.frame.columns if name not in OWN]
        return {str(name): self.frame[name].tolist() for name in extra}

    def text(self, row: int) -> str | None:
        """Return the title and text of an item, a line each; None where it has neither."""
        parts = (self.frame["title"].iat[row], self.frame["text"].iat[row])
        return "\n".join(part for part in parts if isinstance(part, str)) or None

    def picture_path(self, row: int) -> Path | None:
        """Return the picture file of an item; None where it has none."""
        name = self.frame["image"].iat[row]
        return self.folder / name if isinstance(name, str) else None

    def digest(self, row: int) -> str | None:
        """Return the sha256 of an item's picture file; None where it has none."""
        name = self.frame["image"].iat[row]
        return self._digests[name] if isinstance(name, str) else None

    @cached_property
    def _digests(self) -> dict[str, str]:
        return picture_digests(self.folder)

    def picture(self, row: int) -> Image.Image | None:
        """Return the picture of an item as RGB; None where it has none.

        Raises:
            UnreadablePicture: the file changed since the dataset was prepared.
        """
        path = self.picture_path(row)
        return read_picture(path) if path else None


def picture_digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each picture of a dataset folder by its path in there."""
    lines = (folder / "images.sha256").read_text(encoding="utf-8").splitlines()
    return {line[66:]: line[:64] for line in lines}
