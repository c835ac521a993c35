"""The training loop: validation chooses the epoch, at full precision; nothing is written."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from recbole_ext.config import Config
from recbole_ext.evaluator import Evaluator, Ranking
from recbole_ext.sampler import NegativeSampler

from recbole.data.interaction import Interaction  # isort: skip - needs the aliases
from recbole.utils import InputType, ModelType  # isort: skip

LEARNERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 1, mean loss a batch, validation score (None: not measured)."""

    number: int
    loss: float
    score: float | None
    best: bool
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What training leaves: the curve, the best epoch and its ranking of validation.

    The model itself holds the parameters of the best epoch.
    """

    curve: tuple[Epoch, ...]
    best: int
    valid: Ranking


class Trainer:
    """Trains a recommender on its training part and stops by validation.

    Args:
        config: `epochs`, `learner`, `learning_rate` and what else properties/training.yaml names.
        model: a general recommender of RecBole (pairwise, pointwise or traditional).
        user, item: (n,) the training interactions.
        validation: ranks the validation part.
        on_epoch: called with every `Epoch`.
    """

    def __init__(
        self,
        config: Config,
        model: nn.Module,
        user: Tensor,
        item: Tensor,
        validation: Evaluator,
        on_epoch: Callable[[Epoch], None],
    ) -> None:
        self.config = config
        self.model = model
        self.user, self.item = user.to(config["device"]), item.to(config["device"])
        self.validation = validation
        self.on_epoch = on_epoch
        self.learns = config["MODEL_TYPE"] != ModelType.TRADITIONAL
        n_items = validation.n_items
        self.sampler = NegativeSampler(self.user, self.item, n_items) if self.learns else None
        self.optimizer = self._optimizer() if self.learns else None

    def fit(self) -> Trained:
        """Train until validation stops improving, and put the best parameters back.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        curve: list[Epoch] = []
        best, best_score, patience = 0, -float("inf"), 0
        chosen: tuple[Ranking, Any] | None = None
        epochs = int(self.config["epochs"]) if self.learns else 1
        for number in range(1, epochs + 1):
            start = perf_counter()
            loss = self._train(number)
            score = None
            if number % min(self.config["eval_step"], epochs) == 0:
                measured = self.validation.rank(self.model)
                score = measured.mean()[self.config["valid_metric"].lower()]
                patience += 1
            improved = score is not None and score > best_score
            if score is not None and improved:
                best, best_score, patience = number, score, 0
                chosen = measured, _keep(self.model)
            curve.append(Epoch(number, loss, score, improved, perf_counter() - start))
            self.on_epoch(curve[-1])
            if patience >= self.config["stopping_step"]:
                break
        if chosen is None:
            raise FloatingPointError("no validation score is a finite number")
        ranking, kept = chosen
        _put_back(self.model, kept)
        return Trained(tuple(curve), best, ranking)

    def _optimizer(self) -> torch.optim.Optimizer:
        settings = {"lr": self.config["learning_rate"], "weight_decay": self.config["weight_decay"]}
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return LEARNERS[self.config["learner"]](trained, **settings)

    def _train(self, number: int) -> float:
        """Run one epoch and return the mean loss of its batches."""
        self.model.train()
        total, batches = torch.zeros((), device=self.user.device), 0
        for batch in self._batches(number):
            loss = self._step(batch)
            total, batches = total + loss, batches + 1  # stays on the device: no wait per batch
        mean = float(total) / batches
        if not isfinite(mean):
            rate = self.config["learning_rate"]
            raise FloatingPointError(
                f"the loss of epoch {number} is {mean}: lower learning_rate (now {rate})"
            )
        return mean

    def _step(self, batch: Interaction) -> Tensor:
        loss = self.model.calculate_loss(batch)  # type: ignore[operator]
        loss = torch.stack(loss).sum() if isinstance(loss, tuple) else loss
        if self.optimizer is not None:
            self.optimizer.zero_grad()
            loss.backward()
            if self.config["clip_grad_norm"]:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.config["clip_grad_norm"])
            self.optimizer.step()
        detached: Tensor = loss.detach().squeeze()
        return detached

    def _batches(self, number: int) -> Iterator[Interaction]:
        # A generator of its own per seed and epoch: an epoch can be repeated without the others.
        if self.sampler is None:
            yield from self._batches_of_distinct_items()
            return
        generator = torch.Generator(self.user.device)
        generator.manual_seed(self.config["seed"] * 1_000_003 + number)
        order = torch.randperm(len(self.user), generator=generator, device=self.user.device)
        user, item = self.user[order], self.item[order]
        negative = self.sampler.sample(user, generator)
        for start in range(0, len(user), self.config["train_batch_size"]):
            rows = slice(start, start + self.config["train_batch_size"])
            yield self._batch(user[rows], item[rows], negative[rows])

    def _batches_of_distinct_items(self) -> Iterator[Interaction]:
        """Yield the positives once; RecBole's Pop counts an item repeated in a batch only once."""
        order = self.item.argsort(stable=True)
        counts = torch.bincount(self.item)
        first = (counts.cumsum(0) - counts)[self.item[order]]
        occurrence = torch.arange(len(order), device=order.device) - first  # (n,) from 0
        order = order[occurrence.argsort(stable=True)]
        for rows in torch.split(order, torch.bincount(occurrence).tolist()):
            yield Interaction(
                {
                    self.config["USER_ID_FIELD"]: self.user[rows],
                    self.config["ITEM_ID_FIELD"]: self.item[rows],
                }
            )

    def _batch(self, user: Tensor, item: Tensor, negative: Tensor) -> Interaction:
        users, items = self.config["USER_ID_FIELD"], self.config["ITEM_ID_FIELD"]
        if self.config["MODEL_INPUT_TYPE"] == InputType.PAIRWISE:
            negatives = self.config["NEG_PREFIX"] + items
            return Interaction({users: user, items: item, negatives: negative})
        label = torch.cat([torch.ones_like(user), torch.zeros_like(user)]).float()  # (2 n,)
        both = {users: torch.cat([user, user]), items: torch.cat([item, negative])}
        return Interaction({**both, self.config["LABEL_FIELD"]: label})


def _keep(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Copy what a model learned, RecBole's "other parameters" (caches, counts) included."""
    state = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return state, copy.deepcopy(model.other_parameter())  # type: ignore[operator]


def _put_back(model: nn.Module, kept: tuple[dict[str, Tensor], dict[str, Any]]) -> None:
    state, other = kept
    model.load_state_dict(state)
    model.load_other_parameter(other)  # type: ignore[operator]
    model.eval()
