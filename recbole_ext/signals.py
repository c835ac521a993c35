"""Signals side by side: what flows along one graph each, (n, n_signals * d)."""

import torch
from torch import Tensor


def replaced(signals: Tensor, place: int, by: Tensor) -> Tensor:
    """Return signals side by side, (n, n_signals * d), with one exchanged for `by`, (n, d)."""
    dim = by.shape[1]
    left, right = signals[:, : place * dim], signals[:, (place + 1) * dim :]
    return torch.cat([left, by, right], dim=1)
