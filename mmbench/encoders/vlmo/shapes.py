"""How the keys and shapes of a state dict tell the configuration of its VLMo."""

import re
from collections.abc import Mapping
from itertools import count
from math import isqrt
from types import MappingProxyType

from torch import Tensor

from mmbench.encoders.vlmo.config import (
    INITIAL_TEXT,
    POSITIONS,
    SIZES,
    SPECIAL,
    TABLE,
    TEXT_POSITIONS,
    Config,
)
from mmbench.errors import UsageError

IMAGE_INDEX = "relative_position_index"
# A key that a task's parameters begin with → the task.
TASK_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "mlm_score.": "mlm",
        "itm_score.": "itm",
        "itc_text_proj.": "itc",
        "itc_image_proj.": "itc",
        "logit_scale": "itc",
        "itc_vl_text_proj.": "itc_vl",
        "itc_vl_image_proj.": "itc_vl",
        "logit_vl_scale": "itc_vl",
        "vqa_classifier.": "vqa",
        "nlvr2_classifier.": "nlvr2",
    }
)


def config_of(
    state: Mapping[str, Tensor], heads: int | None = None, initial_text_length: int | None = None
) -> Config:
    """Return the configuration of the model that a state dict was saved from.

    Args:
        state: an unwrapped state dict.
        heads: attention heads, where the shapes do not tell (absolute positions).
        initial_text_length: text length the bias table has rows for, where it is not 196. Without
            it, and where 196 does not fit, it is taken from the stored index of the image; else
            the grid of patches is the largest that leaves the table room for longer texts than
            the file has positions for.

    Raises:
        UsageError: the keys or shapes are not those of a VLMo, or do not tell the heads.
    """
    dim = _size(state, "transformer.cls_token", 3, 2)
    patch = _size(state, "transformer.patch_embed.proj.weight", 4, 2)
    depth = _depth(state)
    text_length = _size(state, TEXT_POSITIONS, 2, 0)
    initial = initial_text_length or _initial(state, text_length)
    return Config(
        dim=dim,
        depth=depth,
        heads=_heads(state, dim, depth, heads),
        vl_start=min(_layers(state, r"(mlp|norm2)_vl\."), default=depth),
        relative=TABLE in state,
        layer_scale=any(key.endswith(".gamma_1") for key in state),
        image_size=patch * _grid(state, initial),
        patch=patch,
        text_length=text_length,
        initial_text_length=initial,
        vocabulary=_size(state, "text_embeddings.word_embeddings.weight", 2, 0),
        modality_types=_size(state, "token_type_embeddings.weight", 2, 0),
        tasks=_tasks(state),
    )


def _depth(state: Mapping[str, Tensor]) -> int:
    if TABLE not in state and POSITIONS not in state:
        raise UsageError(f"no VLMo checkpoint: neither '{TABLE}' nor '{POSITIONS}' is there")
    layers = _layers(state, r"[a-z]")
    depth = next(layer for layer in count() if layer not in layers)
    if depth == 0:
        raise UsageError("no VLMo checkpoint: key 'transformer.blocks.0.norm1.weight' is missing")
    return depth


def _tasks(state: Mapping[str, Tensor]) -> frozenset[str]:
    return frozenset(
        task for start, task in TASK_KEYS.items() for key in state if key.startswith(start)
    )


def _size(state: Mapping[str, Tensor], key: str, axes: int, axis: int) -> int:
    if key not in state:
        raise UsageError(f"no VLMo checkpoint: key '{key}' is missing")
    if state[key].ndim != axes:
        shape = list(state[key].shape)
        raise UsageError(f"no VLMo checkpoint: '{key}' has shape {shape}, not {axes} axes")
    return state[key].shape[axis]


def _layers(state: Mapping[str, Tensor], part: str) -> set[int]:
    found = (re.match(rf"transformer\.blocks\.(\d+)\.{part}", key) for key in state)
    return {int(match[1]) for match in found if match}


def _heads(state: Mapping[str, Tensor], dim: int, depth: int, wished: int | None) -> int:
    if TABLE in state:
        columns = _size(state, TABLE, 2, 1)
        told = columns // depth
        if told * depth != columns or told == 0 or wished not in (None, told):
            raise UsageError(
                f"'{TABLE}' has {columns} columns, which {depth} layers of "
                f"{wished or 'equally many'} attention heads do not have"
            )
    else:
        told = wished or (SIZES["base_plus"].heads if dim == SIZES["base_plus"].dim else dim // 64)
    if told == 0 or dim % told:
        raise UsageError(
            f"the attention heads of a VLMo of dimension {dim} are not told by its shapes or do "
            "not divide it: give heads=N"
        )
    return told


def _initial(state: Mapping[str, Tensor], text_length: int) -> int:
    if TABLE not in state or _side(_size(state, TABLE, 2, 0) - 2 * INITIAL_TEXT - SPECIAL):
        return INITIAL_TEXT
    rows = _size(state, TABLE, 2, 0) - SPECIAL
    if IMAGE_INDEX in state:
        grid = isqrt(_size(state, IMAGE_INDEX, 2, 0) - 1)
        return (rows - (2 * grid - 1) ** 2) // 2
    room = isqrt(max(rows - 2 * (text_length + 1), 1))
    side = room if room % 2 else room - 1  # (2 * grid - 1) of the largest grid
    return (rows - side**2) // 2


def _grid(state: Mapping[str, Tensor], initial: int) -> int:
    if TABLE in state:
        rows = _size(state, TABLE, 2, 0)
        side = _side(rows - 2 * initial - SPECIAL)
        if not side:
            raise UsageError(
                f"'{TABLE}' has {rows} rows, which no grid of patches has beside texts of "
                f"{initial} tokens: give initial_text_length=N"
            )
        return (side + 1) // 2
    tokens = _size(state, POSITIONS, 3, 1)
    grid = isqrt(max(tokens - 1, 0))
    if grid == 0 or grid**2 + 1 != tokens:
        raise UsageError(f"'{POSITIONS}' has {tokens} rows, which is no square and [CLS]")
    return grid


def _side(rows: int) -> int:
    """Return 2 * grid - 1 where the rows are those of a grid's offsets, else 0."""
    side = isqrt(max(rows, 0))
    return side if side % 2 and side**2 == rows else 0
