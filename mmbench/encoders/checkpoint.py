"""Checkpoints a person brings: read without running code, unwrapped, checked key by key."""

import pickle
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import SHORT, file_sha256

# What torch raises for files of other bytes, each of them seen.
UNREADABLE = (
    *(RuntimeError, OSError, EOFError, pickle.UnpicklingError, LookupError, ValueError),
    *(TypeError, AttributeError, AssertionError, struct.error),
)
ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
PICKLE, SCRIPT = b"\x80", "TorchScript"  # how a pickle begins, and what torch calls its programs


def pinned_sha256(path: Path, pin: str | None) -> str:
    """Return the sha256 of a weights file.

    Raises:
        UsageError: there is a pin, and the file is another one.
    """
    found = file_sha256(path)
    if pin is not None and found != pin:
        raise UsageError(
            f"{path}: its sha256 begins with {found[:SHORT]}, that of the pinned weights with "
            f"{pin[:SHORT]}: fetch the file again"
        )
    return found


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Return what a file holds: a state dict, or a wrapper around one.

    Only tensors and plain containers are read; code in the file does not run.

    Raises:
        UsageError: the file is missing, truncated, or holds other Python objects.
    """
    held = torch_object(path)
    if not isinstance(held, Mapping):
        raise UsageError(f"{path}: holds a {type(held).__name__}, not a state dict")
    return held


def torch_object(path: Path) -> Any:
    """Return what torch saved in a file: tensors, and plain containers of them.

    Raises:
        UsageError: the file is missing, truncated, or holds other Python objects.
    """
    try:
        with warnings.catch_warnings():  # what matters of them is told below, in one line
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UsageError(f"{path}: {_fault(path, error)}") from error


def _fault(path: Path, error: Exception) -> str:
    if isinstance(error, ABSENT):
        return f"cannot be read ({error.strerror}): name a file of weights"
    if _holds_objects(path, error):
        return (
            "holds Python objects beside tensors, which are never run: save its state dict as "
            ".safetensors"
        )
    return "no file that torch can read, or not all of it: fetch it again"


def _holds_objects(path: Path, error: Exception) -> bool:
    """Say whether a file was refused for what it holds, not because it is damaged."""
    if not isinstance(error, pickle.UnpicklingError):
        return SCRIPT in str(error)
    if "Unsupported operand" not in str(error):
        return True
    with path.open("rb") as file:  # so it is told of junk, and of pickles that torch did not write
        head = file.read(2)
    return head[:1] == PICKLE and head[1:] <= bytes([pickle.HIGHEST_PROTOCOL])


def unwrapped(held: Mapping[str, Any], wrappers: Sequence[str]) -> dict[str, Tensor]:
    """Return the state dict in a checkpoint, taken out of the first of some wrappers it is in.

    Raises:
        UsageError: a value is no tensor.
    """
    wrapper = next((name for name in wrappers if isinstance(held.get(name), Mapping)), None)
    inner: Mapping[str, Any] = held[wrapper] if wrapper else held
    cut = "module." if wrapper == "module" else ""  # how DeepSpeed names what it wraps
    state = {str(key).removeprefix(cut): value for key, value in inner.items()}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise UsageError(f"no state dict: '{key}' is a {type(value).__name__}, not a tensor")
    return state


def check_keys(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], refusal: str, model: str
) -> None:
    """Refuse a state dict whose keys or shapes are not exactly those expected.

    Args:
        state: what the file holds.
        expected: what the model has; only the shapes are looked at.
        refusal: how the message about keys begins.
        model: the model in words, for the message about shapes.

    Raises:
        UsageError: a key is missing, unknown or of another shape; the message names it.
    """
    missing = [key for key in expected if key not in state]
    unknown = [key for key in state if key not in expected]
    faults = [f"key '{missing[0]}' is missing{_more(missing)}"] if missing else []
    if unknown:
        known = nearest(unknown[0], missing or expected)
        faults.append(f"unexpected key '{unknown[0]}'{_more(unknown)}, {known}")
    if faults:
        raise UsageError(f"{refusal}: {'; '.join(faults)}")
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            found, wanted = list(state[key].shape), list(tensor.shape)
            raise UsageError(f"'{key}' has shape {found}, {model} has {wanted} there")


def _more(keys: list[str]) -> str:
    return f" (and {len(keys) - 1} more)" if len(keys) > 1 else ""
