"""Where the vectors of places come from: the whole model, its top blocks, or a map on kept ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.encoders.lower import Inputs, lower_layers
from mmbench.encoders.network import Network
from mmbench.errors import UsageError
from mmbench.finetuning.content import Content
from mmbench.finetuning.dual_encoder import Integers, Source
from mmbench.progress import Progress


def inputs_of(network: Network, content: Content) -> Inputs:
    """Return what a network reads of the content."""
    device = network.surroundings.device
    if network.modality == "image":
        return Inputs(len(content), lambda places: content.pictures_of(places, device), None)
    return Inputs(len(content), None, content.tokens)


def whole(network: Network, inputs: Inputs) -> Source:
    """Return what passes a whole model."""
    return lambda places: network.forward(*inputs.read(places))


def top(
    network: Network,
    inputs: Inputs,
    layers: int,
    folder: Path,
    items: Mapping[str, Any],
    progress: Progress,
) -> Source:
    """Return what passes the top blocks, from activations that are kept on disk.

    A model that cannot be cut so is passed whole, which is told.

    Args:
        network: adapted so that nothing below its top blocks trains.
        inputs: what it reads.
        layers: how many blocks are at the top.
        folder: where the activations are kept.
        items: JSON that fixes the content.
        progress: told about it.
    """
    try:
        return lower_layers(network, layers, inputs, folder, items, progress).forward
    except UsageError as error:
        progress.say(f"{error}; every step passes the whole model")
        return whole(network, inputs)


def mapped(vectors: Tensor, last: nn.Module) -> Source:
    """Return what passes a map behind kept vectors."""

    def source(places: Integers) -> Tensor:
        made: Tensor = last(vectors[torch.from_numpy(places).to(vectors.device)])
        return made

    return source
