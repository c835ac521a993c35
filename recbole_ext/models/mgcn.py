"""MGCN: modality features that behaviour has purified, in views of their own, fused by behaviour.

P. Yu, Z. Tan, G. Lu and B.-K. Bao, "Multi-View Graph Convolutional Network for Multimedia
Recommendation", MM 2023. Symbols and the names of the parts are the paper's; W_1 to W_4, b_1 to b_4
and q_1 stand where it has them.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from recbole_ext.graphs import Graph, layer_sum, product
from recbole_ext.item_features import Features, projections
from recbole_ext.item_graphs import item_graph, nearest_neighbours, normalised
from recbole_ext.losses import bpr_loss, info_nce, squares
from recbole_ext.recommender import Recommender
from recbole_ext.subgraphs import interactions_of

ABSENT = -1e4  # the logit of a modality that is not there: finite, and exp of it is 0


class Fuser(nn.Module):
    """The behaviour-aware fuser: rows of Ē_id and of every Ē_m in, rows of E_mul out.

    Args:
        n_modalities: |M|, at least 2; of one alone E_mul is Ē_m itself.
        dim: d.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__()
        self.preference = nn.Linear(dim, n_modalities * dim)  # W_3, b_3 of every modality
        self.attention = nn.Linear(dim, dim)  # W_4, b_4, shared by the modalities
        self.query = nn.Linear(dim, 1, bias=False)  # q_1

    def forward(self, behaviour: Tensor, views: Tensor, present: Tensor) -> Tensor:
        """Return E_mul, (n, d).

        Args:
            behaviour: (n, d). views: (n, |M|, d). present: (n, |M|) bool; a modality that a node
                has not takes no part in the softmax, the common part or the mean.
        """
        logits = self.query(torch.tanh(self.attention(views))).squeeze(2)  # (n, |M|)
        alpha = logits.masked_fill(~present, ABSENT).softmax(1)[:, :, None]
        common = (alpha * views).sum(1)  # E_s, (n, d)
        specific = (views - common[:, None]) * present[:, :, None]  # Ẽ_m, (n, |M|, d)
        preference = torch.sigmoid(self.preference(behaviour)).view_as(specific)  # P_m
        count = present.sum(1, keepdim=True).clamp_min(1)
        # As the paper has it; the authors' code divides the sum of all three parts by three.
        fused: Tensor = common + (preference * specific).sum(1) / count
        return fused


