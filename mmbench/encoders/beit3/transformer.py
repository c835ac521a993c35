"""Layers all of whose parameters come twice: A for pictures, B for texts."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from mmbench.encoders.beit3.config import FIRST_POSITION, Config

Way = Literal["A", "B"]
EPS = 1e-5
MLP_RATIO = 4


class Multiway(nn.Module):
    """The same module for pictures and for texts, each with its own parameters."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.A = make()
        self.B = make()

    def forward(self, states: Tensor, way: Way) -> Tensor:
        """Return what the module of one way gives."""
        mapped: Tensor = (self.A if way == "A" else self.B)(states)
        return mapped


def _norm(dim: int) -> Multiway:
    return Multiway(lambda: nn.LayerNorm(dim, eps=EPS))


class Attention(nn.Module):
    """Self-attention with a normalisation before the last projection."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.dim
        self.heads = config.heads
        self.q_proj = Multiway(lambda: nn.Linear(dim, dim))
        self.k_proj = Multiway(lambda: nn.Linear(dim, dim))
        self.v_proj = Multiway(lambda: nn.Linear(dim, dim))
        self.inner_attn_ln = _norm(dim)
        self.out_proj = Multiway(lambda: nn.Linear(dim, dim))

    def forward(self, states: Tensor, seen: Tensor | None, way: Way) -> Tensor:
        """Return (n, length, dim); `seen` is true at keys to attend to, (n, 1, 1, length)."""
        q, k, v = (
            projection(states, way).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )  # each (n, heads, length, dim / heads)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=seen)
        joined = mixed.transpose(1, 2).flatten(2)  # (n, length, dim)
        projected: Tensor = self.out_proj(self.inner_attn_ln(joined, way), way)
        return projected


class Mlp(nn.Module):
    """Two layers with an exact GELU and a normalisation between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, MLP_RATIO * dim)
        self.ffn_layernorm = nn.LayerNorm(MLP_RATIO * dim, eps=EPS)
        self.fc2 = nn.Linear(MLP_RATIO * dim, dim)

    def forward(self, states: Tensor) -> Tensor:
        """Return (..., dim) for (..., dim)."""
        hidden = self.fc1(states)
        # In float32 at any precision, as in training.
        hidden = gelu(hidden.float()).to(hidden.dtype)
        mapped: Tensor = self.fc2(self.ffn_layernorm(hidden))
        return mapped


class Layer(nn.Module):
    """Attention, then the two layers of a way, each added to what came in."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.self_attn_layer_norm = _norm(config.dim)
        self.self_attn = Attention(config)
        self.final_layer_norm = _norm(config.dim)
        self.ffn = Multiway(lambda: Mlp(config.dim))

    def forward(self, states: Tensor, seen: Tensor | None, way: Way) -> Tensor:
        """Return (n, length, dim)."""
        states = states + self.self_attn(self.self_attn_layer_norm(states, way), seen, way)
        moved: Tensor = states + self.ffn(self.final_layer_norm(states, way), way)
        return moved


class Positions(nn.Module):
    """A vector for each place of a picture's tokens (A) and of a text's (B)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.A = nn.Embedding(FIRST_POSITION + 1 + config.grid**2, config.dim)
        self.B = nn.Embedding(config.text_positions, config.dim)

    def forward(self, length: int, way: Way) -> Tensor:
        """Return (length, dim)."""
        table = self.A if way == "A" else self.B
        return table.weight[FIRST_POSITION : FIRST_POSITION + length]


class Encoder(nn.Module):
    """Positions, layers and the last normalisation."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed_positions = Positions(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.depth))
        self.layer_norm = _norm(config.dim)

    def forward(self, states: Tensor, padding: Tensor | None, way: Way) -> Tensor:
        """Return (n, length, dim); `padding` is true where there is no token, (n, length)."""
        states = states + self.embed_positions(states.shape[1], way)
        seen = None
        if padding is not None:
            states = torch.where(padding[:, :, None], 0, states)
            seen = ~padding[:, None, None, :]
        for layer in self.layers:
            states = layer(states, seen, way)
        normed: Tensor = self.layer_norm(states, way)
        return normed
