"""SLMRec: a graph encoder for each modality, and a self-supervised task between them.

Z. Tao, X. Liu, Y. Xia, X. Wang, L. Yang, X. Huang and T.-S. Chua, "Self-supervised Learning for
Multimedia Recommendation", IEEE Transactions on Multimedia 2022. The tasks are feature dropout
(FD), feature masking (FM) and fine and coarse spaces (FAC); one hyper-parameter chooses.

Written from the paper's abstract and the behaviour of the authors' code, without its equations at
hand; no equation numbers are given for that reason.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from recbole_ext.graphs import interaction_graph, layer_sum
from recbole_ext.item_features import Features, projections
from recbole_ext.losses import info_nce
from recbole_ext.recommender import Recommender
from recbole_ext.signals import replaced


class SLMRec(Recommender):
    """Self-supervised learning for multimedia recommendation.

    Args:
        config: `embedding_size` (d), `n_layers`, `temperature` (of the main loss), `ssl_task`,
            `ssl_weight` (alpha), `ssl_temperature` (tau), `feature_dropout` (of FD),
            `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`; without features FAC has no task and FM is refused.

    Raises:
        ValueError: FM without features.

    A signal is what flows along one graph: the ID embeddings, then each modality's projection.

    The main loss compares by cosine while scores are products, as in the authors' code: how long
    an item's vector is counts in the ranking, and no loss here has a say in it.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.dim, self.n_layers = config["embedding_size"], config["n_layers"]
        self.temperature, self.ssl_temperature = config["temperature"], config["ssl_temperature"]
        self.ssl_task, self.ssl_weight = config["ssl_task"], config["ssl_weight"]
        self.feature_dropout = config["feature_dropout"]
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        if self.ssl_task == "FM" and not len(self.features):
            raise ValueError("ssl_task FM needs at least one modality of item features: choose FD")
        feat = dataset.inter_feat
        pairs = feat[dataset.uid_field], feat[dataset.iid_field]
        self.graph = interaction_graph(*pairs, self.n_users, self.n_items)
        self.user_embedding = nn.Embedding(self.n_users, self.dim)
        self.item_embedding = nn.Embedding(self.n_items, self.dim)
        for table in (self.user_embedding, self.item_embedding):
            nn.init.xavier_uniform_(table.weight)
        self._build_layers()

    def _build_layers(self) -> None:
        n, dim = len(self.features), self.dim
        # Without a bias: it would be content of an item that has none.
        self.projection = projections(self.features.dims, dim, bias=False)
        self.fuse_user, self.fuse_item = projections(((1 + n) * dim, (1 + n) * dim), dim)
        if self.ssl_task == "FAC":
            # Each modality meets those before it in a space of their own; the last is coarser.
            spaces = [dim] * (n - 1) + [max(dim // 2, 1) if n > 1 else dim] * bool(n)
            self.joint = nn.ModuleList(projections((dim,), space)[0] for space in spaces)
            self.single = nn.ModuleList(projections((dim,), space)[0] for space in spaces)

    def signals(self) -> Tensor:
        """Return the items' side of all signals, (n_items, n_signals * d)."""
        pairs = zip(self.projection, self.features.matrices(), strict=True)
        content = [layer(matrix) for layer, matrix in pairs]
        return torch.cat([self.item_embedding.weight, *content], dim=1)

    def propagated(self, signals: Tensor) -> Tensor:
        """Return the mean over layers of signals on the graph, (n_nodes, n_signals * d)."""
        users = self.user_embedding.weight.repeat(1, signals.shape[1] // self.dim)
        nodes = torch.cat([users, signals])  # (n_nodes, n_signals * d)
        mean: Tensor = layer_sum(self.graph, nodes, self.n_layers) / (self.n_layers + 1)
        return mean

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and items: their signals side by side, fused."""
        whole = self.propagated(self.signals())
        return self.fuse_user(whole[: self.n_users]), self.fuse_item(whole[self.n_users :])

    def draw(self) -> Tensor | None:
        """Draw two views of a step.

        FD: (2, n_items, n_signals * d) factors, those of the dropped numbers zero. FM: (2,) the
        signals that are masked, never the same. FAC draws nothing.
        """
        n, device = 1 + len(self.features), self.item_embedding.weight.device
        if self.ssl_task == "FD":
            kept = torch.rand((2, self.n_items, n * self.dim), device=device)
            factors: Tensor = (kept >= self.feature_dropout).float() / (1 - self.feature_dropout)
            return factors
        return torch.randperm(n)[:2] if self.ssl_task == "FM" else None

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the main loss + alpha times the self-supervised one, on views drawn anew."""
        return self.objective(interaction, self.draw())

    def objective(self, interaction: Any, draw: Tensor | None) -> Tensor:
        """Return the loss of a batch under what was drawn; no negatives are read.

        The main loss is InfoNCE of users and their items, as the authors train; others' items of
        the batch are the negatives.
        """
        user, item = interaction[self.USER_ID], interaction[self.ITEM_ID]
        rows = torch.cat([user, item + self.n_users])  # (2 n,)
        signals = self.signals()
        users, items = self._view(rows, signals)
        main = info_nce(self.fuse_user(users), self.fuse_item(items), self.temperature)
        if draw is None:
            task = self._fine_and_coarse(items)
        elif self.ssl_task == "FD":
            task = self._contrast([self._view(rows, signals * factor) for factor in draw])
        else:
            task = self._contrast(self._masked(rows, (users, items), draw))
        total: Tensor = main + self.ssl_weight * task
        return total

    def _view(self, rows: Tensor, signals: Tensor) -> tuple[Tensor, Tensor]:
        """Return users and items of a batch, (n, n_signals * d) each."""
        users, items = embedding(rows, self.propagated(signals)).chunk(2)
        return users, items

    def _fine_and_coarse(self, items: Tensor) -> Tensor:
        """Return the contrast of each modality with those before it, the ID embeddings first.

        The cosine, as in the other tasks; the authors' code takes the plain product here.
        """
        first, *others = torch.split(items, self.dim, dim=1)  # (n, d) each
        total = first.new_zeros(())
        for joint, single, other in zip(self.joint, self.single, others, strict=True):
            first = joint(first)
            total = total + info_nce(first, single(other), self.ssl_temperature)
        return total

    def _masked(
        self, rows: Tensor, whole: tuple[Tensor, Tensor], draw: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Return users and items of two views; items have nothing of the masked signal."""
        nothing = torch.zeros_like(self.item_embedding.weight)
        found = self._view(rows, nothing)  # (n, d) each
        return [
            (replaced(whole[0], place, found[0]), replaced(whole[1], place, found[1]))
            for place in draw.tolist()
        ]

    def _contrast(self, views: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the contrast of two views of the users plus that of the items."""
        (users, items), (other_users, other_items) = views
        of_users = self.fuse_user(users), self.fuse_user(other_users)
        of_items = self.fuse_item(items), self.fuse_item(other_items)
        tau = self.ssl_temperature
        return info_nce(*of_users, tau) + info_nce(*of_items, tau)
