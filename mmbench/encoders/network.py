"""A neural backend in two halves: what is done to one item anywhere, and to a batch on the device.

The first half (a picture to pixels, a text to token ids) holds no weights, so that worker
processes run it ahead of the model; the second half is the model alone.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mmbench.encoders.base import Backend, Content, Matrix, images_of, texts_of

Pixels = NDArray[Any]  # one picture as the model takes it, without the axis of the batch
Tokens = NDArray[np.int64]  # (length,) ids of one text, special tokens in, padding left out


class Network(Backend):
    """A model with weights.

    `picture`, `chunks` and `forward` work once `load` was called. A text backend leaves `picture`
    as it is, a picture backend leaves `chunks`.
    """

    weighted: ClassVar[bool] = True  # there are weights to name
    unit: bool = True  # its vectors have length one, so that a mean of them is scaled back to it
    batch_sizes: ClassVar[dict[str, int]] = {"cpu": 32, "cuda": 256}

    @property
    def batch_size(self) -> int:
        """How many items a forward pass takes, where nothing else is asked for."""
        return self.batch_sizes[self.surroundings.device.partition(":")[0]]

    def picture(self) -> Callable[[Image.Image], Pixels]:
        """Return what turns an RGB picture into pixels, in any process.

        It can be pickled and holds no weights. It gives uint8 where it can: a quarter of the
        bytes that travel between processes. All pictures give the same shape and type.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no pictures")

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return each text as one or more pieces that the model can read, in order.

        The first piece is what the model's own tokenizer leaves of the text when it cuts it; a
        second one is there exactly where something was cut. Each has its own special tokens.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no texts")

    @abstractmethod
    def forward(self, pixels: Tensor | None, tokens: Sequence[Tokens] | None) -> Tensor:
        """Return the vectors of a batch, (n, dim), on the device.

        Args:
            pixels: (n, ...) as `picture` gives them, on the device; None for a text backend.
            tokens: n token lists, padded here; None for a picture backend.
        """

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), dim) float32, each text cut where the model's tokenizer cuts it."""
        parts = [
            self._vectors(batch[start : start + self.batch_size])
            for start in range(0, len(batch), self.batch_size)
        ]
        return np.concatenate(parts)

    def _vectors(self, batch: Sequence[Content]) -> Matrix:
        pixels, tokens = None, None
        if "image" in self.inputs:
            picture = self.picture()
            stacked = np.stack([picture(image) for image in images_of(batch)])
            pixels = torch.from_numpy(stacked).to(self.surroundings.device)
        if "text" in self.inputs:
            tokens = [pieces[0] for pieces in self.chunks(texts_of(batch))]
        with torch.inference_mode():
            matrix: Matrix = self.forward(pixels, tokens).float().cpu().numpy()  # (n, dim)
        return matrix


def padded(
    tokens: Sequence[Tokens], padding: int, length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return ids and mask of some token lists, (n, length) int64 each; mask is 1 on real tokens.

    Args:
        tokens: what is padded, on the right.
        padding: the id of the padding token.
        length: how long they become; that of the longest where it is None.
    """
    width = length or max(map(len, tokens))
    ids = torch.full((len(tokens), width), padding)  # (n, length)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = torch.from_numpy(one)
        mask[row, : len(one)] = 1
    return ids, mask
