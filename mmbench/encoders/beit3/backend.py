"""BEiT-3 as an encoder: a vector for a picture or for a text, in one space."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mmbench.encoders.base import (
    Backend,
    Content,
    Matrix,
    Surroundings,
    images_of,
    slices,
    texts_of,
)
from mmbench.encoders.beit3.checkpoint import load_beit3
from mmbench.encoders.beit3.config import HEAD_DIM, SIZES, Config
from mmbench.encoders.beit3.model import BEiT3, random_beit3
from mmbench.encoders.beit3.vocabulary import ADDRESS, tokenizer, vocabulary
from mmbench.encoders.checkpoint import read_checkpoint
from mmbench.encoders.vlmo.pixels import TRANSFORM, pixels
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

SEED = 0
TEXT_LENGTH = 64  # tokens that the authors cut texts at
INPUTS: Mapping[str, tuple[Literal["image", "text"], ...]] = {
    "image": ("image",),
    "text": ("text",),
}


class Beit3(Backend):
    """The retrieval features of a BEiT-3: unit vectors, pictures and texts in one space.

    Weights are read from `<models>/beit3/<file>`, words from `<models>/beit3/beit3.spm`; nothing
    is fetched.

    Args:
        model: base or large.
        image_size: pixels along a side; positions are fitted to it.
        file: name of the checkpoint.
        dim, depth: sizes other than the model's, for a small one of its kind.

    Raises:
        UsageError: the modality is none of the two, the model is unknown, or a size is wrong.
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
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        if modality not in INPUTS:
            raise UsageError(f"backend 'beit3' encodes image and text, not '{modality}'")
        if model not in SIZES:
            known = nearest(model, SIZES)
            raise UsageError(f"unknown model '{model}' for backend 'beit3': {known}")
        self.inputs = INPUTS[modality]
        sizes = {"dim": dim, "depth": depth}
        given: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
        self.config = _checked(replace(SIZES[model], image_size=image_size, **given))
        self.model, self.file = model, file

    def identity(self) -> Mapping[str, Any]:
        """Return the model and its sizes, the sha256 of weights and vocabulary."""
        same: dict[str, Any] = {"model": self.model, "sizes": asdict(self.config)}
        if self.modality == "image":
            same["pixels"] = f"{TRANSFORM}, {self.config.image_size}"
        else:
            same["tokenizer"] = file_sha256(vocabulary(self._folder()))
            same["text"] = f"cut at {TEXT_LENGTH} tokens"
        if self.random_weights:
            return {**same, "weights": "random", "seed": SEED}
        return {**same, "weights": "pretrained", "sha256": file_sha256(self._weights())}

    def load(self) -> None:
        """Build the model and read its weights.

        Raises:
            UsageError: the weights or the vocabulary are not there, or are not this model's.
        """
        if self.modality == "text":
            self._tokenizer = tokenizer(vocabulary(self._folder()))
        model = random_beit3(self.config, SEED) if self.random_weights else self._read()
        self._model = model.to(self.surroundings.device)

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), dim) float32, unit vectors."""
        return np.concatenate([self._vectors(part) for part in slices(batch)])

    def _vectors(self, batch: Sequence[Content]) -> Matrix:
        with torch.inference_mode():
            features = self._images(batch) if self.modality == "image" else self._texts(batch)
            matrix: Matrix = features["cls_feats"].float().cpu().numpy()  # (n, dim)
        return matrix

    def _images(self, batch: Sequence[Content]) -> dict[str, torch.Tensor]:
        size = self.config.image_size
        pixel_values = torch.stack([pixels(image, size) for image in images_of(batch)])
        return self._model.encode_image(pixel_values.to(self.surroundings.device))

    def _texts(self, batch: Sequence[Content]) -> dict[str, torch.Tensor]:
        tokens = self._tokenizer(
            texts_of(batch),
            padding=True,
            truncation=True,
            max_length=TEXT_LENGTH,
            return_tensors="pt",
        ).to(self.surroundings.device)
        return self._model.encode_text(tokens["input_ids"], tokens["attention_mask"] == 0)

    def _read(self) -> BEiT3:
        path = self._weights()
        held = read_checkpoint(path)
        try:
            model = load_beit3(held, image_size=self.config.image_size)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
        if model.config != self.config:
            raise UsageError(
                f"{path}: a BEiT-3 of {_sizes(model.config)}, but '{self.model}' is one of "
                f"{_sizes(self.config)}: name the model it is of, or put the right file there"
            )
        return model

    def _folder(self) -> Path:
        return self.surroundings.models / "beit3"

    def _weights(self) -> Path:
        path = self._folder() / self.file
        if not path.is_file():
            raise UsageError(
                f"beit3 has no weights: fetch {ADDRESS}/{self.file} and put it at {path} (saved "
                "as .zip by a browser, it is to be renamed, not unpacked), or add --random-weights"
            )
        return path


def _checked(config: Config) -> Config:
    if config.image_size < config.patch or config.image_size % config.patch:
        raise UsageError(
            f"backend 'beit3': image_size {config.image_size} is no multiple of {config.patch}"
        )
    if config.dim < HEAD_DIM or config.dim % HEAD_DIM or config.depth < 1:
        raise UsageError(
            f"backend 'beit3': no model has dimension {config.dim} and {config.depth} layers: the "
            f"dimension is a multiple of {HEAD_DIM}, and there is a layer"
        )
    return config


def _sizes(config: Config) -> str:
    return (
        f"dimension {config.dim}, {config.depth} layers, patches of {config.patch} pixels, "
        f"{config.vocabulary} words and {config.text_positions} text positions"
    )
