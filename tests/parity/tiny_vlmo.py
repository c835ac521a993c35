"""A small VLMo of either kind, and what it is given."""

from dataclasses import replace

import torch
from content import with_content

from mmbench.encoders.vlmo import SIZES, random_vlmo

VARIANTS = ("relpos", "abspos")
TINY = {"dim": 32, "depth": 3, "heads": 4, "vl_start": 1, "image_size": 32, "vocabulary": 100}


def config_with(relative):
    return replace(SIZES["base" if relative else "base_plus"], **TINY)


def random_with_content(config):
    """Return a model none of whose terms is zero or one."""
    return with_content(random_vlmo(config, 1), 2)


def batch(n=3, length=12):
    noise = torch.Generator().manual_seed(3)
    lengths = torch.tensor([[length], [7], [3]])[:n]
    masks = (torch.arange(length) < lengths).long()  # (n, length)
    return {
        "text_ids": torch.randint(3, 100, (n, length), generator=noise) * masks,
        "text_masks": masks,
        "pixel_values": torch.randn(n, 3, 32, 32, generator=noise),
    }


def run(model, name, given):
    keys = [] if "image" in name else ["text_ids", "text_masks"]
    keys += [] if "text" in name else ["pixel_values"]
    with torch.no_grad():
        return getattr(model, "infer" if name == "infer_vl" else name)(*map(given.get, keys))
