"""Vectors on their way: written in parts, so that an interrupted extraction loses seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mmbench.atomic import whole_file


class Shard(NamedTuple):
    """Some units in a row.

    kept: (n,) whether the unit could be read. vectors: (n kept, dim).
    seconds, waited: what they took, and what of it the model waited for its input.
    """

    kept: NDArray[np.bool_]
    vectors: NDArray[Any]
    seconds: float
    waited: float


@dataclass(frozen=True)
class Shards:
    """A folder of shards; each file is named after its first unit."""

    folder: Path

    def write(self, start: int, shard: Shard) -> None:
        """Keep the shard that begins at a unit; UsageError where the disk is full."""
        with whole_file(self._file(start)) as part, part.open("wb") as file:
            np.savez(file, **shard._asdict())

    def read(self) -> Iterator[Shard]:
        """Yield the shards from unit 0 on, as far as they follow each other."""
        start = 0
        while shard := self._read(start):
            yield shard
            start += len(shard.kept)

    def done(self) -> int:
        """Return how many units the shards hold."""
        return sum(len(shard.kept) for shard in self.read())

    def _file(self, start: int) -> Path:
        return self.folder / f"{start:09d}.npz"

    def _read(self, start: int) -> Shard | None:
        # A machine that lost its power may have left a shard that is there but not whole.
        try:
            with np.load(self._file(start), allow_pickle=False) as held:
                kept, vectors, seconds, waited = (held[name] for name in Shard._fields)
        except (OSError, EOFError, ValueError, KeyError, BadZipFile):
            return None
        return Shard(kept, vectors, float(seconds), float(waited)) if len(kept) else None
