"""How often neighbours share a true attribute, where the dataset knows the attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mmbench.feature_report.diagnostics.modality import K, norms
from mmbench.feature_report.diagnostics.neighbours import nearest
from mmbench.feature_report.diagnostics.sample import sample
from mmbench.features import Feature


@dataclass(frozen=True)
class Shared:
    """Share of an item's k nearest that have its value of an attribute, and of any two items."""

    neighbours: float
    random: float


def shared_attributes(feature: Feature, columns: Mapping[str, Sequence[Any]]) -> dict[str, Shared]:
    """Return attribute → how often neighbours share it; items without a value are left out.

    Args:
        feature: one modality of n_items items.
        columns: attribute → its values (n_items,).
    """
    rows = np.flatnonzero(feature.mask)
    rows = sample(rows[norms(feature.matrix, rows) > 0])
    if len(rows) <= K + 1 or not columns:
        return {}
    found = nearest(feature.matrix, rows, rows, K).rows  # (n_rows, k)
    told = {}
    for name, values in columns.items():
        codes, _ = pd.factorize(np.array(values, dtype=object))  # (n_items,); -1 has no value
        mine, theirs = codes[rows][:, None], codes[found]
        known = (mine >= 0) & (theirs >= 0)
        counts = np.bincount(codes[rows][codes[rows] >= 0]).astype(float)
        pairs = counts.sum() * (counts.sum() - 1)
        if known.any() and pairs:
            told[name] = Shared(
                float((mine == theirs)[known].mean()),
                float((counts * (counts - 1)).sum() / pairs),
            )
    return told
