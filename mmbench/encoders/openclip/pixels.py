"""Pictures as a model of open_clip takes them: resized by its own transform, scaled later."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor
from torchvision.transforms import Compose

from mmbench.encoders.openclip.name import Name

SCALING = ("mean", "std", "interpolation", "resize_mode")


def settings_of(name: Name) -> Mapping[str, Any]:
    """Return mean, std, interpolation and resize mode of a built-in model's weights.

    Without a tag they are what all published weights of the model want, and open_clip's default
    where those differ (ViT-L-14): a file does not say which of them it holds.
    """
    if name.tag:
        return {key: name.published[key] for key in SCALING}
    tags = open_clip.list_pretrained_tags_by_model(name.model)
    published = [open_clip.get_pretrained_cfg(name.model, tag) for tag in tags]
    wanted = [{key: settings[key] for key in SCALING} for settings in published]
    return wanted[0] if wanted and all(one == wanted[0] for one in wanted) else {}


def preprocessing(settings: Mapping[str, Any], image_size: Any) -> dict[str, Any]:
    """Return all settings of open_clip's transform, as JSON; unknown ones are left out.

    Args:
        settings: those that differ from open_clip's defaults.
        image_size: pixels along the sides of the model's input, one number or two.
    """
    known = {**asdict(PreprocessCfg()), "size": image_size}
    given = {key: settings[key] for key in known if settings.get(key) is not None and key != "size"}
    return {**known, **given}


@dataclass(frozen=True)
class Picture:
    """An RGB picture → (height, width, 3) uint8: resized and cropped, not yet scaled."""

    steps: Compose

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Return the pixels of a picture."""
        return np.array(self.steps(image))


def picture(settings: Mapping[str, Any]) -> Picture:
    """Return the part of open_clip's transform that works on Pillow's pictures."""
    whole = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    return Picture(Compose(whole.transforms[:-2]))  # the last two: to floats, mean and deviation


def scaled(pixels: Tensor, settings: Mapping[str, Any]) -> Tensor:
    """Return (n, height, width, 3) uint8 as the model's floats, (n, 3, height, width)."""
    mean = torch.tensor(settings["mean"], device=pixels.device).view(-1, 1, 1)  # (3, 1, 1)
    std = torch.tensor(settings["std"], device=pixels.device).view(-1, 1, 1)  # (3, 1, 1)
    floats = pixels.permute(0, 3, 1, 2).contiguous().to(torch.float32) / 255
    return (floats - mean) / std
