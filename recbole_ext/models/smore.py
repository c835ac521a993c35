"""SMORE: modalities are cleaned and fused in the frequency domain.

R. K. Ong and A. W. H. Khong, "Spectrum-based Modality Representation Fusion Graph Convolutional
Network for Multimodal Recommendation", WSDM 2025. Its views are those of the modalities and, last,
that of their fusion. Where the paper leaves a shape or a scale open, the authors' code decides.
"""

from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.fft import irfft, rfft
from torch.nn.functional import dropout, embedding, linear

from recbole_ext.graphs import layer_sum, product
from recbole_ext.item_features import Features, projections
from recbole_ext.item_graphs import Edges, item_graph, nearest_neighbours, normalised
from recbole_ext.losses import bpr_loss, info_nce, squares
from recbole_ext.recommender import Recommender
from recbole_ext.subgraphs import interactions_of


class SMORE(Recommender):
    """Spectrum fusion, item graphs for every view, and preferences for the views.

    Args:
        config: `embedding_size`, `n_layers` (of LightGCN), `n_item_layers` (of the item graphs),
            `knn_k` (K), `dropout` (of the preferences), `cl_weight` (lambda_1), `temperature`
            (tau), `reg_weight` (lambda_2), `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`; with one modality the fusion is of that one.

    Raises:
        ValueError: there are no features, or a modality has no more than `knn_k` items.

    An item without a modality is not in its graph, and in the fusion it counts as the 1 of a
    product of spectra.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.n_layers, self.n_item_layers = config["n_layers"], config["n_item_layers"]
        self.dropout, self.temperature = config["dropout"], config["temperature"]
        self.cl_weight, self.reg_weight = config["cl_weight"], config["reg_weight"]
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        if not len(self.features):
            raise ValueError("SMORE needs at least one modality of item features")
        self._hold_graphs(dataset, config["knn_k"])
        self._hold_parameters(config["embedding_size"])

    def _hold_graphs(self, dataset: Any, k: int) -> None:
        found = interactions_of(dataset, self.n_users, self.n_items)
        self.graph, self.R = found.whole, found.upper()
        parts = []
        for m, matrix in enumerate(self.features.matrices()):
            mask, keep = self.features.mask(m), self.features.keep(m)
            edges = nearest_neighbours(matrix.detach(), mask, k, keep)
            parts.append(edges._replace(value=normalised(edges, self.n_items)))
        parts.append(largest(parts, self.n_items))
        self.item_graphs = nn.ModuleList(item_graph(edges, self.n_items) for edges in parts)

    def _hold_parameters(self, dim: int) -> None:
        n_modalities, n_views = len(self.features), len(self.features) + 1
        self.user_embedding = nn.Embedding(self.n_users, dim)
        self.item_embedding = nn.Embedding(self.n_items, dim)
        for table in (self.user_embedding, self.item_embedding):
            nn.init.xavier_uniform_(table.weight)
        self.W = projections(self.features.dims, dim)
        frequencies = dim // 2 + 1
        # Real and imaginary parts of each view's filter: parameters of complex numbers are rare.
        self.filters = nn.Parameter(torch.randn(n_views, frequencies, 2))
        self.gates = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n_views))
        self.preferences = nn.ModuleList(nn.Linear(dim, dim) for _ in range(n_views))
        self.attention = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim, bias=False))
            for _ in range(n_modalities)
        )

    def spectrum_fusion(self) -> list[Tensor]:
        """Return the filtered features of every modality and their fusion, (n_items, dim) each."""
        dim = self.item_embedding.embedding_dim
        filters = torch.view_as_complex(self.filters)  # (n_views, frequencies)
        spectra, factors = [], []
        for m, layer in enumerate(self.W):
            real = self.features.mask(m)[:, None]
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            projected = linear(self.features.matrix(m), weight, bias).float() * real
            spectra.append(rfft(projected, dim=1, norm="ortho"))  # (n_items, frequencies)
            factors.append(torch.where(real, spectra[m], 1))
        some = torch.stack([self.features.mask(m) for m in range(len(spectra))]).any(0)
        spectra.append(reduce(torch.mul, factors) * some[:, None])
        filtered = [spectrum * c for spectrum, c in zip(spectra, filters, strict=True)]
        return [irfft(each, n=dim, dim=1, norm="ortho") for each in filtered]

    def _views(self) -> tuple[Tensor, Tensor]:
        """Return the views of users and items, (n_users or n_items, n_views * dim)."""
        x = self.item_embedding.weight
        views = []
        for v, spectrum in enumerate(self.spectrum_fusion()):
            h = x * self.gates[v](spectrum).sigmoid()
            for _ in range(self.n_item_layers):
                h = product(self.item_graphs[v], h)  # type: ignore[arg-type]
            views.append(h)
        items = torch.cat(views, dim=1)  # (n_items, n_views * dim)
        return product(self.R, items), items

    def _behaviour(self) -> Tensor:
        """Return the vectors of LightGCN, (n_users + n_items, dim)."""
        nodes = torch.cat([self.user_embedding.weight, self.item_embedding.weight])
        mean: Tensor = layer_sum(self.graph, nodes, self.n_layers) / (self.n_layers + 1)
        return mean

    def preferred(self, behaviour: Tensor, views: Tensor) -> Tensor:
        """Return what the views add to some nodes: the mean, each weighed by preference.

        Args:
            behaviour: (n, dim). views: (n, n_views * dim).
        """
        *modalities, fusion = views.chunk(len(self.gates), dim=1)  # (n, dim) each
        # The authors weigh dimensions: their softmax runs over the vector, not over modalities.
        parts = [
            query(fusion).softmax(1) * view
            for query, view in zip(self.attention, modalities, strict=True)
        ]
        total = torch.zeros_like(behaviour)
        for layer, part in zip(self.preferences, [*parts, fusion], strict=True):
            preference: Tensor = layer(behaviour).sigmoid()
            total = total + dropout(preference, self.dropout, self.training) * part
        return total / len(self.gates)

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users, (n_users, dim), and items, (n_items, dim)."""
        behaviour = self._behaviour()
        nodes = behaviour + self.preferred(behaviour, torch.cat(self._views()))
        return nodes[: self.n_users], nodes[self.n_users :]

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return BPR's loss plus lambda_1 times InfoNCE between what views add and behaviour."""
        user = interaction[self.USER_ID]
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])  # (2 n,)
        of_users, of_items = self._views()
        views = torch.cat([embedding(user, of_users), embedding(pair, of_items)])
        rows = torch.cat([user, pair + self.n_users])  # (3 n,)
        behaviour = embedding(rows, self._behaviour())
        side = self.preferred(behaviour, views)  # of the batch's nodes only
        u, i, j = (behaviour + side).chunk(3)  # (n, dim)
        loss = bpr_loss((u * (i - j)).sum(1))
        if self.cl_weight:
            pairs = list(zip(side.chunk(3), behaviour.chunk(3), strict=True))[:2]
            contrast = [info_nce(one, other, self.temperature) for one, other in pairs]
            loss = loss + self.cl_weight * torch.stack(contrast).sum()
        regulariser: Tensor = self.reg_weight / 2 * squares(len(user), u, i, j)
        return loss + regulariser


def largest(parts: list[Edges], n_items: int) -> Edges:
    """Return the largest entry of several matrices at every place (max-pooling)."""
    keys = torch.cat([edges.row * n_items + edges.column for edges in parts])
    values = torch.cat([edges.value for edges in parts])  # all positive
    distinct, place = torch.unique(keys, return_inverse=True)
    most = values.new_zeros(len(distinct)).scatter_reduce(0, place, values, "amax")
    return Edges(distinct // n_items, distinct % n_items, most)
