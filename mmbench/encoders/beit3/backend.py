"""BEiT-3 as an encoder: a vector for a picture or for a text, in one space."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from mmbench.encoders.base import Surroundings
from mmbench.encoders.beit3.checkpoint import load_beit3
from mmbench.encoders.beit3.config import HEAD_DIM, SIZES, Config
from mmbench.encoders.beit3.model import BEiT3, random_beit3
from mmbench.encoders.beit3.vocabulary import ADDRESS, tokenizer, vocabulary
from mmbench.encoders.network import Tokens
from mmbench.encoders.squash import centred
from mmbench.encoders.unified import SEED, Reads, Unified, known_sizes
from mmbench.errors import UsageError


class Beit3(Unified):
    """The retrieval features of a BEiT-3: unit vectors, pictures and texts in one space.

    Args:
        model: base or large.
        image_size: pixels along a side; positions are fitted to it.
        file: name of the checkpoint.
        sha256: that of the checkpoint, where it is known.
        dim, depth: sizes other than the model's, for a small one of its kind.

    Raises:
        UsageError: the modality is none of the two, the model is unknown, or a size is wrong.
    """

    name = "beit3"
    article = "a BEiT-3"
    address = ADDRESS
    hint = " (saved as .zip by a browser, it is to be renamed, not unpacked)"
    reads: ClassVar[Reads] = {"image": ("image",), "text": ("text",)}
    text_length = 64  # where the authors cut; the model has positions for more
    _vocabulary = staticmethod(vocabulary)
    _tokenizer_of = staticmethod(tokenizer)
    _model: BEiT3

    def __init__(
        self,
        modality: str,
        random_weights: bool,
        surroundings: Surroundings,
        model: str,
        image_size: int,
        file: str,
        sha256: str | None = None,
        dim: int | None = None,
        depth: int | None = None,
    ) -> None:
        sizes = {"dim": dim, "depth": depth}
        given: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        known = known_sizes(self.name, SIZES, model)
        self.config = _checked(replace(known, image_size=image_size, **given))
        super().__init__(modality, random_weights, surroundings, model, self.config, file, sha256)

    def forward(self, pixels: Tensor | None, tokens: Sequence[Tokens] | None) -> Tensor:
        """Return (n, dim) unit vectors, of pictures or of texts."""
        if pixels is not None:
            return self._model.encode_image(centred(pixels))["cls_feats"]
        ids, mask = self._words(tokens or ())
        return self._model.encode_text(ids, mask == 0)["cls_feats"]

    def _random(self) -> BEiT3:
        return random_beit3(self.config, SEED)

    def _loaded(self, held: Mapping[str, Any]) -> BEiT3:
        return load_beit3(held, image_size=self.config.image_size)


def _checked(config: Config) -> Config:
    if config.dim < HEAD_DIM or config.dim % HEAD_DIM or config.depth < 1:
        raise UsageError(
            f"backend 'beit3': no model has dimension {config.dim} and {config.depth} layers: the "
            f"dimension is a multiple of {HEAD_DIM}, and there is a layer"
        )
    return config
