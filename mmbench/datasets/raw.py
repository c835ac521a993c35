"""What a source of data gives, before anything is filtered, split or written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd


@dataclass(frozen=True)
class RawDataset:
    """Interactions, items and pictures as a source has them.

    interactions: user_id (str), item_id (str), timestamp (int64 Unix seconds).
    items: item_id (str), title and text (str or None), plus any other columns.
    pictures: item_id → picture file; items without one are absent.
    source, licence: one line each, for the manifest.
    attributes: modality → the columns of `items` that hold the true attributes behind it, where
        they are known; the `oracle` control reads them.
    has_times: whether the timestamps are real.
    inputs: file name → sha256 of the tables that were read.
    filtered: what was removed while reading, name → count, in the order it was done.
    """

    interactions: pd.DataFrame
    items: pd.DataFrame
    pictures: Mapping[str, Path]
    source: str
    licence: str
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_times: bool = True
    filtered: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
