"""Arrays and tensors from files of other programs; no code in them runs."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.errors import UsageError

TORCH = (".pt", ".pth")


def numpy_array(path: Path, key: str | None = None) -> NDArray[Any]:
    """Return the array in a .npy, memory-mapped, or one of those in a .npz.

    Raises:
        UsageError: the file is missing or damaged, or holds Python objects.
    """
    where = f"{path}: {key}" if key else str(path)
    try:
        if key is None:
            array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            return array
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[key])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"{where}: no plain array of numbers ({reason}): save float32 with numpy.save"
        ) from error


def as_array(value: Any, where: str) -> NDArray[Any]:
    """Return a tensor as an array; UsageError where it is none, or one that is not dense."""
    if not isinstance(value, Tensor) or value.layout != torch.strided:
        kind = "sparse tensor" if isinstance(value, Tensor) else type(value).__name__
        raise UsageError(f"{where}: is a {kind}: save a dense tensor")
    # NumPy has no bfloat16.
    plain = value.detach().float() if value.dtype == torch.bfloat16 else value.detach()
    array: NDArray[Any] = plain.numpy()
    return array
