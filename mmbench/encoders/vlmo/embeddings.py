"""Words and patches as vectors."""

import torch
from torch import Tensor, nn

from mmbench.encoders.vlmo.config import Config
from mmbench.errors import UsageError


class TextEmbeddings(nn.Module):
    """BERT's embedding of words.

    The table of positions is in every checkpoint and only added where positions are absolute.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.absolute = not config.relative
        self.word_embeddings = nn.Embedding(config.vocabulary, config.dim, padding_idx=0)
        self.position_embeddings = nn.Embedding(config.text_length, config.dim)
        self.token_type_embeddings = nn.Embedding(2, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=1e-12)

    def forward(self, text_ids: Tensor) -> Tensor:
        """Return (n, length, dim) for token ids (n, length)."""
        states = self.word_embeddings(text_ids) + self.token_type_embeddings.weight[0]
        if self.absolute:
            states = states + self.position_embeddings.weight[: text_ids.shape[1]]
        embedded: Tensor = self.LayerNorm(states)
        return embedded


class PatchEmbedding(nn.Module):
    """A picture cut into patches, each mapped to a vector."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.shape = (3, config.image_size, config.image_size)
        self.proj = nn.Conv2d(3, config.dim, config.patch, stride=config.patch)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Return (n, grid², dim) for (n, 3, image_size, image_size); UsageError for another."""
        if pixel_values.shape[1:] != self.shape:
            raise UsageError(
                f"pixel_values have shape {list(pixel_values.shape)}, this VLMo takes "
                f"{['n', *self.shape]}: resize them, or load it with another image_size"
            )
        planes: Tensor = self.proj(pixel_values)  # (n, dim, grid, grid)
        return planes.flatten(2).transpose(1, 2)


def with_first(first: Tensor, patches: Tensor, positions: Tensor | None) -> Tensor:
    """Return [CLS] and patches with their positions: (n, 1 + grid², dim)."""
    states = torch.cat([first.expand(len(patches), -1, -1), patches], dim=1)
    return states if positions is None else states + positions
