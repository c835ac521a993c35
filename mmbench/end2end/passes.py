"""Passes of a network over what it reads of a catalogue: whole, or from what is kept of it on."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmbench.encoders.lower import Inputs, LowerLayers
from mmbench.encoders.network import Network


@dataclass(frozen=True)
class Passes:
    """What makes vectors of units.

    inputs: what the network reads of each. lower: their activations, where they are kept.
    precision: float32, or bf16 for autocast.
    """

    network: Network
    inputs: Inputs
    lower: LowerLayers | None
    precision: str

    def __call__(self, places: NDArray[np.int64]) -> Tensor:
        """Return the vectors of some units, (n, dim) float32, with a gradient."""
        with autocast(self.network, self.precision):
            if self.lower is not None:
                return self.lower.forward(places).float()
            return self.network.forward(*self.inputs.read(places)).float()


@dataclass(frozen=True)
class Mapped:
    """What makes vectors of units where a map trains behind an encoder that stays as it is.

    vectors: (n_units, dim) float32 of the encoder, on the device. last: the map.
    precision: that of `network`, float32, or bf16 for autocast.
    """

    network: Network
    vectors: Tensor
    last: nn.Module
    precision: str

    def __call__(self, places: NDArray[np.int64]) -> Tensor:
        """Return the vectors of some units, (n, dim) float32, with a gradient."""
        with autocast(self.network, self.precision):
            chosen = self.vectors[torch.from_numpy(places).to(self.vectors.device)]
            made: Tensor = self.last(chosen)
        return made.float()


def autocast(network: Network, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which a network computes in a precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(network.surroundings.device.partition(":")[0], torch.bfloat16)
