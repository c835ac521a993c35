"""The network of a folder: its class, and its weights read key by key or not at all."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig

from mmbench.encoders.checkpoint import UNREADABLE
from mmbench.encoders.huggingface.files import CONFIG, unreadable
from mmbench.encoders.quiet import quiet
from mmbench.encoders.seeded import seeded
from mmbench.errors import UsageError, nearest

SEED = 0
BROKEN = (*UNREADABLE, SafetensorError, TypeError, AttributeError, ImportError)


def read_config(folder: Path) -> Any:
    """Return the configuration of the model in a folder.

    Raises:
        UsageError: the folder holds no model, one that transformers does not know, or one that is
            code of its repository.
    """
    path = folder / CONFIG
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        kind = told.get("model_type")
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no model of transformers: it holds no {CONFIG}") from error
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{path}: no JSON of a model ({_line(error)})") from error
    if "auto_map" in told and not _is_native(told):
        raise UsageError(
            f"{path}: the model is code of its own repository, which is never run here: "
            "load it through another backend, or choose another model"
        )
    if kind not in CONFIG_MAPPING:
        known = nearest(str(kind), CONFIG_MAPPING)
        version = transformers.__version__
        raise UsageError(f"{path}: transformers {version} has no model_type '{kind}': {known}")
    try:
        with quiet():
            return AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # of whichever check this version of transformers makes
        raise UsageError(f"{path}: no configuration of a {kind} ({_line(error)})") from error


def _is_native(told: Mapping[str, Any]) -> bool:
    names = told.get("architectures") or [""]
    return told.get("model_type") in CONFIG_MAPPING and hasattr(transformers, names[0])


def model_class(config: Any, folder: Path, modality: str) -> Any:
    """Return the class of a configuration's model; `modality` is the one asked for.

    Raises:
        UsageError: it has no features for pictures, or none for texts.
    """
    found = MODEL_MAPPING.get(type(config), None)
    for wanted in sorted(("image", "text"), key=modality.__ne__):
        if not hasattr(found, f"get_{wanted}_features"):
            name = getattr(found, "__name__", config.model_type)
            raise UsageError(
                f"{folder}: {name} has no {wanted} features (no get_{wanted}_features): "
                "choose a model of image and text, such as a CLIP or a SigLIP"
            )
    return found


def random_model(made: Any, config: Any) -> Any:
    """Return a model of a class with the weights that seed 0 draws."""
    with seeded(SEED):
        return made(config).float().eval()


def read_model(made: Any, config: Any, files: Sequence[Path], unused: tuple[str, ...] = ()) -> Any:
    """Return a model of a class in float32, each of its weights read from the files.

    Only tensors are read; code in a file does not run. Keys that begin with one of `unused` may be
    missing: no vector rests on them.

    Raises:
        UsageError: a file cannot be read, or a key is missing, unknown or of another shape.
    """
    try:
        with quiet(), seeded(SEED):
            model, told = made.from_pretrained(
                files[0].parent,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=files[0].suffix == ".safetensors",
                weights_only=True,
                torch_dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told below, by name
            )
    except BROKEN as error:
        raise unreadable(files, error) from error
    faults = _faults(told, unused)
    if faults:
        raise UsageError(f"{files[0]}: not the weights of its {made.__name__}: {'; '.join(faults)}")
    return model.eval()


def _faults(told: Mapping[str, Any], unused: tuple[str, ...]) -> list[str]:
    # position_ids (0, 1, 2 ...) were stored up to transformers 4.30 and are no weights.
    unknown = {key for key in told["unexpected_keys"] if not key.endswith("position_ids")}
    shapes = {
        f"'{key}' has shape {list(found)}, the model has {list(wanted)} there"
        for key, found, wanted in told["mismatched_keys"]
    }
    lacking = [key for key in told["missing_keys"] if not key.startswith(unused)]
    missing = {f"key '{key}' is missing" for key in lacking}
    kinds = (missing, {f"unexpected key '{key}'" for key in unknown}, shapes, told["error_msgs"])
    return [_first(sorted(kind)) for kind in kinds if kind]


def _first(faults: list[str]) -> str:
    return faults[0] + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else "")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
