"""Weights of an open_clip model from a file: no code of it runs, and every key must fit."""

from collections.abc import Mapping
from pathlib import Path

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from torch import Tensor, nn

from mmbench.encoders.checkpoint import check_keys, read_checkpoint, unwrapped
from mmbench.encoders.tensors import read_tensors
from mmbench.errors import UsageError

# They scale the loss and change no vector; old files lack one of them or give it another shape.
LOGITS = ("logit_scale", "logit_bias")
# The numbers 0, 1, 2 ...: no weight of transformers since 4.31.
POSITIONS = "text.transformer.embeddings.position_ids"
MISFITS = (KeyError, ValueError, RuntimeError, AttributeError, TypeError, IndexError)


def load_weights(network: nn.Module, path: Path, name: str) -> None:
    """Read a file of weights into a network.

    A checkpoint of another input size is refused, where open_clip would stretch its positions.

    Args:
        network: it gets the weights.
        path: .safetensors, or a file of torch with a state dict or a wrapper around one.
        name: of the model, for messages.

    Raises:
        UsageError: the file cannot be read without running code, or is not of this model.
    """
    expected = network.state_dict()
    try:
        state = _converted(_read(path), network, expected)
        check_keys(state, expected, f"no state dict of {name}", name)
    except UsageError as error:
        told = str(error)
        raise UsageError(told if str(path) in told else f"{path}: {told}") from error
    network.load_state_dict(state)


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        state = read_tensors(path)
    else:
        state = unwrapped(read_checkpoint(path), ("state_dict",))
    return {key.removeprefix("module."): tensor for key, tensor in state.items()}


def _converted(
    state: dict[str, Tensor], network: nn.Module, expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the state dict under the names of today, as open_clip's own loader does."""
    try:
        named: dict[str, Tensor] = convert_state_dict(network, state)  # from Apple's names
        if "text.positional_embedding" in expected:
            named = convert_to_custom_text_state_dict(named)
        for key in [key for key in LOGITS if key in expected]:
            held = named.get(key, torch.zeros_like(expected[key]))
            named[key] = held.reshape(expected[key].shape)
    except MISFITS as error:
        raise UsageError(f"its keys are not those of a model of open_clip ({error!r})") from error
    if POSITIONS not in expected:
        named.pop(POSITIONS, None)
    return named
