"""Negative sampling without rejection: one draw, one binary search, and never a positive.

The items that a user has no training interaction with are laid end to end, each as long as its
weight. A whole number below their total length is drawn; the lengths of the user's positives that
lie before it are added; the item at that place is the negative. Nothing is drawn twice, so the
device never waits for the number of rejections. All lengths are whole numbers, so it is exact.
"""

import torch
from torch import Tensor

LENGTH = 2**31  # of all items together; with as many users keys stay within 63 bits


class NegativeSampler:
    """Draws items that a user has no training interaction with.

    Args:
        user: (n,) users of the training interactions.
        item: (n,) their items; 0 is the padding item and is never drawn.
        n_items: number of items, padding included.
        power: an item is drawn in proportion to its number of training interactions to this power;
            0 makes all items equally likely, those without an interaction included.

    Raises:
        ValueError: a user has interacted with every item that can be drawn.
    """

    def __init__(self, user: Tensor, item: Tensor, n_items: int, power: float = 0.0) -> None:
        keys = torch.unique(user.long() * n_items + item)
        owner, seen = keys // n_items, keys % n_items
        weight = _weights(seen, n_items, power)
        self.uniform = power == 0
        self.until = weight.cumsum(0)  # (n_items,) where an item ends
        taken = _before(weight[seen])  # (n_positives + 1,) length of the positives so far
        n_users = int(owner.max()) + 1
        self.first = _before(torch.bincount(owner, minlength=n_users))  # (n_users + 1,)
        self.taken = taken
        self.free = self.until[-1] - taken[self.first[1:]] + taken[self.first[:-1]]  # (n_users,)
        # Where each positive would begin if the user's earlier positives were taken out.
        begin = self.until[seen] - weight[seen] - taken[:-1] + taken[self.first[owner]]
        self.stride = int(self.until[-1]) + 1
        self.keys = owner * self.stride + begin  # (n_positives,) sorted
        full = (self.free[owner] <= 0).nonzero()
        if len(full):
            user_id = int(owner[full[0]])
            raise ValueError(f"user {user_id} has interacted with every item: there is no negative")

    def sample(self, user: Tensor, generator: torch.Generator) -> Tensor:
        """Return one negative item for each user, (n,); fastest where `user` is sorted."""
        user = user.long()
        share = torch.rand(user.shape, generator=generator, device=user.device, dtype=torch.float64)
        place = (share * self.free[user]).long()  # among what is free
        passed = torch.searchsorted(self.keys, user * self.stride + place, right=True)
        first = self.first[user]
        if self.uniform:
            return place.add_(passed).sub_(first).add_(1)
        place += self.taken[passed] - self.taken[first]  # among all items
        return torch.searchsorted(self.until, place, right=True)


def _weights(seen: Tensor, n_items: int, power: float) -> Tensor:
    """Return how long each item is, (n_items,) whole numbers; the padding item has no length."""
    if power == 0:
        weight = torch.ones(n_items, dtype=torch.long, device=seen.device)
    else:
        share = torch.bincount(seen, minlength=n_items).double() ** power
        scaled = share * (LENGTH / share.sum())
        weight = torch.where(share > 0, scaled.round().clamp_min(1), 0).long()
    weight[0] = 0
    return weight


def _before(lengths: Tensor) -> Tensor:
    """Return the sum of what stands before each place and of all, (n + 1,)."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
