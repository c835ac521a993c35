"""ContentKNN: items whose features point the same way are neighbours; who chose them is not asked.

The item-based scheme of M. Deshpande and G. Karypis, "Item-Based Top-N Recommendation Algorithms",
ACM TOIS 22(1), 2004, with the cosine of item features in place of that of co-occurrence.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbole_ext.item_features import Features
from recbole_ext.item_graphs import nearest_neighbours
from recbole_ext.neighbourhood import Neighbourhood, interaction_matrix, strongest
from recbole_ext.sharing import Share


class ContentKNN(Neighbourhood):
    """Nearest neighbours in the features of any number of modalities.

    An item's score is the sum of its similarities to those of its k nearest items that the user
    chose. The similarity is the cosine of the items' features, each modality brought to length one
    and put side by side: where two items have all modalities, the mean of the modalities' cosines.
    Similarities of zero and below are none; an item without features scores 0.

    Args:
        config: `k` (other items), `feature_norm`.
        dataset: a `MultimodalDataset`.

    Raises:
        ValueError: there are no features, or not more than k + 1 items have any.
    """

    def __init__(self, config: Any, dataset: Any) -> None:
        features = Features(dataset, config["feature_norm"])
        if not len(features):
            raise ValueError("ContentKNN needs at least one modality of item features")
        content = combined(features).to(config["device"])  # (n_items, sum of the dims)
        keep = features.keep(*range(len(features)), made="unit rows side by side")
        neighbours = content_neighbours(content, config["k"], keep)  # (n_items, n_items)
        super().__init__(config, dataset, interaction_matrix(dataset), neighbours.T.tocsr())


def combined(features: Features) -> Tensor:
    """Return all modalities side by side, each of length one, (n_items, sum of the dims)."""
    return torch.cat([normalize(matrix) for matrix in features.matrices()], dim=1)


def content_neighbours(content: Tensor, k: int, keep: Share | None = None) -> Any:
    """Return the positive cosines of every item's k nearest other items, (n_items, n_items) CSR.

    Args:
        content: (n_items, dim); a zero row has no neighbours. keep: see `nearest_neighbours`.

    Raises:
        ValueError: not more than k + 1 items have a row that is not zero.
    """
    known = (content != 0).any(1)
    if k + 1 >= (n_known := int(known.sum())):
        raise ValueError(
            f"k {k} is too large for {n_known} items with features: set it to "
            f"{max(n_known - 2, 0)} or lower"
        )
    edges = nearest_neighbours(content, known, k + 1, keep)  # the item itself among them
    row, column, value = (part.cpu().numpy() for part in edges)
    kept = row != column
    entries = value[kept].astype(np.float32), (row[kept], column[kept])
    return strongest(sp.csr_matrix(entries, shape=(len(content), len(content))), k)
