"""What lists recommend, whatever is relevant: how widely, how popular, how novel, for which items.

Metrics that RecBole has bear its names and give its numbers (a test says so). Lists hold items
from 1; a 0 fills a list that ends before the cutoff and is counted nowhere.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_ext.metrics import Found, Values, accuracy

Counts = NDArray[np.int64]


class Exposure:
    """How often each item stands in the lists, cutoff by cutoff.

    Args:
        n_items: number of items, padding included.
        cutoffs: list lengths.
        device: where the lists are; (n_cutoffs, n_items) int32 are held there.
    """

    def __init__(self, n_items: int, cutoffs: Sequence[int], device: torch.device) -> None:
        self.cutoffs = sorted(set(cutoffs))
        self.counts = torch.zeros(len(self.cutoffs) * n_items, dtype=torch.int32, device=device)
        ends = torch.tensor(self.cutoffs, device=device)
        ranks = torch.arange(self.cutoffs[-1], device=device)
        # A rank is counted once, where the first cutoff that holds it has its row.
        self.offset = torch.searchsorted(ends, ranks, right=True) * n_items  # (max cutoff,)

    def add(self, lists: Tensor) -> None:
        """Count some users' lists, (n, k)."""
        place = (lists + self.offset[: lists.shape[1]]).flatten()
        self.counts.index_add_(0, place, torch.ones_like(place, dtype=torch.int32))

    def aggregates(self) -> dict[str, float]:
        """Return every metric of `AGGREGATES` at every cutoff; NaN where all lists are empty."""
        per_segment = self.counts.view(len(self.cutoffs), -1).cpu().numpy()
        counts = np.zeros(per_segment.shape[1], np.int64)  # (n_items,)
        told = {}
        for k, segment in zip(self.cutoffs, per_segment, strict=True):
            counts += segment
            counts[0] = 0  # the padding item: lists that ended
            told.update({f"{name}@{k}": metric(counts) for name, metric in AGGREGATES.items()})
        return told


def item_coverage(counts: Counts) -> float:
    """Return the share of items that stand in some list.

    Args:
        counts: (n_items,) how often each does. As in RecBole the padding item is one of them.
    """
    return float((counts > 0).mean())


def gini_index(counts: Counts) -> float:
    """Return the Gini coefficient of `counts`, (n_items,): 0 where all are shown equally often.

    As in RecBole the padding item is one of them, never shown.
    """
    shown = np.sort(counts[counts > 0])
    n = len(counts)
    place = np.arange(n - len(shown) + 1, n + 1)  # among all, ascending; the others are zero
    total = n * shown.sum()
    return float(((2 * place - n - 1) * shown).sum() / total) if total else float("nan")


def shannon_entropy(counts: Counts) -> float:
    """Return RecBole's entropy of `counts`, (n_items,): in nats, over the number of items shown."""
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(share * np.log(share)).sum() / len(share)) if len(share) else float("nan")


AGGREGATES: Mapping[str, Callable[[Counts], float]] = {
    "itemcoverage": item_coverage,
    "giniindex": gini_index,
    "shannonentropy": shannon_entropy,
}


class ListMeans:
    """Means of a number that items have, over each user's list.

    Args:
        tables: metric → (n_items,) float64, the number of each item.
        cutoffs: list lengths.
        n_users: number of lists; 8 bytes are held for each, metric and cutoff.
        device: where the lists are.
    """

    def __init__(
        self,
        tables: Mapping[str, Values],
        cutoffs: Sequence[int],
        n_users: int,
        device: torch.device,
    ) -> None:
        self.cutoffs = list(cutoffs)
        self.tables = {name: torch.from_numpy(table).to(device) for name, table in tables.items()}
        shape = (n_users, len(self.cutoffs))
        self.means = {
            name: torch.zeros(shape, dtype=torch.float64, device=device) for name in tables
        }

    def add(self, lists: Tensor, first: int) -> None:
        """Take some users' lists, (n, k), the first of which is user `first`'s."""
        if not self.tables:
            return
        last = [min(k, lists.shape[1]) - 1 for k in self.cutoffs]
        shown = lists > 0  # (n, k)
        length = shown.cumsum(1)[:, last]  # (n, n_cutoffs)
        for name, table in self.tables.items():
            total = torch.where(shown, table[lists], 0.0).cumsum(1)[:, last]
            self.means[name][first : first + len(lists)] = total / length

    def values(self) -> dict[str, Values]:
        """Return "novelty@20" → (n_users,) float64; NaN for a user whose list is empty."""
        return {
            f"{name}@{k}": mean[:, place].cpu().numpy()
            for name, mean in self.means.items()
            for place, k in enumerate(self.cutoffs)
        }


