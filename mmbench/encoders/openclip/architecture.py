"""What a model of open_clip is built from: its configuration, and how its pictures are scaled."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import open_clip
from torch import nn

from mmbench.encoders.openclip.files import Files
from mmbench.encoders.openclip.pixels import preprocessing, settings_of
from mmbench.errors import UsageError


@dataclass(frozen=True)
class Architecture:
    """A model without its weights.

    config: open_clip's configuration: embed_dim, vision_cfg, text_cfg, quick_gelu ...
    pixels: the settings of its transform.
    """

    config: Mapping[str, Any]
    pixels: Mapping[str, Any]

    @property
    def text(self) -> Mapping[str, Any]:
        """The configuration of the text tower."""
        settings: Mapping[str, Any] = self.config["text_cfg"]
        return settings

    @property
    def activation(self) -> str:
        """QuickGELU or GELU; towers of timm and transformers have their own."""
        return "QuickGELU" if self.config.get("quick_gelu") else "GELU"


def architecture(files: Files) -> Architecture:
    """Return the architecture of a model, from open_clip or from the model's own repository.

    Raises:
        UsageError: the repository's configuration is not there, or is none of open_clip's.
    """
    name = files.name
    if name.model is None:
        config, settings = _published(files)
    else:
        config, settings = open_clip.get_model_config(name.model), settings_of(name)
        # open_clip only warns here, and runs the weights with an activation they never saw. A
        # name that says QuickGELU itself keeps it: tags do not always repeat it (roberta-ViT-B-32).
        if name.published.get("quick_gelu"):
            config["quick_gelu"] = True
    size = config["vision_cfg"].get("image_size", 224)
    return Architecture(config, preprocessing(settings, size))


def _published(files: Files) -> tuple[dict[str, Any], Mapping[str, Any]]:
    path = files.config()
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        config = held["model_cfg"]
        if not isinstance(config["vision_cfg"], dict) or not isinstance(config["text_cfg"], dict):
            raise TypeError("its towers are no mappings")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: no configuration of open_clip ({error!r})") from error
    return config, held.get("preprocess_cfg") or {}


def built(architecture: Architecture, text_model: str | None) -> Any:
    """Return the network, with the weights that it draws.

    Args:
        architecture: what it is built from.
        text_model: the folder with the configuration of a text tower of transformers, if any.

    Raises:
        UsageError: this version of open_clip cannot build it.
    """
    config = deepcopy(dict(architecture.config))
    vision, text = config["vision_cfg"], config["text_cfg"]
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False  # no weights but the model's own are fetched
    if text_model is not None:
        text.update(hf_model_name=text_model, hf_model_pretrained=False)
    custom = config.pop("custom_text", False) or text_model is not None
    try:
        return _class(config, custom)(**config)
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"open_clip {open_clip.__version__} builds no such model: {reason}") from (
            error
        )


def _class(config: Mapping[str, Any], custom: bool) -> type[nn.Module]:
    if not custom:
        made: type[nn.Module] = open_clip.CLIP
    elif "multimodal_cfg" in config:
        made = open_clip.CoCa
    else:
        made = open_clip.CustomTextCLIP
    return made
