"""The state of every random number generator that a model may use, as tensors and numbers."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the states of Python's, NumPy's and PyTorch's generators: (tensors, plain values)."""
    version, words, gauss = random.getstate()
    name, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    tensors = {
        "python": torch.tensor(words),
        "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states = enumerate(torch.cuda.get_rng_state_all())
        tensors |= {f"cuda:{device}": state for device, state in states}
    numpy = [str(name), int(place), int(has_gauss), float(cached)]
    return tensors, {"python": [version, gauss], "numpy": numpy}


def set_random_state(tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Put back what `random_state` returned; a GPU that is not here is passed over."""
    version, gauss = facts["python"]
    random.setstate((version, tuple(tensors["python"].tolist()), gauss))
    name, *rest = facts["numpy"]
    np.random.set_state((name, tensors["numpy"].numpy().astype(np.uint32), *rest))
    torch.set_rng_state(tensors["torch"])
    for device in range(torch.cuda.device_count()):
        if f"cuda:{device}" in tensors:
            torch.cuda.set_rng_state(tensors[f"cuda:{device}"], device)
