"""A small BEiT-3, and what it is given."""

import torch
from content import with_content

from mmbench.encoders.beit3 import Config, random_beit3

TINY = Config(dim=128, depth=3, image_size=48, text_positions=20, vocabulary=100)


def random_with_content(config, seed=1):
    """Return a model none of whose terms is zero or one."""
    return with_content(random_beit3(config, seed), seed + 1)


def batch(n=3, length=12, image_size=48):
    noise = torch.Generator().manual_seed(3)
    lengths = torch.tensor([[length], [7], [3]])[:n]
    padding = (torch.arange(length) >= lengths).long()  # (n, length)
    return {
        "text_ids": torch.randint(4, 100, (n, length), generator=noise) * (1 - padding) + padding,
        "text_padding": padding,
        "pixel_values": torch.randn(n, 3, image_size, image_size, generator=noise),
    }


def text(model, given):
    with torch.no_grad():
        return model.encode_text(given["text_ids"], given["text_padding"])


def image(model, given):
    with torch.no_grad():
        return model.encode_image(given["pixel_values"])
