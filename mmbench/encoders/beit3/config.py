"""What fixes a BEiT-3, and how the shapes of a state dict tell it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from math import isqrt
from types import MappingProxyType

from torch import Tensor

from mmbench.errors import UsageError

WORDS = "beit3.text_embed.weight"
PATCHES = "beit3.vision_embed.proj.weight"
IMAGE_POSITIONS = "beit3.encoder.embed_positions.A.weight"
TEXT_POSITIONS = "beit3.encoder.embed_positions.B.weight"
FIRST_POSITION = 2  # rows of both position tables before that of the first token
HEAD_DIM = 64


@dataclass(frozen=True)
class Config:
    """The sizes of a BEiT-3. text_positions: rows of the text's table of positions."""

    dim: int
    depth: int
    image_size: int = 224
    patch: int = 16
    text_positions: int = 1024
    vocabulary: int = 64010

    def __str__(self) -> str:
        """Return the sizes that tell one model from another, in words."""
        return (
            f"dimension {self.dim}, {self.depth} layers, patches of {self.patch} pixels, "
            f"{self.vocabulary} words and {self.text_positions} text positions"
        )

    @property
    def heads(self) -> int:
        """Attention heads; every BEiT-3 has 64 dimensions a head."""
        return self.dim // HEAD_DIM

    @property
    def grid(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch

    @property
    def text_length(self) -> int:
        """The longest text there are positions for, in tokens."""
        return self.text_positions - FIRST_POSITION


SIZES: Mapping[str, Config] = MappingProxyType({"base": Config(768, 12), "large": Config(1024, 24)})


def config_of(state: Mapping[str, Tensor]) -> Config:
    """Return the configuration of the model that a state dict was saved from.

    Raises:
        UsageError: a key that tells it is missing or has a shape of no BEiT-3.
    """
    vocabulary, dim = _shape(state, WORDS, 2)
    if dim == 0 or dim % HEAD_DIM:
        raise UsageError(
            f"no BEiT-3 checkpoint: '{WORDS}' is of dimension {dim}, no multiple of {HEAD_DIM}"
        )
    patch = _shape(state, PATCHES, 4)[2]
    return Config(
        dim=dim,
        depth=_depth(state),
        image_size=patch * _grid(state),
        patch=patch,
        text_positions=_shape(state, TEXT_POSITIONS, 2)[0],
        vocabulary=vocabulary,
    )


def _shape(state: Mapping[str, Tensor], key: str, axes: int) -> list[int]:
    if key not in state:
        raise UsageError(f"no BEiT-3 checkpoint: key '{key}' is missing")
    shape = list(state[key].shape)
    if len(shape) != axes:
        raise UsageError(f"no BEiT-3 checkpoint: '{key}' has shape {shape}, not {axes} axes")
    return shape


def _depth(state: Mapping[str, Tensor]) -> int:
    found = (re.match(r"beit3\.encoder\.layers\.(\d+)\.", key) for key in state)
    layers = {int(match[1]) for match in found if match}
    return next(layer for layer in count() if layer not in layers)


def _grid(state: Mapping[str, Tensor]) -> int:
    rows = _shape(state, IMAGE_POSITIONS, 2)[0]
    patches = rows - FIRST_POSITION - 1
    grid = isqrt(max(patches, 0))
    if grid == 0 or grid**2 != patches:
        raise UsageError(
            f"'{IMAGE_POSITIONS}' has {rows} rows, which is no square, [CLS] and {FIRST_POSITION}"
        )
    return grid
