"""What fixes a VLMo."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TABLE = "relative_position_bias_table"
POSITIONS = "transformer.pos_embed"
TEXT_POSITIONS = "text_embeddings.position_embeddings.weight"
SPECIAL = 5  # rows of the table beyond image and text offsets: [CLS] of each, and one way across
INITIAL_TEXT = 196  # text length of the text pretraining, for which the table has its rows
PRETRAINING = frozenset({"mlm", "itm", "itc", "itc_vl"})


@dataclass(frozen=True)
class Config:
    """The sizes of a VLMo.

    heads: attention heads. vl_start: first layer with a vision-language expert; `depth` where
    there is none. relative: relative position bias; else absolute positions. layer_scale: gammas
    at both residuals. initial_text_length: the text length the bias table has rows for.
    modality_types: rows of the outer type table (3 in NLVR2). tasks: output heads, of mlm, itm,
    itc, itc_vl, vqa, nlvr2.
    """

    dim: int
    depth: int
    heads: int
    vl_start: int
    relative: bool
    layer_scale: bool
    image_size: int = 224
    patch: int = 16
    text_length: int = 40
    initial_text_length: int = INITIAL_TEXT
    vocabulary: int = 30522
    modality_types: int = 2
    tasks: frozenset[str] = PRETRAINING

    def __str__(self) -> str:
        """Return the sizes that tell one model from another, in words."""
        return (
            f"dimension {self.dim}, {self.depth} layers, {self.heads} heads, vision-language "
            f"experts from layer {self.vl_start}, texts of {self.text_length} tokens and "
            f"{'relative' if self.relative else 'absolute'} positions"
        )

    @property
    def grid(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch

    @property
    def table_rows(self) -> int:
        """Rows of the relative position bias table."""
        return (2 * self.grid - 1) ** 2 + 2 * self.initial_text_length + SPECIAL


SIZES: Mapping[str, Config] = MappingProxyType(
    {
        "base": Config(768, 12, 12, vl_start=10, relative=True, layer_scale=True),
        "base_plus": Config(544, 24, 16, vl_start=21, relative=False, layer_scale=False),
        "large": Config(1024, 24, 16, vl_start=21, relative=True, layer_scale=True),
    }
)
