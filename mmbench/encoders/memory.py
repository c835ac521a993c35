"""Work that is tried with ever fewer items where memory ends."""

from collections.abc import Callable
from typing import TypeVar

import torch

from mmbench.errors import UsageError

T = TypeVar("T")


def within_memory(work: Callable[[int], T], size: int) -> tuple[T, int]:
    """Return what work gives for so many items, or for half of them and so on; and how many.

    Raises:
        UsageError: a single item does not fit into memory.
    """
    while True:
        try:
            return work(size), size
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise UsageError(
                    f"a single item does not fit into memory ({first_words(error)}): take a "
                    "smaller encoder"
                ) from error
        # Only now is what the attempt held let go of.
        size //= 2
        torch.cuda.empty_cache()  # nothing where there is no GPU


def out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ended, on a GPU or beside it."""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or "allocate memory" in str(error)


def first_words(error: Exception) -> str:
    """Return the beginning of an error's message, on one line."""
    return " ".join(str(error).split())[:120]
