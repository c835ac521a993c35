"""The evaluation transform of VLMo."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

TRANSFORM = "bicubic squash, mean 0.5, std 0.5"


def pixels(image: Image.Image, size: int) -> Tensor:
    """Return a picture as (3, size, size) float32 in [-1, 1]; it is squashed, not cropped."""
    squashed = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    array = np.asarray(squashed, dtype=np.float32) / np.float32(255)  # (size, size, 3)
    return torch.from_numpy((array - np.float32(0.5)) / np.float32(0.5)).permute(2, 0, 1)
