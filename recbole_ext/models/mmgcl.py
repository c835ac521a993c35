"""MMGCL: a graph for each modality, and contrast between two disturbed views of them.

Z. Yi, X. Wang, I. Ounis and C. Macdonald, "Multi-modal Graph Contrastive Learning for Micro-video
Recommendation", SIGIR 2022. One view loses edges (modality edge dropout), the other has one
modality replaced by random vectors (modality masking). A challenging negative is an item with one
modality of another item, so that no modality can be left out of account.

Written from the paper's abstract, accounts of it and the authors' code, without its equations at
hand; no equation numbers are given for that reason. `MMGCL._contrast` says what was decided.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize

from recbole_ext.graphs import interaction_graph, layer_sum
from recbole_ext.item_features import Features, projections
from recbole_ext.losses import bpr_loss, info_nce, squares
from recbole_ext.recommender import Recommender
from recbole_ext.signals import replaced


class Draw(NamedTuple):
    """What a step draws.

    weights: the graph's entries without the dropped edges, (n_edges,) for each signal.
    masked: the modality that is masked. noise: (n_items, d) what stands in its place.
    perturbed: the modality that a challenging negative has from another item.
    """

    weights: list[Tensor]
    masked: int
    noise: Tensor
    perturbed: int


class MMGCL(Recommender):
    """Multi-modal graph contrastive learning.

    Args:
        config: `embedding_size` (d), `n_layers` (L), `edge_dropout`, `ssl_weight`,
            `temperature` (tau), `reg_weight`, `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`; without features only edges are dropped.

    A signal is what flows along one graph: the ID embeddings, then each modality's projection.
    """

    edge_user: Tensor  # (n_interactions,) by user, then by item: the first half of the graph
    edge_item: Tensor
    by_item: Tensor  # (n_interactions,) the same interactions by item, then by user: the second

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dim, self.n_layers = config["embedding_size"], config["n_layers"]
        self.edge_dropout, self.temperature = config["edge_dropout"], config["temperature"]
        self.ssl_weight, self.reg_weight = config["ssl_weight"], config["reg_weight"]
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        self.user_embedding = nn.Embedding(self.n_users, self.dim)
        self.item_embedding = nn.Embedding(self.n_items, self.dim)
        # Without a bias: it would be content of an item that has none.
        self.projection = projections(self.features.dims, self.dim, bias=False)
        width = (1 + len(self.features)) * self.dim
        self.fuse_user, self.fuse_item = projections((width, width), self.dim)
        for table in (self.user_embedding, self.item_embedding):
            nn.init.xavier_uniform_(table.weight)
        self._build_graph(dataset)

    def _build_graph(self, dataset: Any) -> None:
        feat = dataset.inter_feat
        pairs = feat[dataset.uid_field], feat[dataset.iid_field]
        self.graph = interaction_graph(*pairs, self.n_users, self.n_items)
        n = len(self.graph.columns) // 2
        user, item = self.graph.rows[:n], self.graph.columns[:n].long() - self.n_users
        by_item = (item * self.n_users + user).argsort()
        for name, it in (("edge_user", user), ("edge_item", item), ("by_item", by_item)):
            self.register_buffer(name, it, persistent=False)

    def signals(self) -> list[Tensor]:
        """Return the items' side of each signal, (n_items, d)."""
        pairs = zip(self.projection, self.features.matrices(), strict=True)
        return [self.item_embedding.weight, *(layer(matrix) for layer, matrix in pairs)]

    def propagated(self, signals: list[Tensor], weights: Tensor | None = None) -> Tensor:
        """Return the mean over layers of signals on the graph, (n_nodes, n_signals * d).

        Args:
            signals: the items' side of each. weights: the graph's entries; None: as they are.
        """
        users = self.user_embedding.weight.repeat(1, len(signals))
        nodes = torch.cat([users, torch.cat(signals, dim=1)])  # (n_nodes, n_signals * d)
        mean: Tensor = layer_sum(self.graph, nodes, self.n_layers, weights) / (self.n_layers + 1)
        return mean

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and items: their signals side by side, fused."""
        whole = self.propagated(self.signals())
        return self.fuse_user(whole[: self.n_users]), self.fuse_item(whole[self.n_users :])

    def draw(self) -> Draw:
        """Draw the two views of a step; every modality is masked with the same probability."""
        weights = [self._without_dropped_edges() for _ in range(1 + len(self.features))]
        masked, perturbed = torch.randint(max(len(self.features), 1), (2,)).tolist()
        noise = nn.init.xavier_uniform_(torch.empty_like(self.item_embedding.weight))
        return Draw(weights, masked, noise.detach(), perturbed)

    def _without_dropped_edges(self) -> Tensor:
        """Return the entries of the graph, normalised anew; dropped ones are zero."""
        user, item = self.edge_user, self.edge_item
        kept = (torch.rand(len(user), device=user.device) >= self.edge_dropout).float()
        of_users = kept.new_zeros(self.n_users).index_add(0, user, kept).clamp_min(1).rsqrt()
        of_items = kept.new_zeros(self.n_items).index_add(0, item, kept).clamp_min(1).rsqrt()
        weight = kept * of_users[user] * of_items[item]
        return torch.cat([weight, weight[self.by_item]])

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the weighted sum of BPR, contrast and regulariser on views drawn anew."""
        return self.objective(interaction, self.draw())

    def objective(self, interaction: Any, draw: Draw) -> Tensor:
        """Return the loss of a batch under what was drawn."""
        user, item = interaction[self.USER_ID], interaction[self.ITEM_ID]
        other = interaction[self.NEG_ITEM_ID]
        rows = torch.cat([user, item + self.n_users, other + self.n_users])  # (3 n,)
        signals = self.signals()
        u, i, j = embedding(rows, self.propagated(signals)).chunk(3)
        positive, negative = self.fuse_item(torch.cat([i, j])).chunk(2)
        loss = bpr_loss((self.fuse_user(u) * (positive - negative)).sum(1))
        contrast = self._contrast(rows, signals, (u, i), draw)
        pair = self.item_embedding(torch.cat([item, other]))
        regulariser = squares(len(user), self.user_embedding(user), pair)
        total: Tensor = loss + self.ssl_weight * contrast + self.reg_weight * regulariser
        return total

    def _contrast(
        self, rows: Tensor, signals: list[Tensor], whole: tuple[Tensor, Tensor], draw: Draw
    ) -> Tensor:
        """Return the contrast of user and item of each pair, each the anchor once.

        The authors' code contrasts an edge-dropped user with an item of the same view, twice, and
        leaves the challenging negatives out; here the anchor is of the masked view, its positive
        and its negatives of the edge-dropped one, challenging ones among them.

        Args:
            rows: (3 n,) nodes of users, positives, negatives. signals: see `signals`.
            whole: users and positives on the undisturbed graph, (n, n_signals * d) each.
        """
        user, item = self._masked(rows[: 2 * len(whole[0])], whole, draw)
        users, items, others = self._edge_dropped(rows, signals, draw).chunk(3)
        users, candidates = self.fuse_user(users), self.fuse_item(items)
        item_side = info_nce(self.fuse_item(item), users, self.temperature)
        if not len(self.features):
            return item_side + info_nce(self.fuse_user(user), candidates, self.temperature)
        place = 1 + draw.perturbed
        foreign = others[:, place * self.dim : (place + 1) * self.dim]
        hard = self.fuse_item(replaced(items, place, foreign))
        return item_side + hard_info_nce(self.fuse_user(user), candidates, hard, self.temperature)

    def _masked(
        self, rows: Tensor, whole: tuple[Tensor, Tensor], draw: Draw
    ) -> tuple[Tensor, Tensor]:
        """Return users and items with one modality masked, (n, n_signals * d) each.

        Users have no content of their own: theirs is masked because it comes from items.
        """
        if not len(self.features):
            return whole
        noise = draw.noise * self.features.mask(draw.masked)[:, None]
        found = embedding(rows, self.propagated([noise])).chunk(2)  # (n, d) each
        place = 1 + draw.masked
        return replaced(whole[0], place, found[0]), replaced(whole[1], place, found[1])

    def _edge_dropped(self, rows: Tensor, signals: list[Tensor], draw: Draw) -> Tensor:
        """Return nodes on graphs that have each lost edges of their own, (3 n, n_signals * d)."""
        parts = [
            embedding(rows, self.propagated([signal], weights))  # (3 n, d)
            for weights, signal in zip(draw.weights, signals, strict=True)
        ]
        return torch.cat(parts, dim=1)


def hard_info_nce(anchor: Tensor, candidates: Tensor, hard: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE with one negative more for each row, all (n, dim)."""
    anchor, candidates = normalize(anchor), normalize(candidates)
    logits = anchor @ candidates.T / temperature  # (n, n)
    extra = (anchor * normalize(hard)).sum(1) / temperature  # (n,)
    return (torch.logaddexp(logits.logsumexp(1), extra) - logits.diagonal()).mean()
