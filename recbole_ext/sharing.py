"""Arrays that processes on one machine may share, in place of a copy in each of them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

BLOCK = 2**20  # numbers of a block of rows: 4 MiB of float32

Blocks = Callable[[], Iterable[NDArray[Any]]]


class Share(Protocol):
    """What keeps arrays by key, so that each is made at most once."""

    def __call__(
        self, key: str, shape: tuple[int, ...], dtype: DTypeLike, blocks: Blocks, /
    ) -> NDArray[Any] | None:
        """Return the array of a key, None where it cannot be kept.

        What is written into the array is seen by nobody else.

        Args:
            key: names all that fixes the numbers. shape, dtype: of the array.
            blocks: called where the array is not there yet; gives its rows from the first to the
                last, some at a time, so that it need never be held as a whole.
        """


def kept(
    share: Share | None, key: str, shape: tuple[int, ...], dtype: DTypeLike, blocks: Blocks
) -> NDArray[Any]:
    """Return what `share` keeps, or an array in the memory of this process; see `Share`."""
    found = share(key, shape, dtype, blocks) if share else None
    if found is not None:
        return found
    made, done = np.empty(shape, dtype), 0
    for block in blocks():
        made[done : done + len(block)] = block
        done += len(block)
    return made


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Yield slices that cover the rows of a (rows, width) matrix, about `BLOCK` numbers each."""
    size = max(BLOCK // max(width, 1), 1)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
