"""Two doors: `fit` sees training and validation, `evaluate` alone sees the test part."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from recbole_ext.config import Config
from recbole_ext.dataset import MultimodalDataset
from recbole_ext.evaluator import Evaluator, Ranking
from recbole_ext.trainer import Epoch, Trained, Trainer

from recbole.utils import ModelType, init_seed  # isort: skip - needs the aliases

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Fit:
    """A trained recommender, its training and the parts of its dataset."""

    model: nn.Module
    trained: Trained
    config: Config
    parts: dict[str, Any]  # name → RecBole dataset


def fit(
    config: Config, dataset: MultimodalDataset, on_epoch: Callable[[Epoch], None] | None = None
) -> Fit:
    """Train the recommender that `config` names; validation chooses the epoch.

    Args:
        config: model, dataset and settings; `config["seed"]` fixes every random number.
        dataset: the interactions, with the item features already added.
        on_epoch: called with every `recbole_ext.trainer.Epoch`.

    Raises:
        ValueError: the model is no general recommender, or a part is empty.
        FloatingPointError: training left the finite numbers.
    """
    if config["MODEL_TYPE"] not in (ModelType.GENERAL, ModelType.TRADITIONAL):
        raise ValueError(f"{config['model']} is no general recommender: it cannot be trained here")
    init_seed(config["seed"], reproducibility=True)
    parts = dict(zip(PARTS, dataset.build(), strict=True))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"recbole\.")  # of names it should not use
        model = config.model_class(config, parts["train"]).to(config["device"])
    user, item = _pairs(parts["train"])
    validation = _evaluator(config, parts, "valid")
    trainer = Trainer(config, model, user, item, validation, on_epoch or _silent)
    return Fit(model, trainer.fit(), config, parts)


def evaluate(fit: Fit, part: Literal["valid", "test"] = "test") -> Ranking:
    """Rank a part with a trained recommender; nothing is chosen here."""
    return _evaluator(fit.config, fit.parts, part).rank(fit.model)


def _silent(epoch: Epoch) -> None:
    """Tell nobody of an epoch."""


def _evaluator(config: Config, parts: dict[str, Any], part: Literal["valid", "test"]) -> Evaluator:
    hidden = [_pairs(parts[name]) for name in config["mask"][part]]
    none = torch.zeros(0, dtype=torch.long)
    masked = tuple(torch.cat([none, *(pair[axis] for pair in hidden)]) for axis in (0, 1))
    whole = parts["train"]
    tokens = whole.field2id_token[whole.uid_field]
    return Evaluator(config, _pairs(parts[part]), (masked[0], masked[1]), tokens, whole.item_num)


def _pairs(part: Any) -> tuple[Tensor, Tensor]:
    return part.inter_feat[part.uid_field], part.inter_feat[part.iid_field]
