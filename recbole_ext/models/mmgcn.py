"""MMGCN: one graph convolution for each modality, so that users get a vector in each of them.

Y. Wei, X. Wang, L. Nie, X. He, R. Hong and T.-S. Chua, "MMGCN: Multi-modal Graph Convolution
Network for Personalized Recommendation of Micro-video", MM 2019. Symbols and equation numbers are
the paper's; what it writes for users holds for items too.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, leaky_relu, linear

from recbole_ext.graphs import Graph, interactions, product
from recbole_ext.item_features import Features, projections
from recbole_ext.losses import bpr_loss, squares
from recbole_ext.recommender import Recommender


class MMGCN(Recommender):
    """Multi-modal Graph Convolution Network over any number of modalities.

    Args:
        config: `embedding_size` (of every layer and of the id embeddings), `latent_size` (of the
            user's u_m and of the projected i_m), `n_layers` (L), `combination` (element or
            concat), `reg_weight` (lambda of the vectors a batch touches), `feature_norm`,
            `trainable_features`.
        dataset: a `MultimodalDataset`, the training part.

    An item without a modality starts it with i_m = 0. As in the equations, no layer has a bias, a
    message is the mean of the neighbours, and u_m and i_m come in as they are; published code has
    biases, brings u_m and i_m to length one and takes the mean over the modalities, not their sum.

    Raises:
        ValueError: the dataset has no modality.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        if not len(self.features):
            raise ValueError("MMGCN needs at least one modality of item features")
        self.reg_weight = config["reg_weight"]
        self.n_nodes = self.n_users + self.n_items
        pairs = dataset.inter_feat[dataset.uid_field], dataset.inter_feat[dataset.iid_field]
        self.graph = mean_graph(*pairs, self.n_users, self.n_items)
        self.id_embedding = nn.Embedding(self.n_nodes, config["embedding_size"])
        nn.init.xavier_normal_(self.id_embedding.weight)
        self.channels = nn.ModuleList(
            Channel(dim, self.n_users, config) for dim in self.features.dims
        )

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and items: the sum over the modalities."""
        nodes = self._nodes()
        return nodes[: self.n_users], nodes[self.n_users :]

    def _nodes(self, rows: Tensor | None = None) -> Tensor:
        """Return the vectors of some nodes or of all, (n, dim)."""
        ids, matrices = self.id_embedding.weight, self.features.matrices()
        found = [
            channel(self.graph, features, ids, rows)
            for channel, features in zip(self.channels, matrices, strict=True)
        ]
        return torch.stack(found).sum(0)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return BPR's loss with its regulariser."""
        user = interaction[self.USER_ID]
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        rows = torch.cat([user, pair + self.n_users])  # (3 n,)
        u, i, j = self._nodes(rows).chunk(3)  # (n, dim) each
        loss = bpr_loss((u * (i - j)).sum(1))
        if self.reg_weight:
            preferences = [embedding(user, each.get_parameter("u_m")) for each in self.channels]
            touched = squares(len(user), self.id_embedding(rows), *preferences)
            loss = loss + self.reg_weight * touched
        return loss


class Channel(nn.Module):
    """The graph convolution of one modality.

    Args:
        dim: of the modality's features.
        n_users: number of users, padding included.
        config: as of `MMGCN`.
    """

    def __init__(self, dim: int, n_users: int, config: Any) -> None:
        super().__init__()
        size, latent = config["embedding_size"], config["latent_size"]
        dims = (latent, *[size] * (config["n_layers"] - 1))
        self.concat = config["combination"] == "concat"
        # Published implementations hold u_m as a plain tensor, which no optimiser sees.
        self.u_m = nn.Parameter(nn.init.xavier_normal_(torch.empty(n_users, latent)))
        self.projection = projections((dim,), latent, bias=False)[0]
        self.W_1 = projections(dims, size, bias=False)
        self.W_2 = projections(dims, size, bias=False)
        self.W_3 = projections((size * (1 + self.concat),) * len(dims), size, bias=False)

    def forward(self, graph: Graph, features: Tensor, ids: Tensor, rows: Tensor | None) -> Tensor:
        """Return the vectors of some nodes or of all after the last layer, (n, size).

        Args:
            features: (n_items, dim). ids: (n_nodes, size). rows: (n,) nodes, None for all.
        """
        last = len(self.W_1) - 1
        message, own = self._first(features)  # W_1 and W_2 of all nodes, (n_nodes, size)
        for layer in range(last):
            x = self._combined(layer, leaky_relu(product(graph, message)), own, ids)
            message = self.W_1[layer + 1](x)
            # Nothing reads the last layer but the loss: its nodes alone are combined.
            kept = embedding(rows, x) if rows is not None and layer + 1 == last else x
            own = self.W_2[layer + 1](kept)
        h = leaky_relu(product(graph, message))  # equation 2
        if rows is None:
            return self._combined(last, h, own, ids)
        own = embedding(rows, own) if not last else own
        return self._combined(last, embedding(rows, h), own, embedding(rows, ids))

    def _first(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return W_1 x and W_2 x of the first layer's x, u_m and the projected i_m."""
        weights: list[Tensor] = [
            layers[0].get_parameter("weight") for layers in (self.W_1, self.W_2)
        ]
        # The small product first: the features are read once, at the width of the layer.
        direct = torch.cat(weights) @ self.projection.get_parameter("weight")  # (2 size, dim)
        items = linear(features, direct).chunk(2, dim=1)  # (n_items, size) each
        users = [linear(self.u_m, weight) for weight in weights]  # (n_users, size) each
        message, own = (torch.cat(pair) for pair in zip(users, items, strict=True))
        return message, own

    def _combined(self, layer: int, h: Tensor, own: Tensor, ids: Tensor) -> Tensor:
        """Return the combination of h_m, W_2 u_m and u_id, (n, size)."""
        hat = leaky_relu(own) + ids  # equation 5
        w_3 = self.W_3[layer]
        if self.concat:
            return leaky_relu(w_3(torch.cat([h, hat], dim=1)))  # equation 6
        return leaky_relu(w_3(h) + hat)  # equation 7


def mean_graph(user: Tensor, item: Tensor, n_users: int, n_items: int) -> Graph:
    """Return D^-1 A of the user-item graph, items after the users: a product is a mean."""
    left, right = interactions(user, item, n_items)
    right = right + n_users
    row, column = torch.cat([left, right]), torch.cat([right, left])
    n_nodes = n_users + n_items
    weight = torch.bincount(row, minlength=n_nodes)[row].double().reciprocal()
    return Graph(row, column, weight, (n_nodes, n_nodes))
