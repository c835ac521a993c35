"""ResNet-50 (He et al. 2016, arXiv:1512.03385), as Keras builds it.

Keras keeps to the paper's first version: where a stage halves the picture, the first 1 × 1
convolution of its first block has the stride. Its convolutions have biases.
"""

from torch import Tensor, nn
from torch.nn.functional import relu

EPSILON = 1e-3  # of Keras' batch normalisation in this model; PyTorch's own is 1e-5
BLOCKS = (3, 4, 6, 3)  # in each stage
NARROW = 4  # a block works on a quarter of the channels that it gives


class Bottleneck(nn.Module):
    """Three convolutions around which the input flows.

    Args:
        given: channels of the input.
        made: channels of the output.
        stride: of the first convolution, and of the shortcut's.
    """

    def __init__(self, given: int, made: int, stride: int) -> None:
        super().__init__()
        inner = made // NARROW
        self.conv1 = nn.Conv2d(given, inner, 1, stride)
        self.bn1 = nn.BatchNorm2d(inner, EPSILON)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(inner, EPSILON)
        self.conv3 = nn.Conv2d(inner, made, 1)
        self.bn3 = nn.BatchNorm2d(made, EPSILON)
        self.shortcut: nn.Sequential | None = None
        if given != made:
            self.shortcut = nn.Sequential(
                nn.Conv2d(given, made, 1, stride), nn.BatchNorm2d(made, EPSILON)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """Return (n, made, height / stride, width / stride)."""
        kept = maps if self.shortcut is None else self.shortcut(maps)
        maps = relu(self.bn1(self.conv1(maps)))
        maps = relu(self.bn2(self.conv2(maps)))
        return relu(self.bn3(self.conv3(maps)) + kept)


class ResNet50(nn.Module):
    """The network up to the mean of its last feature map; `head` tells the 1,000 classes.

    Args:
        width: channels of the first convolution; 64 is the paper's.
        classes: of the head.
    """

    def __init__(self, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3)
        self.bn1 = nn.BatchNorm2d(width, EPSILON)
        # Nothing is below zero after a ReLU, so that Keras' padding with zeros wins no maximum.
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        stages, given = [], width
        for place, n_blocks in enumerate(BLOCKS):
            made = width * NARROW << place
            first = Bottleneck(given, made, stride=2 if place else 1)
            stages.append(
                nn.Sequential(first, *(Bottleneck(made, made, 1) for _ in range(n_blocks - 1)))
            )
            given = made
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(given, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 32 × width) for (n, 3, height, width)."""
        maps = self.pool(relu(self.bn1(self.conv1(images))))  # (n, width, height / 4, width / 4)
        maps = self.stages(maps)  # (n, 32 × width, height / 32, width / 32)
        vectors: Tensor = maps.mean(dim=(2, 3))  # (n, 32 × width)
        return vectors
