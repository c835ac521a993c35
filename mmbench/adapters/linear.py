"""A linear map behind the frozen vectors: the linear probe."""

from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from mmbench.adapters.adapter import Adapter, Site
from mmbench.encoders.base import Content
from mmbench.encoders.network import Network


class LinearMap(Adapter):
    """A matrix and a shift, identity and zero at the start; unit vectors stay unit vectors."""

    # One new layer takes larger steps than a pre-trained stack; with every number of a full matrix
    # moving in each step, ten times more soon forgets the identity.
    encoder_learning_rate = 1e-4

    layered: ClassVar[bool] = False

    def apply(self, site: Site) -> None:
        """Put a map of its own behind each network."""
        for network in site.networks:
            last = _Map(network)
            site.module.add_module(_name(network), last)
            network.follow(last)


def behind(network: Network) -> nn.Module:
    """Return the map behind a network that was adapted so."""
    return network.trainable().get_submodule(_name(network))


def _name(network: Network) -> str:
    return f"linear_{network.modality}"


class _Map(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        with torch.inference_mode():
            one = network.forward(*network.read([Content(Image.new("RGB", (64, 64)), "a")]))
        dim = one.shape[1]
        self.unit = network.unit
        self.weight = nn.Parameter(torch.eye(dim, device=one.device))
        self.bias = nn.Parameter(torch.zeros(dim, device=one.device))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return (n, dim) for (n, dim)."""
        mapped = nn.functional.linear(vectors, self.weight, self.bias)
        return normalize(mapped.float(), dim=1) if self.unit else mapped
