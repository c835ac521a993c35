"""What a kind of adapter is: a change of a loaded module, after which some parameters train."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from mmbench.encoders.network import Network
from mmbench.errors import UsageError
from mmbench.specs import Spec, parse


@dataclass(frozen=True)
class Site:
    """What is adapted: one module, and the networks whose vectors it makes.

    networks: one, or those for pictures and for texts where both pass the same module.
    module: it; nothing of it trains yet.
    blocks: those that may change, by their names in the module, from the lowest up.
    free: the names of the parameters that may train: all that vectors rest on, or what of them
        lies in the top blocks and above.
    """

    networks: Sequence[Network]
    module: nn.Module
    blocks: Mapping[str, nn.Module]
    free: frozenset[str]

    def layers(self) -> dict[str, nn.Module]:
        """Return the modules in the blocks that have a weight of their own which may train."""
        return {
            f"{name}.{inner}": module
            for name, block in self.blocks.items()
            for inner, module in block.named_modules()
            if f"{name}.{inner}.weight" in self.free
        }


class Adapter(ABC):
    """A kind of adapter with its options. At the start it leaves every vector as it is."""

    class Options(Spec):
        """What a person may set."""

    layered: ClassVar[bool] = True  # it can be kept to the top blocks
    # Of what it trains with a recommender; None: that of an encoder's own weights (recbole_ext).
    encoder_learning_rate: ClassVar[float | None] = None

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def of(cls, kind: str, given: Mapping[str, Any]) -> "Adapter":
        """Return the adapter with some options; UsageError names an unknown or wrong one."""
        return cls(parse(cls.Options, dict(given), f"adapter '{kind}'"))

    @abstractmethod
    def apply(self, site: Site) -> None:
        """Change the module in place, and let what trains ask for gradients.

        Raises:
            UsageError: the module has nothing that it fits to; the message says what there is.
        """

    def merge(self) -> None:  # noqa: B027 - most cannot be
        """Fold what was added into the weights that were there, where that can be done."""


def existing(site: Site) -> str:
    """Return what the lowest block holds, as the end of a message."""
    if not site.blocks:
        return "it has no blocks"
    name = next(iter(site.blocks))
    inner = [path.removeprefix(f"{name}.") for path in site.layers() if path.startswith(f"{name}.")]
    return f"its blocks have {', '.join(inner) or 'none'}"


def refusal(kind: str, site: Site, lacks: str) -> UsageError:
    """Return what to say of a model that an adapter does not fit."""
    name = type(site.networks[0]).__name__
    return UsageError(f"adapter '{kind}': this {name} has no {lacks}: {existing(site)}")
