"""The distinct inputs of a catalogue: what many items share is encoded once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbench.datasets.catalog import Catalog
from mmbench.encoders.base import Backend
from mmbench.encoders.network import Network, Tokens
from mmbench.extraction.long_texts import pieces

Rows = NDArray[np.int64]
NONE: Tokens = np.zeros(0, np.int64)  # of a picture that comes without a text


@dataclass(frozen=True)
class Units:
    """What a backend encodes, in the order in which it does.

    sources: (n_units,) a row of the catalogue that has the unit's content.
    tokens: n_units token lists; None where the backend reads no texts, or reads them whole.
    rows, of: (n_uses,) each: the row that a unit gives a vector to, and the unit. A row of which
        several units tell (chunks of its text) gets the mean of their vectors.
    cut: how many texts are longer than what the model reads at once.
    """

    sources: Rows
    tokens: Sequence[Tokens] | None
    rows: Rows
    of: Rows
    cut: int

    def __len__(self) -> int:
        return len(self.sources)


def units(catalog: Catalog, rows: Rows, backend: Backend, policy: str) -> Units:
    """Return the units of some rows, longest texts first: a batch then holds texts of one length.

    Args:
        catalog: the items.
        rows: those that have what the backend reads.
        backend: it, loaded.
        policy: what becomes of long texts, see `mmbench.extraction.long_texts.pieces`.
    """
    if not isinstance(backend, Network):
        return Units(rows, None, rows, np.arange(len(rows)), 0)
    texts: list[list[Tokens]] | None = None
    cut = 0
    if "text" in backend.inputs:
        texts, cut = pieces(backend, [catalog.text(int(row)) or "" for row in rows], policy)
    pictures = [catalog.digest(int(row)) for row in rows] if "image" in backend.inputs else None
    return _distinct(rows, pictures, texts, cut)


def _distinct(
    rows: Rows, pictures: Sequence[str | None] | None, texts: list[list[Tokens]] | None, cut: int
) -> Units:
    found: dict[tuple[str | None, bytes], int] = {}
    sources: list[int] = []
    tokens: list[Tokens] = []
    uses: list[tuple[int, int]] = []  # row, unit
    for place, row in enumerate(rows):
        for chunk in texts[place] if texts else [NONE]:
            key = (pictures[place] if pictures else None, chunk.tobytes())
            if key not in found:
                found[key] = len(sources)
                sources.append(int(row))
                tokens.append(chunk)
            uses.append((int(row), found[key]))
    order = np.argsort([-len(one) for one in tokens], kind="stable")  # (n_units,)
    rank = np.argsort(order)
    used, of = np.array(uses, np.int64).reshape(-1, 2).T  # (n_uses,) each
    kept = [tokens[place] for place in order] if texts else None
    return Units(np.array(sources, np.int64)[order], kept, used, rank[of], cut)
