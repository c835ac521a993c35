"""Official checkpoints: read without running code, checked key by key, fitted to a resolution."""

import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbench.encoders.vlmo.config import POSITIONS, TABLE, TEXT_POSITIONS, Config
from mmbench.encoders.vlmo.model import VLMo
from mmbench.encoders.vlmo.positions import resized_positions, resized_table
from mmbench.encoders.vlmo.shapes import config_of
from mmbench.errors import UsageError, nearest

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
UNREADABLE = (RuntimeError, OSError, EOFError, pickle.UnpicklingError, KeyError, ValueError)


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Return what a file holds: a state dict, or a wrapper around one.

    Only tensors and plain containers are read; code in the file does not run.

    Raises:
        UsageError: the file is missing, truncated, or holds other Python objects.
    """
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"{path}: no file of tensors only that torch can read ({reason}): fetch it again"
        ) from error
    if not isinstance(held, Mapping):
        raise UsageError(f"{path}: holds a {type(held).__name__}, not a state dict")
    return held


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
    state = _unwrapped(state_dict)
    stored = config_of(state, heads, initial_text_length)
    state = {key: value for key, value in state.items() if key not in DERIVED}
    wanted = _wanted(stored, text_length, image_size)
    _check(state, stored)
    with torch.device("meta"):
        model = VLMo(wanted)
    fitted = _fitted({key: _copied(value) for key, value in state.items()}, stored, wanted)
    model.load_state_dict(fitted, strict=True, assign=True)
    return model.eval()


def _unwrapped(held: Mapping[str, Any]) -> dict[str, Tensor]:
    wrapper = next((name for name in WRAPPERS if isinstance(held.get(name), Mapping)), None)
    inner: Mapping[str, Any] = held[wrapper] if wrapper else held
    cut = "module." if wrapper == "module" else ""  # how DeepSpeed names what it wraps
    state = {str(key).removeprefix(cut): value for key, value in inner.items()}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise UsageError(f"no state dict: '{key}' is a {type(value).__name__}, not a tensor")
    return state


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
    missing = [key for key in expected if key not in state]
    unknown = [key for key in state if key not in expected]
    faults = [f"key '{missing[0]}' is missing{_more(missing)}"] if missing else []
    if unknown:
        known = nearest(unknown[0], missing or expected)
        faults.append(f"unexpected key '{unknown[0]}'{_more(unknown)}, {known}")
    if faults:
        raise UsageError(f"no whole VLMo checkpoint: {'; '.join(faults)}")
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise UsageError(
                f"'{key}' has shape {list(state[key].shape)}, a VLMo of dimension {stored.dim} "
                f"and {stored.depth} layers has {list(tensor.shape)} there"
            )


def _more(keys: list[str]) -> str:
    return f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""


def _copied(value: Tensor) -> Tensor:
    return value.detach().to(torch.float32, copy=True)


def _fitted(state: dict[str, Tensor], stored: Config, wanted: Config) -> dict[str, Tensor]:
    state[TEXT_POSITIONS] = state[TEXT_POSITIONS][: wanted.text_length].clone()
    if stored.relative:
        state[TABLE] = resized_table(state[TABLE], stored.grid, wanted.grid)
    else:
        state[POSITIONS] = resized_positions(state[POSITIONS], wanted.grid)
    return state
