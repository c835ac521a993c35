"""What a home's fine-tuned encoders say of themselves. Reading it imports nothing heavy."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench.encoder_spec import FINETUNED, EncoderSpec
from mmbench.errors import UsageError, nearest
from mmbench.fingerprint import SHORT

SCHEMA = 1
META, WEIGHTS = "meta.json", "weights.safetensors"
FOLDER = "finetuned"  # below the home's models/
_ID = re.compile(rf"[0-9a-f]{{{SHORT}}}")
_KEYS = ("encoder", "identity", "dataset", "settings", "weights", "random_weights", "files")
_SUMMARY = (
    *("encoder", "identity", "base_weights", "dataset", "dataset_fingerprint", "settings"),
    *("pairs", "parameters"),
    *("before", "best", "best_epoch", "stopped", "seconds", "memory"),
)
_COSTS = ("seconds", "memory", "energy_wh", "parameters", "device")


@dataclass(frozen=True)
class Told:
    """A fine-tuned encoder.

    folder: it holds meta.json and weights.safetensors. meta: what the former says.
    """

    folder: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name it is asked for by: NAME@finetuned:ID."""
        return f"{self.meta['encoder']}{FINETUNED}{self.folder.name}"

    @property
    def description(self) -> str:
        """What it is, in one line."""
        settings = self.meta["settings"]
        how = "" if settings["adapter"] == "none" else f", {settings['adapter']}"
        return f"fine-tuned on {self.meta['dataset']} by {settings['loss']}{how}"

    def summary(self) -> dict[str, Any]:
        """Return what a record says of it: of what, on what, how, at what cost, how well."""
        return {"id": self.folder.name, **{key: self.meta.get(key) for key in _SUMMARY}}

    def costs(self) -> dict[str, Any]:
        """Return what it cost: seconds, memory, energy, and the parameters that trained."""
        return {key: self.meta.get(key) for key in _COSTS}


def folder_of(models: Path, key: str) -> Path:
    """Return the folder of a fine-tuned encoder by its id."""
    return models / FOLDER / key


def all_told(models: Path) -> list[Told]:
    """Return the fine-tuned encoders of a home, by name; what is damaged is left out."""
    found = []
    for path in sorted((models / FOLDER).glob(f"[!.]*/{META}")):
        try:
            found.append(_read(path.parent))
        except UsageError:
            continue
    return sorted(found, key=lambda told: told.name)


def find_told(models: Path, spec: EncoderSpec) -> Told:
    """Return the fine-tuned encoder that a name asks for.

    Raises:
        UsageError: there is none of that id, it is damaged, or it is of another encoder.
    """
    key = spec.finetuned or ""
    folder = folder_of(models, key)
    if not _ID.fullmatch(key) or not (folder / META).is_file():
        known = [told.name for told in all_told(models)]
        hint = nearest(spec.name, known) if known else "make one with `mmbench finetune`"
        raise UsageError(f"unknown encoder '{spec.name}': {hint}")
    told = _read(folder)
    if told.name != spec.name:
        raise UsageError(f"unknown encoder '{spec.name}': '{key}' is {told.name}")
    return told


def _read(folder: Path) -> Told:
    path = folder / META
    again = "delete the folder and fine-tune again"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path} ({error}): {again}") from error
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise UsageError(f"{path} is none of this mmbench's: {again}")
    for key in _KEYS:
        if key not in meta:
            raise UsageError(f"{path} lacks the key '{key}': {again}")
    return Told(folder, meta)
