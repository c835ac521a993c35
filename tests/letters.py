"""A small real network whose vectors a person can work out: means of pixels, counts of letters."""

from dataclasses import dataclass

import numpy as np
import torch

from mmbench.encoders.base import Surroundings
from mmbench.encoders.network import Network, padded

START, LIMIT = 1, 9  # the id before each piece; ids a piece may have, START in


@dataclass(frozen=True)
class Small:
    def __call__(self, image):
        return np.asarray(image.resize((4, 4)), np.uint8)  # (4, 4, 3)


class Letters(Network):
    """image: mean colour; text: share of each letter a to z; joint: both, side by side."""

    def __init__(self, modality, device="cpu", models=None, memory=None):
        super().__init__(modality, False, Surroundings(device, models))
        self.inputs = {"image": ("image",), "text": ("text",)}.get(modality, ("image", "text"))
        self.unit = modality == "text"
        self.memory = memory  # units that fit at once; None for any
        self.passes = []  # how many units each forward pass had

    def identity(self):
        return {"weights": "none"}

    def load(self):
        pass

    def picture(self):
        return Small()

    def chunks(self, texts):
        return [[*map(piece, split(text))] for text in texts]

    def forward(self, pixels, tokens):
        n_units = len(tokens if tokens is not None else pixels)
        if self.memory is not None and n_units > self.memory:
            raise torch.OutOfMemoryError("no room")
        self.passes.append(n_units)
        parts = []
        if pixels is not None:
            parts.append(pixels.float().mean(dim=(1, 2)))  # (n, 3)
        if tokens is not None:
            ids, mask = padded(tokens, 0)
            one_hot = torch.nn.functional.one_hot(ids, 128) * mask[..., None]
            counts = one_hot.sum(dim=1)[:, ord("a") : ord("z") + 1].float()  # (n, 26)
            parts.append(torch.nn.functional.normalize(counts, dim=1))
        return torch.cat(parts, dim=1)


def split(text):
    step = LIMIT - 1
    return [text[start : start + step] for start in range(0, len(text), step)] or [""]


def piece(text):
    return np.array([START, *(min(ord(letter), 127) for letter in text)], np.int64)
