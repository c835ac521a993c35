"""PGL: training on the principal part of the user-item graph, ranking on all of it.

P. Yu, Z. Tan, G. Lu and B.-K. Bao, "Mind Individual Information! Principal Graph Learning for
Multimedia Recommendation", AAAI 2025. Symbols are the paper's: Ã the normalised user-item graph, S
the item graph, d the singular values that are computed, p the share of edges that are drawn,
epsilon the least entry that is kept, rho the share of numbers that a view of the self-supervised
task lacks, tau its temperature.
"""

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds
from torch import Tensor, nn
from torch.nn.functional import dropout, embedding, linear, normalize

from recbole_ext.graphs import Graph, layer_sum, product
from recbole_ext.item_features import Features, projections
from recbole_ext.item_graphs import Edges, common_graph, given_graph, item_graph, shares
from recbole_ext.losses import bpr_loss, info_nce
from recbole_ext.recommender import Recommender
from recbole_ext.subgraphs import interactions_of

BLOCK = 2**24  # entries of a reconstructed matrix held at once: 64 MiB


class PGL(Recommender):
    """Principal Graph Learning over any number of modalities.

    Args:
        config: `embedding_size` (of each modality), `n_layers` (user-item), `n_item_layers`,
            `knn_k`, `image_weight`, `subgraph` (local or global), `kept_share` (p), `svd_rank` and
            `svd_share`, `svd_threshold` (epsilon), `contrast_weight`, `temperature` (tau),
            `dropout` (rho), `feature_norm`, `trainable_features`.
        dataset: a `MultimodalDataset`. An item graph that it was given stands in for S.

    Raises:
        ValueError: no modality; `knn_k` or `svd_rank` is too large for the data.

    Items have no vector of their own: one without any modality has what its users bring, and
    nothing where it has none.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.features = Features(dataset, config["feature_norm"], config["trainable_features"])
        if not len(self.features):
            raise ValueError("PGL needs at least one modality of item features")
        self.n_layers, self.n_item_layers = config["n_layers"], config["n_item_layers"]
        self.kept_share, self.local = config["kept_share"], config["subgraph"] == "local"
        self.contrast_weight, self.temperature = config["contrast_weight"], config["temperature"]
        self.dropout = config["dropout"]
        self._hold_graphs(config, dataset)
        dim, dims = config["embedding_size"], self.features.dims
        self.user_embedding = nn.Embedding(self.n_users, dim * len(dims))
        for part in torch.split(self.user_embedding.weight.detach(), dim, dim=1):
            nn.init.xavier_uniform_(part)
        self.project = projections(dims, dim)

    def _hold_graphs(self, config: Any, dataset: Any) -> None:
        edges = given_graph(dataset)
        if edges is None:
            weights = shares(self.features.modalities, config["image_weight"])
            edges = common_graph(self.features.parts(), weights, config["knn_k"])
        self.item_graph = item_graph(edges, self.n_items)  # S
        found = self.interactions = interactions_of(dataset, self.n_users, self.n_items)
        self.graph = found.whole  # Ã
        if not self.local:
            entries = Edges(found.user, found.item, found.weight)
            self.graph = global_graph(entries, found.size, config)

    def new_epoch(self) -> None:
        """Draw the local-aware sub-graph: a share p of the edges, in proportion to Ã's entries."""
        if self.local:
            self.graph = self.interactions.drawn(int(len(self.interactions) * self.kept_share))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return the vectors of all users and items on the whole graph, as the paper infers."""
        total, latent = self._propagated(self.interactions.whole)
        users, items = (total / (self.n_layers + 1)).split([self.n_users, self.n_items])
        return users, items + latent

    def _items(self) -> Tensor:
        """Return what items start from, (n_items, |M| dim): their modalities side by side."""
        parts = []
        for place, layer in enumerate(self.project):
            matrix, weight = self.features.matrix(place), layer.get_parameter("weight")
            unit = normalize(linear(matrix, weight, layer.get_parameter("bias")))
            # Without the mask the bias would be content that the item has not.
            parts.append(unit * self.features.mask(place)[:, None])
        return torch.cat(parts, 1)

    def _propagated(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return the sum of the user-item layers, (n_nodes, |M| dim), and the items' latent part.

        The latent part is S^n e_i, (n_items, |M| dim).
        """
        latent = self._items()
        nodes = torch.cat([self.user_embedding.weight, latent])
        for _ in range(self.n_item_layers):
            latent = product(self.item_graph, latent)
        return layer_sum(graph, nodes, self.n_layers), latent

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return BPR's loss on the principal sub-graph plus the self-supervised one."""
        user = interaction[self.USER_ID]
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])  # (2 n,)
        total, latent = self._propagated(self.graph)
        rows = torch.cat([user, pair + self.n_users])
        parts = (embedding(rows, total) / (self.n_layers + 1)).split([len(user), len(pair)])
        u, (i, j) = parts[0], (parts[1] + embedding(pair, latent)).chunk(2)
        loss = bpr_loss((u * (i - j)).sum(1))
        if self.contrast_weight:
            # Of users and items the mean, as in the authors' code; the default is of their logs.
            alike = (self._alignment(u) + self._alignment(i)) / 2
            loss = loss + self.contrast_weight * alike
        return loss

    def _alignment(self, vectors: Tensor) -> Tensor:
        """Return InfoNCE between two views of a batch's vectors, a share rho of each hidden."""
        views = [dropout(vectors, self.dropout) for _ in range(2)]
        return info_nce(views[0], views[1], self.temperature)


