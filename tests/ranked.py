"""A model whose scores are given, and an evaluator made of plain lists."""

import numpy as np
import torch
from torch import nn

from recbole_ext.config import Config
from recbole_ext.evaluator import Evaluator

ACCURACY = ["recall", "precision", "ndcg", "map", "mrr", "hit"]


class Fixed(nn.Module):
    """A model whose scores are given."""

    def __init__(self, scores):
        super().__init__()
        self.scores = torch.as_tensor(scores)

    def full_sort_predict(self, interaction):
        return self.scores[interaction["user_id"]].view(-1)


def config(topk, **settings):
    values = {"device": "cpu", "metrics": ACCURACY, "topk": topk, "valid_metric": "recall@5"}
    return Config("BPR", "board", config_dict={**values, "metric_decimal_place": 12, **settings})


def evaluator(topk, positives, masked, shape, metrics=ACCURACY, popularity=None, **settings):
    """positives, masked: (users, items); shape: (n_users, n_items), padding included."""
    made = config(topk, **settings)
    made["metrics"] = metrics
    pairs = [tuple(torch.tensor(axis, dtype=torch.long) for axis in p) for p in (positives, masked)]
    tokens = np.array([f"u{user}" for user in range(shape[0])])
    counts = None if popularity is None else torch.tensor(popularity)
    return Evaluator(made, *pairs, tokens, shape[1], counts)
