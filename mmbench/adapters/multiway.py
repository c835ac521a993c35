"""Multiway-Adapter (Long et al., "MultiWay-Adapter: Adapting Large-Scale Multi-Modal Models for
Scalable Image-Text Retrieval", ICASSP 2024, arXiv:2309.01516).

Two bottlenecks a block. The new knowledge extractor stands beside the frozen feed-forward network
and sees what that sees, x + s · up(relu(down(x))); the alignment enhancer stands upon it, and in a
model that pictures and texts share, both pass the same one. Up-projections are zero at the start.
"""

import re
from math import sqrt
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from mmbench.adapters.adapter import Adapter, Site, refusal
from mmbench.adapters.attention import ATTENTION
from mmbench.encoders.seeded import seeded
from mmbench.specs import Spec

SEED = 0
EXTRACTOR, ENHANCER = "new_knowledge_extractor", "alignment_enhancer"
# What is no feed-forward network: attention, and bottlenecks of a training before this one.
OTHERS = re.compile(f"{ATTENTION.pattern}|{EXTRACTOR}|{ENHANCER}", re.IGNORECASE)


class Multiway(Adapter):
    """Bottlenecks beside and upon the feed-forward networks of the blocks."""

    # New and thin, too: as LoRA.
    encoder_learning_rate = 1e-4

    class Options(Spec):
        """width, scale: of the new knowledge extractor, 64 and 0.6 in the paper.

        alignment_width: of the alignment enhancer, which the paper wants wider.
        dropout: between down and up, in training.
        """

        width: int = Field(default=64, ge=1)
        alignment_width: int = Field(default=128, ge=1)
        scale: float = Field(default=0.6, gt=0)
        dropout: float = Field(default=0.1, ge=0, lt=1)

    def apply(self, site: Site) -> None:
        """Put the bottlenecks into the blocks."""
        networks = {name: _feed_forward(site, name) for name in site.blocks}
        lacking = [name for name, pairs in networks.items() if not pairs]
        if lacking:
            raise refusal(
                "multiway", site, f"feed-forward network of linear layers in {lacking[0]}"
            )
        with seeded(SEED):
            for name, pairs in networks.items():
                for first, second in pairs:
                    self._beside(first, second)
                self._upon(site.blocks[name], pairs[0][0])

    def _beside(self, first: nn.Linear, second: nn.Linear) -> None:
        made = self._bottleneck(first, self.options.width, self.options.scale, norm=False)
        second.add_module(_free(second, EXTRACTOR), made)
        seen: list[Tensor] = []

        def note(_: nn.Module, args: Any) -> None:
            seen[:] = [args[0]]

        def add(_: nn.Module, __: Any, mapped: Tensor) -> Tensor:
            extra: Tensor = made(seen.pop())
            return mapped + extra

        first.register_forward_pre_hook(note)
        second.register_forward_hook(add)

    def _upon(self, block: nn.Module, first: nn.Linear) -> None:
        made = self._bottleneck(first, self.options.alignment_width, 1.0, norm=True)
        block.add_module(_free(block, ENHANCER), made)

        def add(_: nn.Module, __: Any, given: Any) -> Any:
            if isinstance(given, Tensor):
                return given + made(given)
            return (given[0] + made(given[0]), *given[1:])

        block.register_forward_hook(add)

    def _bottleneck(self, beside: nn.Linear, width: int, scale: float, norm: bool) -> "Bottleneck":
        made = Bottleneck(beside.in_features, width, scale, self.options.dropout, norm)
        return made.to(beside.weight.device).eval()


class Bottleneck(nn.Module):
    """Down to a few dimensions, ReLU, and up again; zero at the start.

    Args:
        dim: of the states.
        width: of the narrow place.
        scale: what it gives is multiplied by it.
        dropout: between down and up.
        norm: whether states are normalised first.
    """

    def __init__(self, dim: int, width: int, scale: float, dropout: float, norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.down, self.up = nn.Linear(dim, width), nn.Linear(width, dim)
        self.dropout, self.scale = nn.Dropout(dropout), scale
        nn.init.kaiming_uniform_(self.down.weight, a=sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, states: Tensor) -> Tensor:
        """Return (..., dim) for (..., dim)."""
        narrow = self.dropout(nn.functional.relu(self.down(self.norm(states))))
        wide: Tensor = self.up(narrow) * self.scale
        return wide


def _free(parent: nn.Module, name: str) -> str:
    """Return a name that no part has: what was fine-tuned so before has the first."""
    taken = sum(part.startswith(name) for part, _ in parent.named_children())
    return f"{name}_{taken + 1}" if taken else name


def _feed_forward(site: Site, name: str) -> list[tuple[nn.Linear, nn.Linear]]:
    """Return the first and the last layer of each feed-forward network of a block.

    That is a layer that changes the dimension, and the next one that gives it back.
    """
    pairs: list[tuple[nn.Linear, nn.Linear]] = []
    first: nn.Linear | None = None
    for path, layer in site.layers().items():
        inner = path.removeprefix(f"{name}.")
        if inner == path or not isinstance(layer, nn.Linear) or OTHERS.search(inner):
            continue
        if first is None:
            first = layer
        elif layer.out_features == first.in_features:
            pairs.append((first, layer))
            first = None
    return pairs
