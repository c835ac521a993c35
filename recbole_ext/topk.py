"""The k highest scores of every row, with ties broken by the column: the lower first."""

from math import isqrt

import numpy as np
import torch
from torch import Tensor

FEW_THREADS = 4  # up to which one of NumPy, whose partition is vectorised, beats torch's together


def best(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row and their columns, each (n, min(k, columns)).

    Highest first; of equal scores the lower column first, on every device. The order among
    scores of -inf is not stated. Beside `scores` (n, columns) it never holds more than their size.

    Raises:
        FloatingPointError: a score is NaN.
    """
    width = scores.shape[1]
    k = min(k, width)
    # One more than asked for: only where it equals the k-th is it open which columns are in.
    value, column = _largest(scores, min(k + 1, width))
    tied = ((value[:, 1:] == value[:, :-1]) & (value[:, 1:] > -torch.inf)).any(1)
    doubtful = (tied | value[:, 0].isnan()).nonzero().squeeze(1)  # NaN counts as the highest
    value, column = value[:, :k], column[:, :k]
    if not len(doubtful):
        return value, column
    if value[:, 0].isnan().any():
        raise FloatingPointError("scores are NaN")
    for rows in torch.split(doubtful, max(len(scores) // 4, 1)):
        value[rows], column[rows] = _exact(scores[rows], value[rows, -1:], k)
    return value, column


def _largest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k highest scores of each row, highest first, and columns that hold them.

    The columns are dealt into groups. The k groups with the highest maxima hold k highest scores,
    so that the costly search sees few columns; the rest are read once, at the speed of memory.
    """
    width = scores.shape[1]
    depth = isqrt(width // k)  # of a group: balances the search of groups and that within them
    if depth < 2:
        return _ordered(scores, _columns(scores, k))
    groups = width // depth
    dealt = scores[:, : depth * groups].view(-1, depth, groups)
    group = _columns(dealt.amax(1), k)  # (n, k)
    steps = torch.arange(0, depth * groups, groups, device=scores.device)
    column = (group[:, None, :] + steps[:, None]).flatten(1)  # (n, depth * k)
    rest = torch.arange(depth * groups, width, device=scores.device).expand(len(scores), -1)
    column = torch.cat([column, rest], dim=1)
    return _ordered(scores, column.gather(1, _columns(scores.gather(1, column), k)))


def _columns(scores: Tensor, k: int) -> Tensor:
    """Return columns of the k highest scores of each row, (n, k), in no order."""
    if scores.is_cuda or torch.get_num_threads() > FEW_THREADS:
        return scores.topk(k, sorted=False).indices
    place = np.argpartition(scores.numpy(), scores.shape[1] - k, axis=1)  # ascending
    return torch.from_numpy(place[:, -k:])


def _ordered(scores: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """Return the scores of some columns, highest first, and the columns in that order."""
    value, order = scores.gather(1, column).sort(dim=1, descending=True)
    return value, column.gather(1, order)


def _exact(scores: Tensor, edge: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the best k scores and columns of each row, given the k-th best score, (n, 1).

    Of the columns that equal it, the lowest fill the places that the higher scores leave.
    """
    above, level = scores > edge, scores == edge
    room = k - above.sum(1, keepdim=True)
    chosen = above | (level & (level.cumsum(1, dtype=torch.int32) <= room))
    column = chosen.nonzero()[:, 1].view(len(scores), k)  # ascending in each row
    value, order = scores.gather(1, column).sort(dim=1, descending=True, stable=True)
    return value, column.gather(1, order)