def global_graph(entries: Edges, size: tuple[int, int], config: Any) -> Graph:
    """Return the global-aware sub-graph: Ã of some of its singular values, small entries dropped.

    Args:
        entries: R, the upper right part of Ã. size: numbers of users and items.
        config: `svd_rank`, `svd_share`, `svd_threshold`.

    Raises:
        ValueError: so many singular values cannot be computed.
    """
    users, items, value = principal_entries(
        entries, size, config["svd_rank"], config["svd_share"], config["svd_threshold"]
    )
    row, column = torch.cat([users, items + size[0]]), torch.cat([items + size[0], users])
    n_nodes = sum(size)
    return Graph(row, column, torch.cat([value, value]), (n_nodes, n_nodes), symmetric=True)


def principal_entries(
    entries: Edges, size: tuple[int, int], rank: int, share: float, threshold: float
) -> Edges:
    """Return the entries of at least a threshold of R's reconstruction from some singular values.

    Those values are the largest and the smallest of the `rank` largest, a share of them each: what
    all users have in common and what is individual. (The paper cuts between them; its code
    multiplies the largest by the smallest instead.) The singular values of Ã are R's, each twice.

    Rows are reconstructed in blocks. Of n users and m items at most rank / threshold^2 entries are
    left, however large n and m are, as no singular value is above 1.
    """
    least = min(size)
    if rank >= least:
        raise ValueError(
            f"{rank} singular values cannot be computed of {size[0]} users and {size[1]} items: "
            f"set svd_rank below {least}"
        )
    places = entries.row.numpy(), entries.column.numpy()
    matrix = csr_matrix((entries.value.double().numpy(), places), size)
    start = np.random.default_rng(0).standard_normal(least)  # the same data, the same graph
    left, sigma, right = svds(matrix, k=rank, v0=start)
    order, count = np.argsort(-sigma), max(round(rank * share), 1)
    kept = np.unique(np.concatenate([order[:count], order[-count:]]))
    scaled = torch.from_numpy(np.ascontiguousarray(left[:, kept] * sigma[kept])).float()
    transposed = torch.from_numpy(np.ascontiguousarray(right[kept])).float()  # (n_kept, n_items)
    found, step = [], max(BLOCK // size[1], 1)
    for begin in range(0, size[0], step):
        block = scaled[begin : begin + step] @ transposed  # (step, n_items)
        row, column = (block.abs() >= threshold).nonzero(as_tuple=True)
        found.append(Edges(row + begin, column, block[row, column]))
    return Edges(*(torch.cat(parts) for parts in zip(*found, strict=True)))
