"""A picture squashed to a square: all of it seen, its aspect lost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Squash:
    """Makes a square of a picture, by a bicubic filter, without cropping.

    size: pixels along a side.
    """

    size: int

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return (size, size, 3) bytes, red green blue."""
        squashed = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BICUBIC)
        return np.array(squashed)  # a copy: torch wants to be able to write into it


def centred(pixels: Tensor) -> Tensor:
    """Return (n, 3, size, size) float32 in [-1, 1], by mean 0.5 and deviation 0.5 in each colour.

    Args:
        pixels: (n, size, size, 3) bytes.
    """
    planes = pixels.permute(0, 3, 1, 2).contiguous()  # (n, 3, size, size)
    return (planes.float() / 255 - 0.5) / 0.5
