"""Negative sampling without a Python loop over rows: uniform, positives rejected exactly."""

import torch
from torch import Tensor


class NegativeSampler:
    """Draws items that a user has no training interaction with, each equally likely.

    Args:
        user: (n,) users of the training interactions.
        item: (n,) their items; 0 is the padding item and is never drawn.
        n_items: number of items, padding included.

    Raises:
        ValueError: a user has interacted with every item, so that there is no negative.
    """

    def __init__(self, user: Tensor, item: Tensor, n_items: int) -> None:
        self.n_items = n_items
        self.positives = torch.unique(user.long() * n_items + item)  # sorted keys
        owners, counts = torch.unique(self.positives // n_items, return_counts=True)
        if (counts >= n_items - 1).any():
            full = int(owners[counts >= n_items - 1][0])
            raise ValueError(f"user {full} has interacted with every item: there is no negative")

    def is_positive(self, user: Tensor, item: Tensor) -> Tensor:
        """Return (n,) bool, true where the pair is a training interaction."""
        keys = user.long() * self.n_items + item
        place = torch.searchsorted(self.positives, keys).clamp_max(len(self.positives) - 1)
        return torch.eq(self.positives[place], keys)

    def sample(self, user: Tensor, generator: torch.Generator) -> Tensor:
        """Return one negative item for each user, (n,)."""
        device = user.device
        item = torch.randint(1, self.n_items, user.shape, generator=generator, device=device)
        wrong = self.is_positive(user, item).nonzero().squeeze(1)
        while len(wrong):
            item[wrong] = torch.randint(
                1, self.n_items, wrong.shape, generator=generator, device=device
            )
            wrong = wrong[self.is_positive(user[wrong], item[wrong])]
        return item
