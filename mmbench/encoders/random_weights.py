"""Models with random weights, the same each time."""

from collections.abc import Callable
from typing import TypeVar

from torch import nn

from mmbench.encoders.seeded import seeded

M = TypeVar("M", bound=nn.Module)


def random_model(make: Callable[[], M], seed: int) -> M:
    """Return a model in evaluation mode: weights normal with deviation 0.02, biases zero.

    Args:
        make: builds the model; what it draws is seeded as well.
        seed: of the weights.
    """
    with seeded(seed):
        model = make()
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                nn.init.trunc_normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
    return model.eval()
