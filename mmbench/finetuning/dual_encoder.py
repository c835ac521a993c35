"""Two backends that are trained together: one for pictures, one for texts, in one space."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmbench.adapters.adapted import Adapted
from mmbench.finetuning.content import Content
from mmbench.finetuning.gradient_caching import Side

Integers = NDArray[np.int64]
Source = Callable[[Integers], Tensor]
KINDS = ("image", "text")


class DualEncoder:
    """The vectors of pictures and texts, and what of them is trained.

    Where the two backends are halves of one model, their vectors are compared as they are. Where
    they are models of their own, each has a linear head into a common space, for training alone:
    the vectors of the fine-tuned encoder are those before the head, as long as they ever were.

    Args:
        sources: image and text: places of the content → vectors of the encoder, (n, dim).
        adapted: image and text; once, as `both`, where pictures and texts pass one module.
        content: what is encoded.
        heads: image and text, or nothing.
        device: where it is computed.
        precision: float32, or bf16 for autocast.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        adapted: Mapping[str, Adapted],
        content: Content,
        heads: nn.ModuleDict,
        device: str,
        precision: str,
    ) -> None:
        self.sources, self.content = sources, content
        self.device, self.precision = device, precision
        self.heads = heads.to(device)
        # Now: a loss may let further parts of the module train, which no vector rests on.
        self._trained = {
            f"{member}/{name}": parameter
            for member, one in adapted.items()
            for name, parameter in one.trainable().items()
        }

    def trained(self) -> dict[str, nn.Parameter]:
        """Return what of the backends is trained and kept, by MEMBER/NAME."""
        return dict(self._trained)

    def vectors(self, kind: str, places: Integers) -> Tensor:
        """Return the vectors of some places as they are compared, (len(places), dim) float32."""
        with self.autocast():
            vectors = self.sources[kind](places).float()
        mapped: Tensor = self.heads[kind](vectors) if kind in self.heads else vectors
        return mapped

    def sides(self, places: Integers) -> list[Side]:
        """Return what makes the vectors of a batch, pictures first."""

        def side(kind: str) -> Side:
            return lambda part: self.vectors(kind, places[part])

        return [side(kind) for kind in KINDS]

    def encode(self, places: Integers, micro: int) -> list[Tensor]:
        """Return the vectors of many places, (len(places), dim) each, pictures first."""
        parts = [slice(start, start + micro) for start in range(0, len(places), micro)]
        with torch.no_grad():
            return [torch.cat([side(part) for part in parts]) for side in self.sides(places)]

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which the models compute at the precision that was asked for."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.partition(":")[0], torch.bfloat16)


def heads(dims: Mapping[str, int], dimension: int, seed: int) -> nn.ModuleDict:
    """Return a linear head for each kind of vector, drawn by a seed.

    Args:
        dims: kind → length of its vectors.
        dimension: of the common space.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict(
            {kind: nn.Linear(dim, dimension, bias=False) for kind, dim in dims.items()}
        )
