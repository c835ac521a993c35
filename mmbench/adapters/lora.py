"""LoRA (Hu et al., ICLR 2022, arXiv:2106.09685): a product of two thin matrices beside a weight."""

import re
from typing import Any

from pydantic import Field, field_validator
from torch import nn

from mmbench.adapters.adapter import Adapter, Site, refusal
from mmbench.adapters.attention import ATTENTION, opened
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.specs import Spec

import_torchvision_safely()  # before peft's import of models of transformers

from peft import LoraConfig, LoraModel  # noqa: E402

NAME = "lora"  # peft's, of the one adapter there is


class Lora(Adapter):
    """LoRA on the projections of attention in the blocks, through peft."""

    # It begins at nothing and is thin: the tenfold of full training is usual for it.
    encoder_learning_rate = 1e-4

    class Options(Spec):
        """rank: columns of the thin matrices. alpha: their product counts alpha / rank.

        dropout: of what goes into them, in training. modules: names of layers instead of all
        projections of attention, such as q_proj or mlp.fc1; in one text with + between them.
        """

        rank: int = Field(default=8, ge=1)
        alpha: float = Field(default=16.0, gt=0)
        dropout: float = Field(default=0.0, ge=0, lt=1)
        modules: tuple[str, ...] = ()

        @field_validator("modules", mode="before")
        @classmethod
        def _modules_are_named(cls, given: Any) -> Any:
            named = given.split("+") if isinstance(given, str) else given
            return tuple(named) if isinstance(named, list) else named

    _tuner: LoraModel | None = None

    def apply(self, site: Site) -> None:
        """Put the thin matrices beside the weights."""
        kept = {id(site.module.get_parameter(name)) for name in site.free}
        for block in site.blocks.values():
            opened(block)
        names = {name for name, each in site.module.named_parameters() if id(each) in kept}
        site = Site(site.networks, site.module, site.blocks, frozenset(names))
        targets = self._targets(site)
        config = LoraConfig(
            r=self.options.rank,
            lora_alpha=self.options.alpha,
            lora_dropout=self.options.dropout,
            target_modules="|".join(map(re.escape, targets)),
        )
        self._tuner = LoraModel(site.module, config, NAME)

    def merge(self) -> None:
        """Add the products to the weights, and take the thin matrices away."""
        if self._tuner is not None:
            self._tuner.merge_and_unload()
            self._tuner = None

    def _targets(self, site: Site) -> list[str]:
        layers = {name: layer for name, layer in site.layers().items() if _fits(layer)}
        inner = {path: _inner(site, path) for path in layers}
        wanted = self.options.modules
        if not wanted:
            found = [path for path in layers if ATTENTION.search(inner[path])]
            if not found:
                raise refusal("lora", site, "projections of attention; name others with modules")
            return found
        for name in wanted:
            if not any(_named(name, each) for each in inner.values()):
                raise refusal("lora", site, f"layer '{name}'")
        return [path for path in layers if any(_named(name, inner[path]) for name in wanted)]


def _fits(layer: nn.Module) -> bool:
    # A convolution of a library's own class may pad in a way that peft's does not.
    plain: Any = layer if type(layer) is nn.Conv2d else None
    return isinstance(layer, nn.Linear) or (plain is not None and plain.groups == 1)


def _inner(site: Site, path: str) -> str:
    """Return the name of a layer within its block."""
    return next(
        path.removeprefix(f"{name}.") for name in site.blocks if path.startswith(f"{name}.")
    )


def _named(name: str, path: str) -> bool:
    return f".{name}." in f".{path}."
