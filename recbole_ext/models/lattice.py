"""LATTICE: a graph of similar items that is learned together with the vectors.

J. Zhang, Y. Zhu, Q. Liu, S. Wu, S. Wang and L. Wang, "Mining Latent Structures for Multimedia
Recommendation", MM 2021. Symbols and equation numbers are the paper's: e_i^m the features of
modality m, S~^m their frozen graph, A~^m the graph of the transformed features, lambda the share of
the frozen one, alpha_m the modality's share, A the latent structure.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, normalize

from recbole_ext.graphs import Graph, edge_products, interaction_graph, layer_sum, product
from recbole_ext.item_features import Features, projections
from recbole_ext.item_graphs import Edges, combined, item_graph, nearest_neighbours, normalised
from recbole_ext.losses import bpr_loss, squares
from recbole_ext.recommender import Recommender


class LATTICE(Recommender):
    """LightGCN plus a convolution over the latent item-item structure.

    Args:
        config: `embedding_size`, `feature_size` (d' of the transformed features), `n_layers` (of
            LightGCN), `n_item_layers` (L), `knn_k` (k), `skip_weight` (lambda), `reg_weight`,
            `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`.

    Raises:
        ValueError: there are no features, or a modality has no more than `knn_k` items.

    As in the authors' code, the first step of an epoch builds A with a gradient, which is where
    W_m, b_m and the modalities' shares learn; the other steps take that A as it is. A ranking
    builds A anew. An item without a modality is in neither graph of it. Each modality's graphs are
    normalised before they are added up, as in the paper; published code adds the learned ones up
    and normalises their sum.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.n_layers, self.n_item_layers = config["n_layers"], config["n_item_layers"]
        self.knn_k, self.skip_weight = config["knn_k"], config["skip_weight"]
        self.reg_weight = config["reg_weight"]
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        if not len(self.features):
            raise ValueError("LATTICE needs at least one modality of item features")
        places = range(len(self.features))
        self.S = nn.ModuleList(item_graph(self._frozen(m), self.n_items) for m in places)
        self.W = projections(self.features.dims, config["feature_size"])
        self.modality_weight = nn.Parameter(torch.zeros(len(places)))  # alpha before its softmax
        self.item_graph: Graph | None = None  # A of this epoch; none: the next step builds it
        feat = dataset.inter_feat
        pairs = feat[dataset.uid_field], feat[dataset.iid_field]
        # The paper names LightGCN, whose D^-1/2 A D^-1/2 this is; its code has D^-1 (A + I).
        self.graph = interaction_graph(*pairs, self.n_users, self.n_items)
        self.user_embedding = nn.Embedding(self.n_users, config["embedding_size"])
        self.item_embedding = nn.Embedding(self.n_items, config["embedding_size"])
        for table in (self.user_embedding, self.item_embedding):
            nn.init.xavier_uniform_(table.weight)

    def _frozen(self, m: int) -> Edges:
        """Return S~^m (equations 1 to 3)."""
        matrix = self.features.matrix(m).detach()
        edges = nearest_neighbours(matrix, self.features.mask(m), self.knn_k, self.features.keep(m))
        return edges._replace(value=normalised(edges, self.n_items))

    def new_epoch(self) -> None:
        """Let the next step build A."""
        self.item_graph = None

    def latent_structure(self) -> tuple[Graph, Tensor]:
        """Return A (equations 4 to 6) and its entries, (n_edges,), which have a gradient."""
        alpha = self.modality_weight.softmax(0)
        parts = []
        for m, layer in enumerate(self.W):
            transformed = layer(self.features.matrix(m)).float()  # (n_items, d')
            learned = learned_graph(transformed, self.features.mask(m), self.knn_k)
            kept = alpha[m] * self.skip_weight
            parts.append((1.0, _scaled(entries(self.S.get_submodule(str(m))), kept)))
            parts.append((1.0, _scaled(learned, alpha[m] - kept)))
        whole = combined(parts, self.n_items)
        held = whole._replace(value=whole.value.detach())
        return item_graph(held, self.n_items), whole.value

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users, (n_users, dim), and items, (n_items, dim)."""
        total, h = self._propagated(*self.latent_structure())
        users, items = (total / (self.n_layers + 1)).split([self.n_users, self.n_items])
        return users, items + normalize(h)

    def _propagated(self, item_graph: Graph, values: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the sum of LightGCN's layers, (n_nodes, dim), and h^(L) (equation 7)."""
        h = self.item_embedding.weight  # (n_items, dim)
        nodes = torch.cat([self.user_embedding.weight, h])
        for _ in range(self.n_item_layers):
            h = product(item_graph, h, values)
        return layer_sum(self.graph, nodes, self.n_layers), h

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return BPR's loss (equation 10); the squares are of the vectors that meet in it."""
        user = interaction[self.USER_ID]
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])  # (2 n,)
        values = None
        if self.item_graph is None:
            self.item_graph, values = self.latent_structure()
        total, h = self._propagated(self.item_graph, values)
        rows = torch.cat([user, pair + self.n_users])
        parts = (embedding(rows, total) / (self.n_layers + 1)).split([len(user), len(pair)])
        items = parts[1] + normalize(embedding(pair, h))  # equation 8
        x_u, (x_i, x_j) = parts[0], items.chunk(2)  # (n, dim)
        loss = bpr_loss((x_u * (x_i - x_j)).sum(1))
        if self.reg_weight:
            loss = loss + self.reg_weight / 2 * squares(len(user), x_u, x_i, x_j)
        return loss


def learned_graph(matrix: Tensor, mask: Tensor, k: int) -> Edges:
    """Return the normalised graph of the k nearest neighbours, differentiable in the features.

    Which items are neighbours has no gradient; how similar they are has one.

    Args:
        matrix: (n_items, dim). mask: (n_items,) which items have features. k: at least 1.

    Raises:
        ValueError: k is not below the number of items that have features.
    """
    graph = item_graph(nearest_neighbours(matrix.detach(), mask, k), len(matrix))
    cosines: Tensor = _Similarities.apply(normalize(matrix), graph)  # type: ignore[no-untyped-call]
    edges = entries(graph)._replace(value=cosines)
    return edges._replace(value=normalised(edges, len(matrix)))


def entries(graph: Any) -> Edges:
    """Return the entries of a `Graph`, in its order."""
    return Edges(graph.rows, graph.columns.long(), graph.weights)


def _scaled(edges: Edges, weight: Tensor) -> Edges:
    return edges._replace(value=edges.value * weight)


class _Similarities(torch.autograd.Function):
    """x[row] · x[column] of every entry; nothing of (n_edges, dim) is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, graph: Graph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(x)
        return edge_products(graph, x, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        towards = ctx.graph.product(x, gradient)
        return towards.add_(ctx.graph.transposed_product(x, gradient)), None