def self_information(popularity: Counts, _tail: float) -> Values:
    """Return -log2 of each item's share of the training interactions, (n_items,), in bits.

    An item without one counts as if it had one: it is as novel as the rarest can be. The mean over
    a list is the mean self-information of S. Vargas and P. Castells, "Rank and Relevance in
    Novelty and Diversity Metrics for Recommender Systems", RecSys 2011 (expected free discovery,
    without discount and relevance).
    """
    share = np.maximum(popularity, 1) / max(popularity.sum(), 1)
    bits: Values = -np.log2(share)
    return bits


def interactions(popularity: Counts, _tail: float) -> Values:
    """Return each item's number of training interactions, (n_items,)."""
    return popularity.astype(np.float64)


def in_tail(popularity: Counts, tail: float) -> Values:
    """Return 1 for the items of the long tail, else 0, (n_items,), by RecBole's rule.

    Args:
        popularity: (n_items,) training interactions of each item.
        tail: at most 1: that share of the trained items, the least popular ones (at least one;
            of equals the lower id first). Above 1: trained items with at most that many.
    """
    trained = np.flatnonzero(popularity)
    if tail > 1:
        chosen = trained[popularity[trained] <= tail]
    else:
        order = trained[np.argsort(popularity[trained], kind="stable")]
        chosen = order[: max(int(len(order) * tail), 1)]
    found = np.zeros(len(popularity))
    found[chosen] = 1
    return found


PER_LIST: Mapping[str, Callable[[Counts, float], Values]] = {
    "novelty": self_information,
    "averagepopularity": interactions,
    "tailpercentage": in_tail,
}


def popularity_group(popularity: Counts) -> NDArray[np.str_]:
    """Return each item's group, (n_items,): head, mid, tail or cold.

    Items stand by their training interactions, the most popular first, of equals the lower id.
    Head are those before which less than 20 % of the interactions lie, tail those before which at
    least 80 % do, mid the rest; cold are those without any. After H. Abdollahpouri et al.,
    "User-centered Evaluation of Popularity Bias in Recommender Systems", UMAP 2021.
    """
    order = np.argsort(-popularity, kind="stable")
    before = popularity[order].cumsum() - popularity[order]
    total = popularity.sum()
    group = np.where(5 * before < total, "head", np.where(5 * before < 4 * total, "mid", "tail"))
    found = np.empty_like(group)
    found[order] = group
    return np.where(popularity > 0, found, "cold")


PER_GROUP = {f"recall-{group}": group for group in ("head", "mid", "tail", "cold")}


def group_recall(
    found: Found, item: Counts, popularity: Counts, metrics: Sequence[str], cutoffs: Sequence[int]
) -> tuple[dict[str, Values], dict[str, float]]:
    """Return the recall of the positives of popularity groups.

    Args:
        found: where the positives stand; item: (n,) their items.
        popularity: (n_items,) training interactions of each item.
        metrics: any of recall-head, recall-mid, recall-tail, recall-cold.
        cutoffs: list lengths.

    Returns:
        "recall-cold@20" → (n_users,) float64, NaN for a user without such a positive; and
        "recall-cold-users" → how many users have one.
    """
    values: dict[str, Values] = {}
    users: dict[str, float] = {}
    group = popularity_group(popularity)[item] if metrics else np.empty(0)
    for name in metrics:
        part = found.only(group == PER_GROUP[name])
        recall = accuracy(part, ["recall"], cutoffs)
        values.update({f"{name}@{k}": recall[f"recall@{k}"] for k in cutoffs})
        users[f"{name}-users"] = float(len(np.unique(part.row)))
    return values, users
