"""The CLIP family through open_clip: its own models, transforms and tokenizers, local weights."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch.nn.functional import normalize

from mmbench.encoders.base import (
    Backend,
    Content,
    Matrix,
    Surroundings,
    images_of,
    slices,
    texts_of,
)
from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import file_sha256

import_torchvision_safely()  # before the first import of open_clip

import open_clip  # noqa: E402
from open_clip.transform import PreprocessCfg, image_transform_v2  # noqa: E402

SUFFIXES = (".safetensors", ".pt", ".bin")
PIXELS = ("mean", "std", "interpolation", "resize_mode")
# CLIP reads 77 tokens, of 32 characters at most. Its tokenizer takes a minute for one word of
# 100,000 letters, so that what lies far behind the 77th token is cut off before.
CHARACTERS = 5000
BROKEN = (
    *(RuntimeError, OSError, pickle.UnpicklingError, SafetensorError),
    *(KeyError, TypeError, ValueError, AttributeError, StopIteration),
)


class OpenClip(Backend):
    """One side of an open_clip model, as unit vectors in the space that both sides share.

    Weights are read from `<models>/openclip/<model>.safetensors` (or .pt, .bin); nothing is
    fetched. The pixels are scaled as all published weights of the model want it, and as open_clip
    does by default where they differ (ViT-L-14 and ViT-H-14).

    Args:
        model: a name of open_clip, such as ViT-B-32.

    Raises:
        UsageError: the modality is neither image nor text, the model is unknown, or it needs
            files of a model hub.
    """

    def __init__(
        self, modality: str, random_weights: bool, surroundings: Surroundings, model: str
    ) -> None:
        super().__init__(modality, random_weights, surroundings)
        if modality == "image":
            self.inputs = ("image",)
        elif modality == "text":
            self.inputs = ("text",)
        else:
            raise UsageError(f"backend 'openclip' encodes image and text, not '{modality}'")
        _require_local(model)
        self.model = model

    def identity(self) -> Mapping[str, Any]:
        """Return the model, the sha256 of its weights and what is done to pixels and texts."""
        same: dict[str, Any] = {"model": self.model, "modality": self.modality}
        if self.modality == "image":
            same["preprocessing"] = _pixel_settings(self.model)
        else:
            same["preprocessing"] = f"cut at {CHARACTERS} characters"
        if self.random_weights:
            return {**same, "weights": "random", "seed": 0}
        return {**same, "weights": "pretrained", "sha256": file_sha256(self._weights())}

    def load(self) -> None:
        """Build the model and read its weights.

        Raises:
            UsageError: there is no weights file, or it is not one of this model.
        """
        weights = None if self.random_weights else self._weights()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = _built(self.model, weights)
        self._model = model.eval().to(self.surroundings.device)
        self._transform = image_transform_v2(
            PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
        )
        self._tokenizer = open_clip.get_tokenizer(self.model)

    def encode(self, batch: Sequence[Content]) -> Matrix:
        """Return (len(batch), dim) float32; dim is the model's `embed_dim`."""
        return np.concatenate([self._vectors(part) for part in slices(batch)])

    def _vectors(self, batch: Sequence[Content]) -> Matrix:
        with torch.inference_mode():
            if self.modality == "image":
                pixels = torch.stack([self._transform(image) for image in images_of(batch)])
                vectors = self._model.encode_image(pixels.to(self.surroundings.device))
            else:
                tokens = self._tokenizer([text[:CHARACTERS] for text in texts_of(batch)])
                vectors = self._model.encode_text(tokens.to(self.surroundings.device))
            matrix: Matrix = normalize(vectors.float(), dim=1).cpu().numpy()  # (n, dim)
        return matrix

    def _weights(self) -> Path:
        folder = self.surroundings.models / "openclip"
        for suffix in SUFFIXES:
            path = folder / f"{self.model}{suffix}"
            if path.is_file():
                return path
        raise UsageError(
            f"openclip:{self.model} has no weights: put its state dict at "
            f"{folder / self.model}.safetensors (or .pt, .bin), or add --random-weights"
        )


def _require_local(model: str) -> None:
    if model not in open_clip.list_models():
        known = nearest(model, open_clip.list_models())
        raise UsageError(f"open_clip has no model '{model}': {known}")
    text = open_clip.get_model_config(model)["text_cfg"]
    hub = text.get("hf_tokenizer_name") or text.get("hf_model_name")
    if hub or "siglip" in model.lower():
        raise UsageError(
            f"openclip:{model} needs a tokenizer of a model hub{f' ({hub})' if hub else ''}, which "
            "mmbench does not fetch: choose a model with CLIP's own, such as openclip:ViT-B-32"
        )


def _pixel_settings(model: str) -> dict[str, Any]:
    # A file does not say which of the model's published weights it holds.
    tags = open_clip.list_pretrained_tags_by_model(model)
    settings = [
        {key: open_clip.get_pretrained_cfg(model, tag).get(key) for key in PIXELS} for tag in tags
    ]
    default = {key: getattr(PreprocessCfg(), key) for key in PIXELS}
    return settings[0] if settings and all(s == settings[0] for s in settings) else default


def _built(name: str, weights: Path | None) -> Any:
    try:
        return open_clip.create_model(
            name,
            pretrained=str(weights.absolute()) if weights else None,
            weights_only=True,
            pretrained_text=False,
            force_preprocess_cfg=_pixel_settings(name),
        )
    except BROKEN as error:
        if weights is None:
            raise
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{weights}: no state dict of {name} ({reason})") from error
