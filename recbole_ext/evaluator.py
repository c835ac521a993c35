"""Full ranking in blocks on the model's device, with every user's own metrics.

Ties are broken by the item's internal id, the lower first, on every device. An item whose score is
-inf is never recommended: a list that runs out of items ends there and counts as misses.

=====================================  ============================================================
what `metrics` names, of every user    recall, precision, ndcg, map, mrr, hit (RecBole's numbers)
what it may name besides               novelty, averagepopularity, tailpercentage; recall-head,
                                       recall-mid, recall-tail, recall-cold, each with the number
                                       of users that have such a positive (recall-cold-users)
always, of all lists together          itemcoverage, giniindex, shannonentropy (RecBole's numbers)
=====================================  ============================================================

The second group reads the training popularity of items and keeps a number for every user and
cutoff, therefore only on request; the last costs a count of the items shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recbole_ext.beyond_accuracy import PER_GROUP, PER_LIST, Exposure, ListMeans, group_recall
from recbole_ext.config import Config
from recbole_ext.lists import Lists, Sample
from recbole_ext.metrics import ACCURACY, Found, accuracy
from recbole_ext.pairs import Pairs, sorted_keys, without
from recbole_ext.topk import best

from recbole.data.interaction import Interaction  # isort: skip - needs the aliases

METRICS = (*ACCURACY, *PER_LIST, *PER_GROUP)
BYTES_PER_SCORE = 12  # the score, its copy in some models, the search for ties
CACHE_MB = 16  # a processor reads such a block from its cache, and its memory is used again
LISTED = 20  # items of a list that is returned, at most
CACHE_ROWS = 256  # fewer rows would read the items' vectors too often


@dataclass(frozen=True)
class Ranking:
    """How one part was ranked: every user's value of every metric.

    users: (n_users,) user ids as written in the interactions.
    values: "recall@20" → (n_users,) float64; NaN where a metric says nothing of a user.
    aggregates: "itemcoverage@20" → what is a number of all lists together.
    lists: what some of the users were recommended; None where nobody asked for it.
    """

    users: NDArray[np.str_]
    values: Mapping[str, NDArray[np.float64]]
    aggregates: Mapping[str, float] = field(default_factory=dict)
    lists: Lists | None = None

    def mean(self) -> dict[str, float]:
        """Return every metric at full precision: the averages over the users, and the aggregates.

        NaN are left out of an average; a metric that has no other value is left out itself.
        """
        known = {name: values[~np.isnan(values)] for name, values in self.values.items()}
        means = {name: float(values.mean()) for name, values in known.items() if len(values)}
        return means | {name: v for name, v in self.aggregates.items() if not np.isnan(v)}


class Evaluator:
    """Ranks all items for every user that has a positive in a part.

    Args:
        config: gives `metrics`, `topk`, `eval_memory_mb` and `tail_ratio`.
        positives: the interactions to be found again.
        masked: interactions whose items leave their user's candidates; a positive never does.
        tokens: (n_users,) user ids by internal id.
        n_items: number of items, padding included.
        popularity: (n_items,) training interactions of each item, for the metrics that read them.

    Memory: one block of scores with all that its ranking takes, bounded by `eval_memory_mb` (but
    at least one user's). Beside it 4 bytes an item and cutoff, and what grows with the interactions
    and the result: 8 bytes a user, metric and cutoff.

    Raises:
        ValueError: the part is empty, a metric is unknown, or it needs the popularity.
    """

    def __init__(
        self,
        config: Config,
        positives: tuple[Tensor, Tensor],
        masked: tuple[Tensor, Tensor],
        tokens: NDArray[np.str_],
        n_items: int,
        popularity: Tensor | None = None,
    ) -> None:
        self.config = config
        self.device: torch.device = config["device"]
        self.n_items = n_items
        self.metrics = [name.lower() for name in config["metrics"]]
        self.cutoffs: list[int] = config["topk"]
        found, hidden = self._keys(positives), self._keys(masked)
        if not len(found):
            raise ValueError("there is nothing to rank: the part holds no interaction")
        self.users = torch.unique_consecutive(found // n_items)
        self.positives = Pairs.of(found, self.users, n_items)
        self.masked = Pairs.of(without(hidden, found), self.users, n_items)
        self.tokens = tokens
        self._check(popularity is not None)
        counts = torch.zeros(n_items) if popularity is None else popularity
        self.popularity = counts.cpu().numpy().astype(np.int64)

    def _keys(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return sorted_keys(pair[0].to(self.device), pair[1].to(self.device), self.n_items)

    def _check(self, popularity: bool) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(f"metrics: '{name}' is unknown; known: {', '.join(METRICS)}")
            if name not in ACCURACY and not popularity:
                raise ValueError(f"metrics: {name} needs the training popularity of the items")

    @torch.no_grad()
    def rank(
        self, model: nn.Module, listed: int = 0, items: NDArray[np.str_] | None = None
    ) -> Ranking:
        """Return every user's metrics under a model.

        Args:
            listed: of how many users the lists are returned, too. items: (n_items,) item ids by
                internal id, which they are made of.

        Its `full_sort_predict` must give scores of their own: they are overwritten, as by RecBole.

        Raises:
            FloatingPointError: the model gives scores that are NaN.
        """
        model.eval()
        ranks = torch.empty_like(self.positives.item, dtype=torch.int32)  # of every positive
        exposure = Exposure(self.n_items, self.cutoffs, self.device)
        means = self._list_means()
        users = self.tokens[self.users.cpu().numpy()]
        sample = Sample(users, 0 if items is None else listed, LISTED)
        n_rows = self._rows()
        for first in range(0, len(self.users), n_rows):
            last = min(first + n_rows, len(self.users))
            scores = self._scores(model, first, last)
            lists, ranks[self.positives.slice(first, last)] = self._lists(scores, first, last)
            exposure.add(lists)
            means.add(lists, first)
            sample.add(lists, first)
        values, aggregates = self._values(ranks)
        shown = None if items is None else sample.lists(items)
        return Ranking(users, values | means.values(), aggregates | exposure.aggregates(), shown)

    def _rows(self) -> int:
        """Return how many users a block has."""
        rows = int(self.config["eval_memory_mb"] * 2**20 / (BYTES_PER_SCORE * self.n_items))
        if self.device.type == "cpu":
            rows = min(rows, max(CACHE_MB * 2**20 // (4 * self.n_items), CACHE_ROWS))
        return max(rows, 1)

    def _scores(self, model: nn.Module, first: int, last: int) -> Tensor:
        """Return the scores of a block, (n, n_items), in a type that holds every rank."""
        users = Interaction({self.config["USER_ID_FIELD"]: self.users[first:last]})
        scores: Tensor = model.full_sort_predict(users).view(last - first, self.n_items)  # type: ignore[operator]
        return scores if scores.dtype == torch.float64 else scores.float()

    def _lists(self, scores: Tensor, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return the lists of a block, (n, k), 0 where they end, and the ranks of its positives.

        The scores are overwritten.
        """
        scores[:, 0] = -torch.inf  # the padding item
        scores[self.masked.cells(first, last)] = -torch.inf
        try:
            value, column = best(scores, max(self.cutoffs))
        except FloatingPointError as error:
            raise FloatingPointError(
                "the model's scores are NaN: lower the learning rate"
            ) from error
        shown = value > -torch.inf
        rank = torch.arange(column.shape[1], device=scores.device)
        # Ranks are read where they are written: no mask of the scores' shape, no search.
        positives = self.positives.cells(first, last)
        scores[positives] = -1
        scores.scatter_(1, column, torch.where(shown, rank, -1).to(scores.dtype))
        return torch.where(shown, column, 0), scores[positives].int()

    def _list_means(self) -> ListMeans:
        tail = self.config["tail_ratio"]
        wanted = [name for name in self.metrics if name in PER_LIST]
        tables = {name: PER_LIST[name](self.popularity, tail) for name in wanted}
        return ListMeans(tables, self.cutoffs, len(self.users), self.device)

    def _values(self, ranks: Tensor) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
        found = Found(
            self.positives.row.cpu().numpy(), ranks.cpu().numpy().astype(np.int64), len(self.users)
        )
        values = accuracy(found, [m for m in self.metrics if m in ACCURACY], self.cutoffs)
        groups = [m for m in self.metrics if m in PER_GROUP]
        item = self.positives.item.cpu().numpy()
        recall, users = group_recall(found, item, self.popularity, groups, self.cutoffs)
        return values | recall, users