class MGCN(Recommender):
    """Multi-View Graph Convolutional Network over any number of modalities.

    Args:
        config: `embedding_size` (d), `n_layers` (L, of the user-item view), `n_item_layers` (of the
            item-item view), `knn_k` (K), `contrast_weight` (lambda_C), `temperature` (tau),
            `reg_weight` (lambda_E), `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`; without features this is LightGCN.

    Raises:
        ValueError: `knn_k` is not below the number of items that have a modality.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.n_layers, self.n_item_layers = config["n_layers"], config["n_item_layers"]
        self.contrast_weight, self.temperature = config["contrast_weight"], config["temperature"]
        self.reg_weight, self.dim = config["reg_weight"], config["embedding_size"]
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        self._graphs(dataset, config["knn_k"])
        self.embedding = nn.Embedding(self.n_users + self.n_items, self.dim)  # E_id
        vectors = self.embedding.weight.detach()
        nn.init.xavier_uniform_(vectors[: self.n_users])
        nn.init.xavier_uniform_(vectors[self.n_users :])
        dims = self.features.dims
        self.project = projections(dims, self.dim)  # W_1, b_1
        self.gate = projections(tuple(self.dim for _ in dims), self.dim)  # W_2, b_2
        self.fuser = Fuser(len(dims), self.dim) if len(dims) > 1 else None

    def _graphs(self, dataset: Any, k: int) -> None:
        """Make the user-item graph, its upper right part R and the item graph of each modality."""
        n_users, n_items = self.n_users, self.n_items
        found = interactions_of(dataset, n_users, n_items)
        self.graph, self.upper = found.whole, found.upper()
        neighbours, has = [], []
        for place, matrix in enumerate(self.features.matrices()):
            mask, keep = self.features.mask(place), self.features.keep(place)
            edges = nearest_neighbours(matrix.detach(), mask, k, keep)
            neighbours.append(item_graph(edges._replace(value=normalised(edges, n_items)), n_items))
            has.append(torch.bincount(edges.row, minlength=n_items) > 0)
        self.neighbours = nn.ModuleList(neighbours)
        if has:
            items = torch.stack(has, 1)  # (n_items, |M|)
            users = self.upper.product(items.float()) > 0  # of a user: an item's that they chose
            self.register_buffer("present", torch.cat([users, items]), persistent=False)

    def _behaviour(self) -> Tensor:
        """Return Ē_id of the user-item view, (n_users + n_items, d)."""
        total = layer_sum(self.graph, self.embedding.weight, self.n_layers)
        mean: Tensor = total / (self.n_layers + 1)
        return mean

    def _views(self) -> tuple[Tensor, Tensor]:
        """Return Ē_m of users, (n_users, |M| d), and of items, (n_items, |M| d)."""
        behaviour = self.embedding.weight[self.n_users :]  # (n_items, d)
        items = torch.cat([self._view(place, behaviour) for place in range(len(self.features))], 1)
        return product(self.upper, items), items

    def _view(self, place: int, behaviour: Tensor) -> Tensor:
        """Return Ē_m of all items in one modality, (n_items, d)."""
        layer = self.project[place]
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        features = linear(self.features.matrix(place), weight, bias)
        view = behaviour * torch.sigmoid(self.gate[place](features))  # behaviour-guided purifier
        graph = cast(Graph, self.neighbours[place])
        for _ in range(self.n_item_layers):
            view = product(graph, view)  # an item without the modality has no edge: zero
        return view

    def _fused(self, behaviour: Tensor, views: Tensor, rows: Tensor) -> Tensor:
        """Return E_mul of nodes, (n, d), from their rows of Ē_id and of all Ē_m."""
        if self.fuser is None:
            return views
        views = views.view(len(views), -1, self.dim)  # (n, |M|, d)
        fused: Tensor = self.fuser(behaviour, views, self.get_buffer("present")[rows])
        return fused

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and items, Ē_id + E_mul."""
        total = self._behaviour()
        if len(self.features):
            rows = torch.arange(len(total), device=total.device)
            total = total + self._fused(total, torch.cat(self._views()), rows)
        return total[: self.n_users], total[self.n_users :]

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return L_BPR + lambda_C L_C + lambda_E |E|^2 of a batch."""
        user = interaction[self.USER_ID]
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        rows = torch.cat([user, pair + self.n_users])  # (3 n,)
        behaviour = embedding(rows, self._behaviour())  # (3 n, d)
        if not len(self.features):
            return self._ranking_loss(behaviour)
        users, items = self._views()
        views = torch.cat([embedding(user, users), embedding(pair, items)])  # (3 n, |M| d)
        fused = self._fused(behaviour, views, rows)
        parts = zip(fused.chunk(3)[:2], behaviour.chunk(3)[:2], strict=True)
        # The nodes of the batch stand for all users and all items, as in the authors' code.
        contrast = [info_nce(mul, own, self.temperature) for mul, own in parts]
        loss = self._ranking_loss(behaviour + fused)
        result: Tensor = loss + self.contrast_weight * torch.stack(contrast).sum()
        return result

    def _ranking_loss(self, vectors: Tensor) -> Tensor:
        """Return BPR's loss of users, positives and negatives, (3 n, d), with its regulariser."""
        u, i, j = vectors.chunk(3)
        loss = bpr_loss((u * (i - j)).sum(1))
        # Of a batch's final vectors, halved: what the published lambda_E was set for.
        result: Tensor = loss + self.reg_weight * squares(len(u), vectors) / 2
        return result
