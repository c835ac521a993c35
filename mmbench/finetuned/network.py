"""A network whose weights, once read, give way to those that were fine-tuned."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from mmbench.adapters.adapted import adapt
from mmbench.encoders.network import Network, Pixels, Tokens
from mmbench.errors import UsageError
from mmbench.finetuned.told import WEIGHTS, Told
from mmbench.fingerprint import SHORT, file_sha256

SHARED = "both"  # the member whose weights pictures and texts pass alike


class FinetunedNetwork(Network):
    """One modality of a fine-tuned encoder: its base, and what was trained laid over it.

    Args:
        base: the backend that was trained.
        told: the fine-tuning.
    """

    def __init__(self, base: Network, told: Told) -> None:
        super().__init__(base.modality, base.random_weights, base.surroundings)
        self.base, self.told = base, told
        self.inputs, self.unit = base.inputs, base.unit

    @property
    def batch_size(self) -> int:
        """That of the base."""
        return self.base.batch_size

    def identity(self) -> Mapping[str, Any]:
        """Return the identity of the base and the sha256 of what was trained.

        Raises:
            UsageError: the base has other weights than those that were fine-tuned, or the trained
                ones are gone or changed.
        """
        said = dict(self.base.identity())
        then = self.told.meta["identity"].get(self.modality, {})
        for key in ("weights", "sha256"):
            if said.get(key) != then.get(key):
                raise UsageError(
                    f"encoder '{self.told.name}' was made from {_short(then)} weights of "
                    f"{self.told.meta['encoder']}, here are {_short(said)} ones: put the former "
                    "back, or fine-tune again"
                )
        return {
            "weights": "finetuned",
            "sha256": self._sha256(),
            "revision": said.get("revision"),
            "finetuned": self.told.folder.name,
            "base": said,
        }

    def load(self) -> None:
        """Read the weights of the base, then those that were trained.

        Raises:
            UsageError: as the base does, or the trained weights do not fit it.
        """
        self._read_base()
        self._lay_over([self.base])

    def picture(self) -> Callable[[Image.Image], Pixels]:
        """Return what the base does to a picture."""
        return self.base.picture()

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return the pieces that the base makes of a text."""
        return self.base.chunks(texts)

    def forward(self, pixels: Tensor | None, tokens: Sequence[Tokens] | None) -> Tensor:
        """Return the vectors of a batch, (n, dim)."""
        return self.base.forward(pixels, tokens)

    def trainable(self) -> nn.Module:
        """Return the module of the base, with what was trained in it."""
        return self.base.trainable()

    def share(self, other: Network) -> bool:
        """Take over the base's module of another modality, where both are passes of one model."""
        same = isinstance(other, FinetunedNetwork) and other.told.folder == self.told.folder
        if not (same and isinstance(other, FinetunedNetwork) and self.base.share(other.base)):
            return False
        # Each has only what its own vectors pass laid over it: now both have all of it.
        vars(self.base).pop("forward", None)
        other._read_base()
        self.base.share(other.base)
        self._lay_over([other.base, self.base])
        return True

    def _read_base(self) -> None:
        vars(self.base).pop("forward", None)  # with a map that an earlier call put behind it
        self.base.load()
        self.unit = self.base.unit

    def _lay_over(self, bases: Sequence[Network]) -> None:
        """Put what was trained over bases that have one module."""
        settings = self.told.meta["settings"]
        how = settings["adapter"], settings["adapter_options"], settings["train_layers"]
        try:
            adapted = adapt(bases, *how)
            adapted.load(self._trained(), others=True)
        except UsageError as error:
            raise UsageError(f"{self.told.folder}: {error}") from error
        adapted.merge()  # so that a pass costs what one of the base does

    def _sha256(self) -> str:
        path = self.told.folder / WEIGHTS
        pinned = self.told.meta["files"][WEIGHTS]
        if not path.is_file() or file_sha256(path) != pinned:
            raise UsageError(f"{path}: gone or changed: delete its folder and fine-tune again")
        return str(pinned)

    def _trained(self) -> dict[str, Tensor]:
        path = self.told.folder / WEIGHTS
        prefixes = (f"{self.modality}/", f"{SHARED}/")
        try:
            with safe_open(path, framework="pt", device=self.surroundings.device) as file:
                return {
                    name.partition("/")[2]: file.get_tensor(name)
                    for name in file.keys()  # noqa: SIM118
                    if name.startswith(prefixes)
                }
        except (SafetensorError, OSError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(
                f"{path} cannot be read ({reason}): delete its folder and fine-tune again"
            ) from error


def _short(said: Mapping[str, Any]) -> str:
    return f"{said.get('weights')} {str(said.get('sha256') or '')[:SHORT]}".strip()
