"""Batches of an epoch, drawn on the model's device: a shuffle of places, never of the data."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole_ext.config import Config
from recbole_ext.sampler import NegativeSampler

from recbole.data.interaction import Interaction  # isort: skip - needs the aliases
from recbole.utils import InputType  # isort: skip

DRAWS = 2**26  # negatives held at once, 4 bytes each
BLOCK = 2**20  # negatives drawn at once: what a draw needs on the way is ten times as much


@dataclass(frozen=True)
class Batch:
    """One forward and backward pass.

    share: what part it is of the positives of its optimiser step.
    last: the optimiser's step follows.
    """

    rows: Interaction
    share: float
    last: bool


class Batches:
    """The training interactions with negatives, another order and other negatives each epoch.

    Args:
        config: `train_batch_size` (positives a batch), `negatives` (of each positive),
            `negative_popularity`, `gradient_accumulation` (batches an optimiser step), `seed`.
        user, item: (n,) the training interactions, on the device of the model.
        n_items: number of items, padding included.

    Raises:
        ValueError: a user has no negative.
    """

    def __init__(self, config: Config, user: Tensor, item: Tensor, n_items: int) -> None:
        self.config = config
        # Negatives are found in a sorted table: users in its order find them near one another.
        order = (user.long() * n_items + item).argsort()
        self.user, self.item = user[order].int(), item[order].int()
        self.sampler = NegativeSampler(user, item, n_items, config["negative_popularity"])
        self.negatives: int = config["negatives"]
        self.size: int = config["train_batch_size"]
        self.accumulated: int = config["gradient_accumulation"]

    @property
    def steps(self) -> int:
        """The optimiser's steps in an epoch."""
        return -(-len(self.user) // (self.size * self.accumulated))

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; it can be repeated without the others."""
        n, device = len(self.user), self.user.device
        generator = torch.Generator(device)
        generator.manual_seed(self.config["seed"] * 1_000_003 + number)
        order = torch.randperm(n, generator=generator, device=device, dtype=torch.int32)
        group = self.size * self.accumulated
        span = max(DRAWS // self.negatives // group, 1) * group
        whole = self._draw(self.user, generator) if n <= span else None  # (n, negatives)
        for start in range(0, n, span):
            places = order[start : start + span]
            drawn = self._draw(self.user[places], generator) if whole is None else whole[places]
            yield from self._of(places, drawn, min(start + span, n) - start)

    def _draw(self, user: Tensor, generator: torch.Generator) -> Tensor:
        """Return negatives of users, (n, negatives) int32."""
        drawn = torch.empty((len(user), self.negatives), dtype=torch.int32, device=user.device)
        size = max(BLOCK // self.negatives, 1)
        for start in range(0, len(user), size):
            block = user[start : start + size]
            many = block.repeat_interleave(self.negatives) if self.negatives > 1 else block
            found = self.sampler.sample(many, generator)
            drawn[start : start + len(block)] = found.view(-1, self.negatives)
        return drawn

    def _of(self, places: Tensor, drawn: Tensor, n: int) -> Iterator[Batch]:
        group = self.size * self.accumulated
        for start in range(0, n, self.size):
            stop = min(start + self.size, n)
            begin = start // group * group
            end = min(begin + group, n)
            rows = self._rows(places[start:stop], drawn[start:stop].long())
            yield Batch(rows, (stop - start) / (end - begin), stop == end)

    def _rows(self, places: Tensor, negative: Tensor) -> Interaction:
        """Return a batch as a model reads it; pairwise, a positive stands beside each negative."""
        config = self.config
        users, items = config["USER_ID_FIELD"], config["ITEM_ID_FIELD"]
        user, item = self.user[places].long(), self.item[places].long()  # (n,)
        every = user.repeat_interleave(self.negatives) if self.negatives > 1 else user
        if config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE:
            item = item.repeat_interleave(self.negatives) if self.negatives > 1 else item
            field = config["NEG_PREFIX"] + items
            return Interaction({users: every, items: item, field: negative.view(-1)})
        label = torch.cat([torch.ones_like(user), torch.zeros_like(every)]).float()
        both = {users: torch.cat([user, every]), items: torch.cat([item, negative.view(-1)])}
        return Interaction({**both, config["LABEL_FIELD"]: label})


def batches_of_distinct_items(config: Config, user: Tensor, item: Tensor) -> Iterator[Interaction]:
    """Yield the positives once; RecBole's Pop counts an item repeated in a batch only once."""
    order = item.argsort(stable=True)
    counts = torch.bincount(item)
    first = (counts.cumsum(0) - counts)[item[order]]
    occurrence = torch.arange(len(order), device=order.device) - first  # (n,) from 0
    order = order[occurrence.argsort(stable=True)]
    for rows in torch.split(order, torch.bincount(occurrence).tolist()):
        yield Interaction(
            {config["USER_ID_FIELD"]: user[rows], config["ITEM_ID_FIELD"]: item[rows]}
        )
