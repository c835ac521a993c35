"""Official checkpoints: checked key by key, fitted to a resolution."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmbench.encoders.beit3.config import FIRST_POSITION, IMAGE_POSITIONS, Config, config_of
from mmbench.encoders.beit3.model import BEiT3
from mmbench.encoders.checkpoint import check_keys, unwrapped
from mmbench.encoders.vlmo.positions import resized_positions
from mmbench.errors import UsageError

WRAPPERS = ("model", "module")


def load_beit3(state_dict: Mapping[str, Any], *, image_size: int | None = None) -> BEiT3:
    """Return the model of an official retrieval or itc state dict, float32, in evaluation mode.

    The configuration follows from the shapes. The tensors are copied.

    Args:
        state_dict: the content of a checkpoint; the wrappers model and module are taken off.
        image_size: pixels along a side; positions are fitted to it. Default: that of the file.

    Raises:
        UsageError: keys are missing, unknown or of another shape; a size that does not fit.
    """
    state = unwrapped(state_dict, WRAPPERS)
    stored = config_of(state)
    size = stored.image_size if image_size is None else image_size
    if size <= 0 or size % stored.patch:
        raise UsageError(f"image_size={size}: give a multiple of the patch, {stored.patch}")
    wanted = replace(stored, image_size=size)
    _check(state, stored)
    with torch.device("meta"):
        model = BEiT3(wanted)
    copied = {key: value.detach().to(torch.float32, copy=True) for key, value in state.items()}
    copied[IMAGE_POSITIONS] = _fitted(copied[IMAGE_POSITIONS], wanted.grid)
    model.load_state_dict(copied, strict=True, assign=True)
    return model.eval()


def _check(state: Mapping[str, Tensor], stored: Config) -> None:
    with torch.device("meta"):
        expected = BEiT3(stored).state_dict()
    shape = f"a BEiT-3 of dimension {stored.dim} and {stored.depth} layers"
    check_keys(state, expected, "no BEiT-3 retrieval or itc checkpoint", shape)


def _fitted(positions: Tensor, grid: int) -> Tensor:
    """Return the table for another grid; the rows before the first patch are kept."""
    tokens = resized_positions(positions[None, FIRST_POSITION:], grid)[0]  # (1 + grid², dim)
    return torch.cat([positions[:FIRST_POSITION], tokens])
