"""Item-item graphs: the k nearest neighbours in a feature space, never as an n x n matrix."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole_ext.graphs import Graph
from recbole_ext.item_rows import Matrix, Part, real_rows
from recbole_ext.sharing import Share, kept
from recbole_ext.topk import best

IMAGE = "image"  # the modality that `image_weight` speaks of
SCORES = 2**25  # similarities held at once: 128 MiB
SCHEME = 1  # to be raised when neighbours change: it is part of the key they are kept by
LEAST_KEPT = 2**33  # products of a search: one of fewer, half a second, is sooner repeated
NEIGHBOUR = np.dtype([("column", np.int64), ("value", np.float32)])


class Edges(NamedTuple):
    """Entries of a sparse (n_items, n_items) matrix, (n_edges,) each."""

    row: Tensor
    column: Tensor
    value: Tensor


@torch.no_grad()
def nearest_neighbours(matrix: Tensor, mask: Tensor, k: int, keep: Share | None = None) -> Edges:
    """Return the k items of largest positive cosine of every item, itself among them.

    Negative and zero similarities are no neighbours; an item without features has none and is
    nobody's. Of equal similarities the item that comes first counts. Chunks of
    rows keep memory linear in the number of items.

    Args:
        matrix: (n_items, dim). mask: (n_items,) which items have features. k: at least 1.
        keep: keeps what is made of this matrix and mask, see `Features.keep`; what a long search
            found is found there by the next.

    Raises:
        ValueError: k is not below the number of items that have features.
    """
    items = real_rows(Matrix(matrix, mask)).nonzero().squeeze(1)  # (n,)
    if len(items) and k >= len(items):
        raise ValueError(
            f"{k} neighbours cannot be found among {len(items)} items with features: "
            "set the number of neighbours (knn_k) lower"
        )
    if not len(items):
        return Edges(items, items, matrix.new_zeros(0))
    if keep is not None and len(items) ** 2 * matrix.shape[1] >= LEAST_KEPT:
        value, place = _found(matrix, items, k, keep)
    else:
        found = list(_search(matrix, items, k))
        value, place = (torch.cat(each) for each in zip(*found, strict=True))
    row, column, values = items.repeat_interleave(k), items[place.view(-1)], value.view(-1)
    positive = values > 0
    return Edges(row[positive], column[positive], values[positive])


def _search(matrix: Tensor, items: Tensor, k: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the k largest cosines of some items after others, (m, k), and with which of `items`."""
    unit = matrix[items].float()  # (n, dim)
    unit.div_(unit.norm(dim=1, keepdim=True).clamp_min_(1e-12))
    size = max(SCORES // len(items), 1)
    for part in torch.split(unit, size):
        with torch.autocast(unit.device.type, enabled=False):  # bf16 cannot tell neighbours apart
            found = best(part @ unit.T, k)
        yield found


def _found(matrix: Tensor, items: Tensor, k: int, keep: Share) -> tuple[Tensor, Tensor]:
    """Return what `_search` finds, (n, k) each, now or once before."""

    def blocks() -> Iterator[NDArray[Any]]:
        for value, place in _search(matrix, items, k):
            block = np.empty(value.shape, NEIGHBOUR)
            block["value"], block["column"] = value.cpu().numpy(), place.cpu().numpy()
            yield block

    # The shapes of products, on which their last bits may hang, are those of `SCORES`.
    key = f"neighbours {SCHEME} {SCORES} k {k} {matrix.device.type}"
    found = kept(keep, key, (len(items), k), NEIGHBOUR, blocks)
    value, place = (np.ascontiguousarray(found[name]) for name in ("value", "column"))
    return torch.from_numpy(value).to(matrix.device), torch.from_numpy(place).to(matrix.device)


def normalised(edges: Edges, n_items: int) -> Tensor:
    """Return the entries of D^-1/2 A D^-1/2, D the row sums; differentiable in the values."""
    degree = edges.value.new_zeros(n_items).index_add(0, edges.row, edges.value)
    rsqrt = degree.clamp_min(1e-12).rsqrt()
    # index_select: the gradient of plain indexing is not repeatable with several threads.
    return edges.value * rsqrt.index_select(0, edges.row) * rsqrt.index_select(0, edges.column)


def unweighted(edges: Edges) -> Edges:
    """Return the same places, each with the value 1."""
    return edges._replace(value=torch.ones_like(edges.value))


def combined(parts: list[tuple[float, Edges]], n_items: int) -> Edges:
    """Return the weighted sum of several matrices; equal places become one entry."""
    keys = torch.cat([edges.row * n_items + edges.column for _, edges in parts])
    values = torch.cat([edges.value * weight for weight, edges in parts])
    distinct, place = torch.unique(keys, return_inverse=True)
    total = values.new_zeros(len(distinct)).index_add(0, place, values)
    return Edges(distinct // n_items, distinct % n_items, total)


def item_graph(edges: Edges, n_items: int) -> Graph:
    """Return the sparse matrix of entries as they are."""
    return Graph(edges.row, edges.column, edges.value, (n_items, n_items))


def neighbour_graph(matrix: Tensor, mask: Tensor, k: int, keep: Share | None = None) -> Edges:
    """Return the frozen graph of a modality: the k nearest neighbours, value 1, normalised."""
    n_items = len(matrix)
    edges = unweighted(nearest_neighbours(matrix, mask, k, keep))
    return edges._replace(value=normalised(edges, n_items))


def shares(modalities: tuple[str, ...], image_weight: float) -> list[float]:
    """Return the share of every modality in a common item graph; they add up to 1.

    The image has `image_weight` where there are others beside it, and they divide the rest
    equally. Where there is no image, or nothing else, the shares are equal.
    """
    n = len(modalities)
    if IMAGE not in modalities or n == 1:
        return [1 / n for _ in modalities]
    return [image_weight if name == IMAGE else (1 - image_weight) / (n - 1) for name in modalities]


def common_graph(parts: list[Part], weights: list[float], k: int) -> Edges:
    """Return the weighted sum of the frozen graphs of several modalities; of none, no entries.

    Args:
        parts: of each modality. weights: of each.
    """
    if not parts:
        nobody = torch.zeros(0, dtype=torch.long)
        return Edges(nobody, nobody, torch.zeros(0))
    graphs = [neighbour_graph(part.matrix.detach(), part.mask, k, part.keep) for part in parts]
    return combined(list(zip(weights, graphs, strict=True)), len(parts[0].mask))


def given_graph(dataset: Any) -> Edges | None:
    """Return the item graph that the dataset was given (see `add_item_graph`), if it was."""
    edges: Edges | None = getattr(dataset, "item_graph", None)
    return edges
