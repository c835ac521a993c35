"""Full ranking in blocks on the model's device, with every user's own metrics.

Metrics are those of RecBole (equal to 1e-6, a test says so), per user and never rounded. Ties are
broken by the item's internal id, the lower first, on every device.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbole_ext.config import Config

from recbole.data.interaction import Interaction  # isort: skip - needs the aliases


@dataclass(frozen=True)
class Pairs:
    """Users and items of some interactions, sorted by user and then item, without repetition."""

    user: Tensor  # (n,) long
    item: Tensor  # (n,) long

    @classmethod
    def of(cls, user: Tensor, item: Tensor, n_items: int) -> "Pairs":
        """Sort the interactions and leave out repetitions."""
        keys = torch.unique(user.long() * n_items + item.long())
        return cls(keys // n_items, keys % n_items)

    def among(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pairs of some sorted users: (row in `users`, item), each (m,)."""
        start = torch.searchsorted(self.user, users)
        counts = torch.searchsorted(self.user, users, right=True) - start  # (n_users,)
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        first = torch.repeat_interleave(start - counts.cumsum(0) + counts, counts)
        return row, self.item[first + torch.arange(len(row), device=users.device)]


@dataclass(frozen=True)
class Ranking:
    """How one part was ranked: every user's value of every metric.

    users: (n_users,) user ids as written in the interactions.
    values: "recall@20" → (n_users,) float64.
    """

    users: NDArray[np.str_]
    values: Mapping[str, NDArray[np.float64]]

    def mean(self) -> dict[str, float]:
        """Return the average of each metric over the users, at full precision."""
        return {name: float(values.mean()) for name, values in self.values.items()}


class Evaluator:
    """Ranks all items for every user that has a positive in a part.

    Args:
        config: gives `metrics`, `topk` and `eval_memory_mb`.
        positives: the interactions to be found again.
        masked: interactions whose items leave their user's candidates; a positive never does.
        tokens: (n_users,) user ids by internal id.
        n_items: number of items, padding included.
    """

    def __init__(
        self,
        config: Config,
        positives: tuple[Tensor, Tensor],
        masked: tuple[Tensor, Tensor],
        tokens: NDArray[np.str_],
        n_items: int,
    ) -> None:
        self.config = config
        self.device = config["device"]
        self.n_items = n_items
        self.positives = self._pairs(positives)
        self.masked = self._pairs(masked)
        self.users = torch.unique(self.positives.user)
        self.tokens = tokens
        if not len(self.users):
            raise ValueError("there is nothing to rank: the part holds no interaction")

    def _pairs(self, pair: tuple[Tensor, Tensor]) -> Pairs:
        return Pairs.of(pair[0].to(self.device), pair[1].to(self.device), self.n_items)

    @torch.no_grad()
    def rank(self, model: nn.Module) -> Ranking:
        """Return every user's metrics under a model.

        Raises:
            FloatingPointError: the model gives scores that are NaN.
        """
        model.eval()
        blocks = [self._rank_block(model, users) for users in self._blocks()]
        names = blocks[0].keys()
        values = {name: np.concatenate([block[name] for block in blocks]) for name in names}
        return Ranking(self.tokens[self.users.cpu().numpy()], values)

    def _blocks(self) -> Iterator[Tensor]:
        # A block holds the scores, their copy in the model and a mask of the same shape.
        rows = int(self.config["eval_memory_mb"] * 2**20 / (12 * self.n_items))
        yield from self.users.split(max(rows, 1))

    def _rank_block(self, model: nn.Module, users: Tensor) -> dict[str, NDArray[np.float64]]:
        batch = Interaction({self.config["USER_ID_FIELD"]: users})
        scores = model.full_sort_predict(batch).view(len(users), self.n_items)  # type: ignore[operator]
        scores = scores.clone()
        found_row, found_item = self.positives.among(users)
        kept = scores[found_row, found_item]
        scores[:, 0] = -torch.inf  # the padding item
        scores[self.masked.among(users)] = -torch.inf
        scores[found_row, found_item] = kept
        if scores.isnan().any():
            raise FloatingPointError("the model's scores are NaN: lower the learning rate")
        top = best(scores, max(self.config["topk"]))  # (n_block, k)
        relevant = torch.zeros_like(scores, dtype=torch.bool)
        relevant[found_row, found_item] = True
        hits = relevant.gather(1, top).cpu().numpy()
        count = relevant.sum(1).cpu().numpy()
        return per_user(hits, count, self.config["metrics"], self.config["topk"])


def best(scores: Tensor, k: int) -> Tensor:
    """Return the columns of the k highest scores of each row, (n, min(k, columns)).

    Highest first; of equal scores the lower column first.
    """
    k = min(k, scores.shape[1])
    value, column = scores.topk(k)
    # Where the k-th value also stands outside the k, which of the equals are in is undefined.
    torn = ((scores >= value[:, -1:]).sum(1) > k).nonzero().squeeze(1)
    if len(torn):
        exact = scores[torn].sort(dim=1, descending=True, stable=True)
        value[torn], column[torn] = exact.values[:, :k], exact.indices[:, :k]
    column, order = column.sort(dim=1)
    order = value.gather(1, order).sort(dim=1, descending=True, stable=True).indices
    return column.gather(1, order)


def per_user(
    hits: NDArray[np.bool_], count: NDArray[np.int64], metrics: Sequence[str], topk: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of ranked lists.

    Args:
        hits: (n_users, k) true where the item at that rank is a positive.
        count: (n_users,) how many positives each user has, at least one.
        metrics: any of recall, precision, ndcg, map, mrr, hit.
        topk: cutoffs; where one exceeds k the list is filled up with misses.

    Returns:
        "recall@20" → (n_users,) float64.
    """
    missing = max(topk) - hits.shape[1]
    hit = np.pad(hits, ((0, 0), (0, max(missing, 0)))).astype(np.float64)  # (n_users, max topk)
    curves = {name.lower(): CURVES[name.lower()](hit, count) for name in metrics}
    return {f"{name}@{k}": curve[:, k - 1].copy() for name, curve in curves.items() for k in topk}


def _ranks(hit: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.arange(1, hit.shape[1] + 1, dtype=np.float64)


def _ideal(hit: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return min(k, count) for every cutoff k, (n_users, k)."""
    return np.minimum(_ranks(hit)[None, :], count[:, None])


def _recall(hit: Any, count: Any) -> Any:
    return hit.cumsum(1) / count[:, None]


def _precision(hit: Any, _count: Any) -> Any:
    return hit.cumsum(1) / _ranks(hit)


def _hit(hit: Any, _count: Any) -> Any:
    return (hit.cumsum(1) > 0).astype(np.float64)


def _mrr(hit: Any, _count: Any) -> Any:
    first = (hit.cumsum(1) == 1) & (hit == 1)
    return (first / _ranks(hit)).cumsum(1)


def _map(hit: Any, count: Any) -> Any:
    return (_precision(hit, count) * hit).cumsum(1) / _ideal(hit, count)


def _ndcg(hit: Any, count: Any) -> Any:
    discount = 1 / np.log2(_ranks(hit) + 1)
    ideal = np.concatenate([[0.0], discount.cumsum()])[_ideal(hit, count).astype(int)]
    return (hit * discount).cumsum(1) / ideal


CURVES = {
    "recall": _recall,
    "precision": _precision,
    "ndcg": _ndcg,
    "map": _map,
    "mrr": _mrr,
    "hit": _hit,
}
