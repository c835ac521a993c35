"""Any picture model of timm: from the hub, from a folder, or from a file of weights."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from mmbench.encoders.base import Surroundings
from mmbench.encoders.cnn.backend import PictureNetwork
from mmbench.encoders.cnn.timm_source import CONFIG, WEIGHTS, Source, timm_source
from mmbench.encoders.named_weights import named_weights
from mmbench.encoders.network import Pixels
from mmbench.encoders.tensors import read_tensors
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError

import_torchvision_safely()  # before the first import of timm

import timm  # noqa: E402
from timm.data import create_transform, resolve_model_data_config  # noqa: E402

BROKEN = (RuntimeError, ValueError, TypeError, KeyError, AttributeError, OSError, AssertionError)


@dataclass(frozen=True)
class Prepare:
    """Resizes and crops a picture as the model's authors did.

    transform: timm's own, whose resizing is Pillow's, up to bytes.
    """

    transform: Callable[[Image.Image], Tensor]

    def __call__(self, image: Image.Image) -> Pixels:
        """Return (3, height, width) bytes, red green blue."""
        return self.transform(image).numpy()


class TimmModel(PictureNetwork):
    """The pooled features of a model of timm, without its classifier.

    Args:
        model: a name of timm (resnet50.a1_in1k), a repository of the hub (timm/resnet50.a1_in1k),
            either perhaps with @REVISION, or a folder with config.json and model.safetensors.
        sha256: that of the weights, where it is known.
    """

    def __init__(
        self,
        modality: str,
        random_weights: bool,
        surroundings: Surroundings,
        model: str,
        sha256: str | None = None,
    ) -> None:
        super().__init__(modality, random_weights, surroundings, sha256)
        self.model = model

    def picture(self) -> Prepare:
        """Return what resizes and crops a picture to (3, height, width) bytes."""
        return self._prepare

    def _described(self) -> dict[str, Any]:
        return {**self._source.told, "layer": "pooled", "timm": version("timm")}

    @cached_property  # the hub is asked once
    def _source(self) -> Source:
        named = named_weights(self.surroundings, self.modality)
        return timm_source(self.model, named, self.random_weights)

    def _weights(self) -> Path:
        source = self._source
        if source.weights is None:
            raise UsageError(f"{source.builds}: no weights there: put {WEIGHTS[0]} beside {CONFIG}")
        return source.weights

    def _read(self, path: Path) -> dict[str, Tensor]:
        return read_tensors(path)

    def _built(self) -> nn.Module:
        source = self._source.builds
        try:
            network: nn.Module = timm.create_model(source, pretrained=False)
        except BROKEN as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(f"timm cannot build '{source}' ({reason})") from error
        settings = resolve_model_data_config(network)
        if settings["input_size"][0] != 3:
            raise UsageError(f"'{source}' reads {settings['input_size'][0]} channels, not colour")
        self._mean, self._std = settings["mean"], settings["std"]
        # With a prefetcher timm's transform ends at bytes, and leaves the scaling to the device.
        self._prepare = Prepare(create_transform(**settings, use_prefetcher=True))
        return network

    def _without_head(self, network: nn.Module) -> nn.Module:
        bare: Any = network
        bare.reset_classifier(0)
        return network

    def _scaled(self, pixels: Tensor) -> Tensor:
        images = pixels.float() / 255  # (n, 3, height, width)
        mean, std = (
            torch.tensor(values, device=pixels.device).view(1, 3, 1, 1)
            for values in (self._mean, self._std)
        )
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
