"""Official checkpoints: checked key by key, fitted to a resolution."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmbench.encoders.checkpoint import check_keys, unwrapped
from mmbench.encoders.vlmo.config import POSITIONS, TABLE, TEXT_POSITIONS, Config
from mmbench.encoders.vlmo.model import VLMo
from mmbench.encoders.vlmo.positions import resized_positions, resized_table
from mmbench.encoders.vlmo.shapes import config_of
from mmbench.errors import UsageError

WRAPPERS = ("state_dict", "module", "model")
# Buffers of released files that follow from the configuration.
DERIVED = frozenset(
    {
        "relative_position_index",
        "text_relative_position_index",
        "text_imag_relative_position_index",
        "text_embeddings.position_ids",
    }
)


def load_vlmo(
    state_dict: Mapping[str, Any],
    *,
    heads: int | None = None,
    text_length: int = 40,
    image_size: int | None = None,
    initial_text_length: int | None = None,
) -> VLMo:
    """Return the model of an official state dict, in float32 and evaluation mode.

    The configuration follows from the shapes. The tensors are copied.

    Args:
        state_dict: the content of a checkpoint; the wrappers state_dict, module and model are
            taken off.
        heads: attention heads, where the shapes do not tell: absolute positions and a dimension
            other than 544 or a multiple of 64.
        text_length: the longest text, in tokens; at most as many as the file has positions for.
        image_size: pixels along a side; positions are fitted to it. Default: that of the file.
        initial_text_length: text length of the bias table. Default: 196 as in all official
            files, else what `config_of` takes from the shapes.

    Raises:
        UsageError: keys are missing, unknown or of another shape; a size that does not fit.
    """
    state = unwrapped(state_dict, WRAPPERS)
    stored = config_of(state, heads, initial_text_length)
    state = {key: value for key, value in state.items() if key not in DERIVED}
    wanted = _wanted(stored, text_length, image_size)
    _check(state, stored)
    with torch.device("meta"):
        model = VLMo(wanted)
    fitted = _fitted({key: _copied(value) for key, value in state.items()}, stored, wanted)
    model.load_state_dict(fitted, strict=True, assign=True)
    return model.eval()


def _wanted(stored: Config, text_length: int, image_size: int | None) -> Config:
    size = image_size or stored.image_size
    if size <= 0 or size % stored.patch:
        raise UsageError(f"image_size={size}: give a multiple of the patch, {stored.patch}")
    if text_length < 1:
        raise UsageError(f"text_length={text_length}: give 1 token or more")
    return replace(stored, image_size=size, text_length=min(text_length, stored.text_length))


def _check(state: Mapping[str, Tensor], stored: Config) -> None:
    if stored.text_length > stored.initial_text_length and stored.relative:
        raise UsageError(
            f"'{TEXT_POSITIONS}' has {stored.text_length} rows, more than the bias table's "
            f"texts of {stored.initial_text_length} tokens"
        )
    with torch.device("meta"):
        expected = VLMo(stored).state_dict()
    shape = f"a VLMo of dimension {stored.dim} and {stored.depth} layers"
    check_keys(state, expected, "no whole VLMo checkpoint", shape)


def _copied(value: Tensor) -> Tensor:
    return value.detach().to(torch.float32, copy=True)


def _fitted(state: dict[str, Tensor], stored: Config, wanted: Config) -> dict[str, Tensor]:
    state[TEXT_POSITIONS] = state[TEXT_POSITIONS][: wanted.text_length].clone()
    if stored.relative:
        state[TABLE] = resized_table(state[TABLE], stored.grid, wanted.grid)
    else:
        state[POSITIONS] = resized_positions(state[POSITIONS], wanted.grid)
    return state
