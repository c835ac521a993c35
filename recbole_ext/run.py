"""Two doors: `fit` sees training and validation, `evaluate` alone sees the test part."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from recbole_ext.checkpoint import Checkpoint
from recbole_ext.config import Config
from recbole_ext.dataset import MultimodalDataset
from recbole_ext.end2end import EndToEnd
from recbole_ext.evaluator import Evaluator, Ranking
from recbole_ext.micro_batches import LiveEncoder
from recbole_ext.trainer import Trained, Trainer, silent
from recbole_ext.training_state import Epoch

from recbole.utils import ModelType, init_seed  # isort: skip - needs the aliases

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Fit:
    """A trained recommender, its training and the parts of its dataset.

    joint: the recommender with the encoders that trained beside it; None where none did.
    """

    model: nn.Module
    trained: Trained
    config: Config
    parts: dict[str, Any]  # name → RecBole dataset
    joint: EndToEnd | None = None


def fit(
    config: Config,
    dataset: MultimodalDataset,
    on_epoch: Callable[[Epoch], None] = silent,
    checkpoint: Checkpoint | None = None,
    say: Callable[[str], None] = silent,
    encoders: Mapping[str, LiveEncoder] | None = None,
) -> Fit:
    """Train the recommender that `config` names; validation chooses the epoch.

    Args:
        config: model, dataset and settings; `config["seed"]` fixes every random number.
        dataset: the interactions, with the item features already added.
        on_epoch: called with every `recbole_ext.training_state.Epoch`.
        checkpoint: where training keeps its state and whether it goes on from there; nothing is
            written where it is left out.
        say: told lines for the person.
        encoders: modality → what makes its rows and trains as well; see `recbole_ext.end2end`.

    Raises:
        CheckpointError: the checkpoint to go on from is damaged or of another training.
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
    joint = EndToEnd(config, model, parts["train"], encoders, say) if encoders else None
    trainer = Trainer(config, joint or model, user, item, validation, on_epoch, checkpoint, say)
    return Fit(model, trainer.fit(), config, parts, joint)


def evaluate(fit: Fit, part: Literal["valid", "test"] = "test", listed: int = 0) -> Ranking:
    """Rank a part with a trained recommender; nothing is chosen here.

    Args:
        listed: of how many users the lists are returned beside the metrics.
    """
    whole = fit.parts["train"]
    items = whole.field2id_token[whole.iid_field] if listed else None
    return _evaluator(fit.config, fit.parts, part).rank(fit.model, listed, items)


def _evaluator(config: Config, parts: dict[str, Any], part: Literal["valid", "test"]) -> Evaluator:
    hidden = [_pairs(parts[name]) for name in config["mask"][part]]
    none = torch.zeros(0, dtype=torch.long)
    masked = tuple(torch.cat([none, *(pair[axis] for pair in hidden)]) for axis in (0, 1))
    whole = parts["train"]
    tokens = whole.field2id_token[whole.uid_field]
    n_items = whole.item_num
    popularity = torch.bincount(_pairs(whole)[1], minlength=n_items)  # (n_items,)
    found = _pairs(parts[part])
    return Evaluator(config, found, (masked[0], masked[1]), tokens, n_items, popularity)


def _pairs(part: Any) -> tuple[Tensor, Tensor]:
    return part.inter_feat[part.uid_field], part.inter_feat[part.iid_field]
