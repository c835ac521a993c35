"""The lists of a few users, kept to be looked at: the same users whatever the recommender."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Lists:
    """What was recommended to some users.

    users: (n,) user ids. items: (n, length) item ids, the best first; "" where a list ends.
    """

    users: NDArray[np.str_]
    items: NDArray[np.str_]


class Sample:
    """Takes the lists of a sample of the ranked users, block by block.

    Args:
        users: (n_users,) ids in the order of ranking. size: how many are kept, at most.
        length: of a list, at most.
    """

    def __init__(self, users: NDArray[np.str_], size: int, length: int) -> None:
        self.users, self.length = users, length
        self.rows = sampled(users, size)  # (n,), in order
        self.blocks: list[Tensor] = []

    def add(self, lists: Tensor, first: int) -> None:
        """Take from a block of lists, (n_block, k) internal item ids, that begins at a user."""
        inside = self.rows[(self.rows >= first) & (self.rows < first + len(lists))]
        rows = torch.from_numpy(inside - first).to(lists.device)
        self.blocks.append(lists[rows, : self.length].cpu())

    def lists(self, tokens: NDArray[np.str_]) -> Lists:
        """Return what was taken; `tokens`: (n_items,) item ids by internal id."""
        internal = torch.cat(self.blocks).numpy()  # (n, length)
        items = np.where(internal > 0, np.asarray(tokens, str)[internal], "")
        return Lists(self.users[self.rows], items)


def sampled(users: NDArray[np.str_], size: int) -> NDArray[np.int64]:
    """Return the places of `size` users, in order: those whose ids have the lowest hashes.

    A user that two records rank is in both samples or comes close to it, whatever else they rank.
    """
    if not size:
        return np.zeros(0, np.int64)
    hashes = [sha256(str(user).encode()).digest() for user in users]
    return np.sort(np.asarray(sorted(range(len(users)), key=hashes.__getitem__)[:size], np.int64))
