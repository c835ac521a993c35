"""Small real models of timm, as its repositories hold them, for the tests of several modules."""

import json
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.cnn.timm_models import TimmModel, timm

NAME = "test_resnet.r160_in1k"
SETTINGS = {"input_size": [3, 64, 64], "crop_pct": 0.9, "interpolation": "bicubic"}
SETTINGS |= {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "crop_mode": "center"}
PHOTOS = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
CONTENTS = [Content(photo, None) for photo in (*PHOTOS, PHOTOS[0].crop((0, 0, 40, 300)))]


def written(folder, architecture="test_resnet", seed=3, **settings):
    """Write a model as timm's repositories hold it, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = timm.create_model(architecture, pretrained=False, num_classes=7).eval()
        for tensor in model.state_dict().values():
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.add_(0.1 * torch.rand(tensor.shape))
    save_file(model.state_dict(), folder / "model.safetensors")
    config = {"architecture": architecture, "num_classes": 7, "num_features": 1}
    config["pretrained_cfg"] = {**SETTINGS, "num_classes": 7, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    return model


def backend(model, named=None, sha256=None, random_weights=False):
    around = Surroundings("cpu", Path("no-such-models"), named)
    return TimmModel("image", random_weights, around, model=model, sha256=sha256)


def encoded(made):
    made.load()
    return made.encode(CONTENTS)
