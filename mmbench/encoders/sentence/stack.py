"""What a folder of sentence-transformers says about itself: its modules, one after the other."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbench.errors import UsageError, nearest

MODULES = "modules.json"
OWN = "sentence_transformers."  # how the names of its own modules begin
LIMITS = "sentence_bert_config.json"
OUTER = "config_sentence_transformers.json"
POOLINGS = ("mean", "cls", "max")
FLAGS = {  # how a pooling was told before version 6 → its name
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid")


@dataclass(frozen=True)
class DenseLayer:
    """A linear layer after the pooling.

    folder: where its weights are, below the model's. given, made: sizes of input and output.
    activation: a name of `ACTIVATIONS`.
    """

    folder: str
    given: int
    made: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class Stack:
    """The usual stack: a transformer, a pooling, perhaps linear layers, perhaps unit length.

    transformer: folder of the transformer, below the model's. max_length: tokens after which a
    text is cut; None where the tokenizer knows. lower_case: texts are read in lower case.
    """

    transformer: str
    max_length: int | None
    lower_case: bool
    pooling: str
    dense: tuple[DenseLayer, ...]
    unit: bool


def read_stack(folder: Path) -> Stack:
    """Return the stack that a folder describes.

    Raises:
        UsageError: a description is missing or cannot be read, or it asks for something else.
    """
    kinds, paths = _modules(folder)
    unit = kinds[-1:] == ["Normalize"]
    last = len(kinds) - unit
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:last]) - {"Dense"}:
        raise UsageError(
            f"{folder / MODULES}: mmbench runs Transformer, Pooling, Dense ..., Normalize, "
            f"not {', '.join(kinds) or 'nothing'}"
        )
    if prompt := _table(folder, OUTER, optional=True).get("default_prompt_name"):
        raise UsageError(f"{folder / OUTER}: puts its prompt '{prompt}' first, mmbench gives none")
    limits = _limits(folder, paths[0])
    return Stack(
        transformer=paths[0],
        max_length=limits.get("max_seq_length"),
        lower_case=bool(limits.get("do_lower_case")),
        pooling=_pooling(folder, paths[1]),
        dense=tuple(_dense(folder, path) for path in paths[2:last]),
        unit=unit,
    )


def _modules(folder: Path) -> tuple[list[str], list[str]]:
    """Return the kind and the folder of each module."""
    modules = _json(folder, MODULES)
    try:
        types = [str(module["type"]) for module in modules]
        paths = [str(module["path"]) for module in modules]
    except (TypeError, KeyError) as error:
        raise UsageError(f"{folder / MODULES}: no list of modules: fetch it again") from error
    kinds = [each.rpartition(".")[2] if each.startswith(OWN) else each for each in types]
    return kinds, paths


def _limits(folder: Path, path: str) -> dict[str, Any]:
    limits = _table(folder / path, LIMITS, optional=True)
    task = limits.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise UsageError(f"{folder / path / LIMITS}: mmbench runs no model for '{task}'")
    return limits


def _pooling(folder: Path, path: str) -> str:
    config = _table(folder / path, "config.json")
    flagged = [name for flag, name in FLAGS.items() if config.get(flag)]
    told = config.get("pooling_mode", flagged or ["mean"])
    modes = [told] if isinstance(told, str) else list(told)
    if len(modes) != 1 or modes[0] not in POOLINGS:
        raise UsageError(
            f"{folder / path / 'config.json'}: pooling by {' and '.join(map(str, modes))}: "
            f"mmbench has {', '.join(POOLINGS)}"
        )
    return str(modes[0])


def _dense(folder: Path, path: str) -> DenseLayer:
    where = folder / path / "config.json"
    config = _table(folder / path, "config.json")
    function = str(config.get("activation_function", "torch.nn.Tanh"))
    activation = function.rpartition(".")[2]
    if activation not in ACTIVATIONS or not function.startswith("torch.nn."):
        known = nearest(activation, ACTIVATIONS)
        raise UsageError(f"{where}: mmbench has no activation '{function}': {known}")
    if config.get("use_residual") or config.get("module_input_name", "sentence_embedding") != (
        config.get("module_output_name") or "sentence_embedding"
    ):
        raise UsageError(f"{where}: mmbench runs plain linear layers only")
    try:
        given, made = int(config["in_features"]), int(config["out_features"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{where}: in_features and out_features must be numbers") from error
    return DenseLayer(path, given, made, bool(config.get("bias", True)), activation)


def _table(folder: Path, name: str, optional: bool = False) -> dict[str, Any]:
    if optional and not (folder / name).is_file():
        return {}
    table = _json(folder, name)
    if not isinstance(table, dict):
        raise UsageError(f"{folder / name}: no table of names and values: fetch it again")
    return table


def _json(folder: Path, name: str) -> Any:
    path = folder / name
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no model of sentence-transformers: it lacks {name}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as JSON ({error}): fetch it again") from error
