"""BEiT-3 with the two heads of retrieval: a text or an image, each through its own way."""

from math import log

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from mmbench.encoders.beit3.config import Config
from mmbench.encoders.beit3.transformer import Encoder
from mmbench.encoders.random_weights import random_model
from mmbench.errors import UsageError


class VisionEmbedding(nn.Module):
    """A picture cut into patches, each mapped to a vector, after [CLS]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.shape = (3, config.image_size, config.image_size)
        self.proj = nn.Conv2d(3, config.dim, config.patch, stride=config.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.dim))
        # Of the pretraining: in every checkpoint, and never read here.
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.dim))

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return (n, 1 + grid², dim) for (n, 3, image_size, image_size)."""
        if pixel_values.shape[1:] != self.shape:
            raise UsageError(
                f"pixel_values have shape {list(pixel_values.shape)}, this BEiT-3 takes "
                f"{['n', *self.shape]}: resize them, or load it with another image_size"
            )
        patches = self.proj(pixel_values).flatten(2).transpose(1, 2)  # (n, grid², dim)
        return torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)


class _Trunk(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.text_embed = nn.Embedding(config.vocabulary, config.dim)
        self.vision_embed = VisionEmbedding(config)
        self.encoder = Encoder(config)


class BEiT3(nn.Module):
    """The model of one configuration, under the key names of the official checkpoints.

    `pixel_values` are (n, 3, image_size, image_size); `text_ids` and `text_padding` are
    (n, length) with length up to `config.text_length`, and the padding is 1 (or true) where
    there is no token. A text may be padded or not: its features are the same.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.beit3 = _Trunk(config)
        self.vision_head = nn.Linear(config.dim, config.dim, bias=False)
        self.language_head = nn.Linear(config.dim, config.dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / 0.07)))

    def encode_image(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Return the retrieval features of pictures.

        Returns: cls_feats (n, dim), unit vectors; image_feats (n, 1 + grid², dim), the tokens
            after the last normalisation.

        Raises:
            UsageError: the size is not the model's.
        """
        states = self.beit3.encoder(self.beit3.vision_embed(pixel_values), None, "A")
        cls_feats = normalize(self.vision_head(states[:, 0]), dim=-1)
        return {"image_feats": states, "cls_feats": cls_feats}

    def encode_text(self, text_ids: Tensor, text_padding: Tensor) -> dict[str, Tensor]:
        """Return the retrieval features of texts: as of pictures, with text_feats.

        Raises:
            UsageError: the text is too long, or has no token that is not padding.
        """
        padding = text_padding.bool()
        if text_ids.shape[1] > self.config.text_length:
            raise UsageError(
                f"texts of {text_ids.shape[1]} tokens: this BEiT-3 takes "
                f"{self.config.text_length} at most"
            )
        if padding.all(dim=1).any():
            raise UsageError("a text is all padding: text_padding is 1 where there is no token")
        states = self.beit3.encoder(self.beit3.text_embed(text_ids), padding, "B")
        cls_feats = normalize(self.language_head(states[:, 0]), dim=-1)
        return {"text_feats": states, "cls_feats": cls_feats}


def random_beit3(config: Config, seed: int) -> BEiT3:
    """Return a model with random weights: normal with deviation 0.02, biases zero."""
    return random_model(lambda: BEiT3(config), seed)
