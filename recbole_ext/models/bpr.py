"""BPR: matrix factorisation that ranks what a user chose above what they did not.

S. Rendle, C. Freudenthaler, Z. Gantner and L. Schmidt-Thieme, "BPR: Bayesian Personalized Ranking
from Implicit Feedback", UAI 2009.
"""

from typing import Any

import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType
from torch import Tensor, nn

from recbole_ext.losses import bpr_loss


class BPR(GeneralRecommender):  # type: ignore[misc]  # RecBole carries no types
    """Matrix factorisation under BPR-Opt; equal to RecBole's where `reg_weight` is 0.

    Args:
        config: `embedding_size` and `reg_weight` (lambda of the vectors that a batch touches).
        dataset: gives the numbers of users and items.
    """

    input_type = InputType.PAIRWISE

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.reg_weight = config["reg_weight"]
        self.user_embedding = nn.Embedding(self.n_users, config["embedding_size"])
        self.item_embedding = nn.Embedding(self.n_items, config["embedding_size"])
        for embedding in (self.user_embedding, self.item_embedding):
            nn.init.xavier_normal_(embedding.weight)

    def users(self, user: Tensor) -> Tensor:
        """Return the vectors of users, (n, dim)."""
        vectors: Tensor = self.user_embedding(user)
        return vectors

    def items(self, item: Tensor) -> Tensor:
        """Return the vectors of items, (n, dim)."""
        vectors: Tensor = self.item_embedding(item)
        return vectors

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the mean of -ln sigma(x_ui - x_uj) with its regulariser."""
        user = self.users(interaction[self.USER_ID])
        pair = torch.cat([interaction[self.ITEM_ID], interaction[self.NEG_ITEM_ID]])
        positive, negative = self.items(pair).chunk(2)  # (n, dim)
        loss = bpr_loss((user * (positive - negative)).sum(1))
        if self.reg_weight:
            squares = user.square() + positive.square() + negative.square()
            loss = loss + self.reg_weight * squares.sum() / len(user)
        return loss

    def predict(self, interaction: Any) -> Tensor:
        """Return the scores of user-item pairs, (n,)."""
        return (self.users(interaction[self.USER_ID]) * self.items(interaction[self.ITEM_ID])).sum(
            1
        )

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Return the scores of all items, (n_users * n_items,)."""
        scores = self.users(interaction[self.USER_ID]) @ self.item_embedding.weight.T
        return scores.view(-1)
