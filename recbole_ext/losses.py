"""Losses that RecBole lacks, or has in a slower form."""

from torch import Tensor
from torch.nn.functional import softplus


def bpr_loss(margin: Tensor) -> Tensor:
    """Return the mean of -ln sigma(margin), exact where sigma is 0 in floating point.

    Args:
        margin: (n,) how far a positive's score is above its negative's.
    """
    return softplus(-margin).mean()
