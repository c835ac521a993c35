"""The network of a folder of sentence-transformers, read strictly and without code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from mmbench.encoders.checkpoint import check_keys
from mmbench.encoders.huggingface.files import require_weights
from mmbench.encoders.huggingface.model import read_model
from mmbench.encoders.seeded import seeded
from mmbench.encoders.sentence.stack import DenseLayer, Stack
from mmbench.encoders.tensors import read_tensors
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError

import_torchvision_safely()  # before the first import of a model of transformers

from transformers import AutoModel  # noqa: E402

UNUSED = ("pooler.",)  # a head of BERT's that changes no token's vector, and that many files lack
DENSE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class SentenceNetwork(nn.Module):
    """Token vectors, pooled, perhaps through linear layers, perhaps of unit length."""

    def __init__(self, transformer: nn.Module, stack: Stack) -> None:
        super().__init__()
        self.transformer = transformer
        self.stack = stack
        self.dense = nn.ModuleList(
            nn.Linear(layer.given, layer.made, layer.bias) for layer in stack.dense
        )
        self.activations = nn.ModuleList(getattr(nn, layer.activation)() for layer in stack.dense)

    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Return (n, dim) for what the transformer takes and its mask, (n, length)."""
        states = self.transformer(**inputs).last_hidden_state  # (n, length, hidden)
        vectors = pooled(states, mask, self.stack.pooling)  # (n, hidden)
        for linear, activation in zip(self.dense, self.activations, strict=True):
            vectors = activation(linear(vectors))  # (n, made)
        return normalize(vectors, dim=1) if self.stack.unit else vectors


def pooled(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """Return one vector a text: (n, length, dim), (n, length) → (n, dim).

    Args:
        states: the token vectors.
        mask: 1 on real tokens, which stand in one row.
        how: mean, max, or cls for the first one.
    """
    if how == "cls":
        return states[torch.arange(len(states), device=states.device), mask.argmax(dim=1)]
    kept = mask.unsqueeze(-1)  # (n, length, 1)
    if how == "max":
        return states.masked_fill(kept == 0, float("-inf")).amax(dim=1)
    total = (states * kept).sum(dim=1, dtype=torch.float32)
    return total / kept.sum(dim=1).clamp(min=1e-9)


def random_network(config: Any, stack: Stack, seed: int) -> SentenceNetwork:
    """Return the network of a description with the weights that a seed draws."""
    with seeded(seed):
        return SentenceNetwork(AutoModel.from_config(config).float(), stack).eval()  # type: ignore[no-untyped-call]


def read_network(config: Any, stack: Stack, folder: Path) -> SentenceNetwork:
    """Return the network in a folder, float32, each of its weights read from there.

    Raises:
        UsageError: a file is missing or truncated, or its weights are not exactly the network's.
    """
    inner = folder / stack.transformer
    network = SentenceNetwork(read_model(AutoModel, config, require_weights(inner), UNUSED), stack)
    for linear, layer in zip(network.dense, stack.dense, strict=True):
        _fill(linear, layer, folder / layer.folder)
    return network.eval()


def dense_weights(stack: Stack, folder: Path) -> list[Path]:
    """Return the files of the linear layers; UsageError where one is missing."""
    return [_dense_file(folder / layer.folder) for layer in stack.dense]


def _fill(linear: nn.Module, layer: DenseLayer, folder: Path) -> None:
    path = _dense_file(folder)
    expected = {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}
    state = read_tensors(path)
    try:
        check_keys(state, expected, "no weights of a linear layer", f"its {layer.folder}")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    linear.load_state_dict({key.removeprefix("linear."): state[key] for key in expected})


def _dense_file(folder: Path) -> Path:
    for name in DENSE_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise UsageError(f"{folder}: holds no {DENSE_WEIGHTS[0]}: fetch it, too")
