"""VLMo as an encoder: a vector for a picture, for a text, or one for both seen together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from mmbench.encoders.base import (
    Backend,
    Content,
    Matrix,
    Surroundings,
    images_of,
    slices,
    texts_of,
)
from mmbench.encoders.checkpoint import read_checkpoint
from mmbench.encoders.vlmo.checkpoint import load_vlmo
from mmbench.encoders.vlmo.config import SIZES, Config
from mmbench.encoders.vlmo.model import VLMo, random_vlmo
from mmbench.encoders.vlmo.pixels import TRANSFORM, pixels
from mmbench.encoders.vlmo.vocabulary import tokenizer, vocabulary
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

ADDRESS = "https://github.com/wenhui0924/vlmo_ckpts/releases/download/vlmo"
SEED = 0
PASSES = {"image": "infer_image_ft", "text": "infer_text_ft", "joint": "infer"}
INPUTS: Mapping[str, tuple[Literal["image", "text"], ...]] = {
    "image": ("image",),
    "text": ("text",),
    "joint": ("image", "text"),
}


class Vlmo(Backend):
    """The `cls_feats` of a VLMo.

    `image` and `text` are unit vectors in one space, from the passes made for retrieval; `joint`
    is the pooled vector of picture and text seen together. Weights are read from
    `<models>/vlmo/<file>`; nothing is fetched.

    Args:
        model: base, base_plus or large.
        image_size: pixels along a side; positions are fitted to it.
        file: name of the checkpoint.
        dim, depth, heads, vl_start: sizes other than the model's, for a small one of its kind.

    Raises:
        UsageError: the modality is none of the three, the model is unknown, or a size is wrong.
    """

    def __init__(
        self,
        modality: str,
        random_weights: bool,
        surroundings: Surroundings,
        model: str,
        image_size: int,
        file: str,
        dim: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        vl_start: int | None = None,
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        if modality not in PASSES:
            raise UsageError(f"backend 'vlmo' encodes image, text and joint, not '{modality}'")
        if model not in SIZES:
            raise UsageError(f"unknown model '{model}' for backend 'vlmo': {nearest(model, SIZES)}")
        self.inputs = INPUTS[modality]
        sizes = {"dim": dim, "depth": depth, "heads": heads, "vl_start": vl_start}
        given: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        self.config = _checked(replace(SIZES[model], image_size=image_size, **given))
        self.model, self.file, self.heads = model, file, heads

    def identity(self) -> Mapping[str, Any]:
        """Return the model and its sizes, the pass, the sha256 of weights and vocabulary."""
        sizes = asdict(self.config)
        del sizes["tasks"]  # which output heads a file has does not change what the others give
        same: dict[str, Any] = {
            "model": self.model,
            "sizes": sizes,
            "pass": PASSES[self.modality],
        }
        if "image" in self.inputs:
            same["pixels"] = f"{TRANSFORM}, {self.config.image_size}"
        if "text" in self.inputs:
            same["tokenizer"] = file_sha256(vocabulary(self._folder()))
            same["text"] = f"cut at {self.config.text_length} tokens"
        if self.random_weights:
            return {**same, "weights": "random", "seed": SEED}
        return {**same, "weights": "pretrained", "sha256": file_sha256(self._weights())}

    def load(self) -> None:
        """Build the model and read its weights.

        Raises:
            UsageError: the weights or the vocabulary are not there, or are not this model's.
        """
        model = random_vlmo(self.config, SEED) if self.random_weights else self._read()
        self._model = model.to(self.surroundings.device)
        if "text" in self.inputs:
            self._tokenizer = tokenizer(vocabulary(self._folder()))

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), dim) float32."""
        return np.concatenate([self._vectors(part) for part in slices(batch)])

    def _vectors(self, batch: Sequence[Content]) -> Matrix:
        parts: list[Tensor] = []
        if "text" in self.inputs:
            parts += self._tokens(texts_of(batch))
        if "image" in self.inputs:
            size = self.config.image_size
            parts.append(torch.stack([pixels(image, size) for image in images_of(batch)]))
        with torch.inference_mode():
            run = getattr(self._model, PASSES[self.modality])
            features = run(*(part.to(self.surroundings.device) for part in parts))
            matrix: Matrix = features["cls_feats"].float().cpu().numpy()  # (n, dim)
        return matrix

    def _tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return ids and masks, (n, length) each; as long as the longest text of the batch."""
        length = self._model.config.text_length
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        return tokens["input_ids"], tokens["attention_mask"]

    def _read(self) -> VLMo:
        path = self._weights()
        held = read_checkpoint(path)
        wanted = self.config
        try:
            model = load_vlmo(
                held,
                heads=self.heads,
                text_length=wanted.text_length,
                image_size=wanted.image_size,
            )
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        if _sizes(model.config) != _sizes(wanted):
            raise UsageError(
                f"{path}: a VLMo of {_sizes(model.config)}, but '{self.model}' is one of "
                f"{_sizes(wanted)}: name the model it is of, or put the right file there"
            )
        return model

    def _folder(self) -> Path:
        return self.surroundings.models / "vlmo"

    def _weights(self) -> Path:
        path = self._folder() / self.file
        if not path.is_file():
            raise UsageError(
                f"vlmo has no weights: fetch {ADDRESS}/{self.file} and put it at {path}, or add "
                "--random-weights"
            )
        return path


def _checked(config: Config) -> Config:
    if config.image_size < config.patch or config.image_size % config.patch:
        raise UsageError(
            f"backend 'vlmo': image_size {config.image_size} is no multiple of {config.patch}"
        )
    whole = config.heads > 0 and config.dim > 0 and config.dim % config.heads == 0
    if not whole or not 0 <= config.vl_start < config.depth:
        raise UsageError(
            f"backend 'vlmo': no model has {_sizes(config)}: heads must divide the dimension, "
            "and vision-language layers start below the depth"
        )
    return config


def _sizes(config: Config) -> str:
    return (
        f"dimension {config.dim}, {config.depth} layers, {config.heads} heads and "
        f"vision-language experts from layer {config.vl_start}, "
        f"{'relative' if config.relative else 'absolute'} positions"
    )
