"""Pictures in two halves, Pillow's and the device's: together they are open_clip's transform."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_openclip import backend, open_clip

from mmbench.encoders.openclip.pixels import picture, preprocessing, scaled

SIZES = [(50, 40), (40, 50), (32, 32), (1, 1), (3, 900), (700, 2), (1600, 1200)]
SETTINGS = [
    {},
    {"resize_mode": "squash", "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)},
    {"interpolation": "bilinear", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)},
    {"resize_mode": "longest", "fill_color": 7},
]


def noise(size):
    width, height = size
    pixels = np.random.RandomState(width).randint(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("wanted", SETTINGS, ids=lambda wanted: wanted.get("resize_mode", "short"))
@pytest.mark.parametrize("image_size", [32, (48, 32)], ids=str)
def test_both_halves_are_the_transform_of_open_clip(wanted, image_size):
    settings = preprocessing(wanted, image_size)
    wanted_cfg = open_clip.transform.PreprocessCfg(**settings)
    theirs = open_clip.transform.image_transform_v2(wanted_cfg, is_train=False)
    # open_clip itself fails on a strip that "longest" would make less than a pixel wide.
    longest = wanted.get("resize_mode") == "longest"
    images = [noise(size) for size in SIZES if not longest or min(size) > 3 or size == (1, 1)]
    seen = np.stack([picture(settings)(image) for image in images])
    assert seen.dtype == np.uint8
    ours = scaled(torch.from_numpy(seen), settings)
    wanted_pixels = torch.stack([theirs(image) for image in images])
    np.testing.assert_allclose(ours.numpy(), wanted_pixels.numpy(), rtol=0, atol=1e-6)


def test_the_picture_half_can_be_sent_to_another_process():
    turned = backend("image", "ViT-B-32", random=True).picture()
    again = pickle.loads(pickle.dumps(turned))
    image = noise((50, 40))
    np.testing.assert_array_equal(again(image), turned(image))
    assert turned(image).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("name", "mean", "interpolation", "mode", "side"),
    [
        ("MobileCLIP-S1", 0, "bilinear", "shortest", 256),
        ("ViT-B-32", 0.48145466, "bicubic", "shortest", 224),
        ("ViT-L-14", 0.48145466, "bicubic", "shortest", 224),
        ("ViT-L-14/laion2b_s32b_b82k", 0.5, "bicubic", "shortest", 224),
        ("ViT-L-14-336/openai", 0.48145466, "bicubic", "shortest", 336),
        ("ViT-B-16-SigLIP-384/webli", 0.5, "bicubic", "squash", 384),
        ("ViT-H-14-CLIPA-336/laion2b", 0.485, "bilinear", "squash", 336),
    ],
)
def test_pixels_are_those_of_the_published_weights(name, mean, interpolation, mode, side):
    said = backend("image", name, random=True).identity()["preprocessing"]
    assert said["mean"][0] == mean
    assert (said["interpolation"], said["resize_mode"], said["size"]) == (interpolation, mode, side)
