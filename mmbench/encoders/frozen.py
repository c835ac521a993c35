"""The vectors of a network that does not change: made once, and then only looked up."""

import numpy as np
import torch
from torch import Tensor

from mmbench.encoders.lower import Inputs
from mmbench.encoders.memory import within_memory
from mmbench.encoders.network import Network
from mmbench.progress import Progress


def frozen_vectors(network: Network, inputs: Inputs, size: int, progress: Progress) -> Tensor:
    """Return the vectors of all items, (n, dim) float32 on the device, without a gradient.

    Args:
        network: it, loaded, with nothing behind it yet.
        inputs: what it reads.
        size: items a pass, halved where memory ends.
        progress: told about it.

    Raises:
        UsageError: a single item does not fit into memory.
    """
    made: list[Tensor] = []
    start = 0

    def forward(n: int) -> Tensor:
        places = np.arange(start, min(start + n, inputs.n))
        with torch.no_grad():
            return network.forward(*inputs.read(places)).float()

    while start < inputs.n:
        part, size = within_memory(forward, size)
        made.append(part)
        start += len(part)
        progress.advance(f"encode {network.modality}", start, inputs.n)
    return torch.cat(made)
