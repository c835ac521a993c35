"""Everything that a training must find again to go on as if it had never stopped."""

from copy import deepcopy
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from recbole_ext.checkpoint import CheckpointError
from recbole_ext.early_stopping import EarlyStopping
from recbole_ext.random_state import random_state, set_random_state

Plain = bool | int | float | str | None


@dataclass(frozen=True)
class Epoch:
    """One epoch: its number from 1, mean loss a step, validation score (None: not measured)."""

    number: int
    loss: float
    score: float | None
    best: bool
    seconds: float


@dataclass(frozen=True)
class Learned:
    """What a model learned: its state and RecBole's "other parameters" (caches, counts)."""

    state: dict[str, Tensor]
    other: dict[str, Any]

    @classmethod
    def of(cls, model: nn.Module) -> "Learned":
        """Copy what a model holds."""
        state = {name: value.detach().clone() for name, value in model.state_dict().items()}
        other = {name: _copied(value) for name, value in model.other_parameter().items()}  # type: ignore[operator]
        return cls(state, other)

    def put_back(self, model: nn.Module) -> None:
        """Give it to the model, which ranks from now on."""
        model.load_state_dict(self.state)
        model.load_other_parameter(self.other)  # type: ignore[operator]
        model.eval()

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors under names that begin with a prefix."""
        caches = {name: it for name, it in self.other.items() if isinstance(it, Tensor)}
        return {f"{prefix}/state/{name}": value for name, value in self.state.items()} | {
            f"{prefix}/other/{name}": value.detach() for name, value in caches.items()
        }

    def plain(self) -> dict[str, Plain]:
        """Return the rest: numbers and texts."""
        return {name: it for name, it in self.other.items() if not isinstance(it, Tensor)}

    @classmethod
    def read(
        cls, prefix: str, tensors: dict[str, Tensor], plain: dict[str, Plain], device: Any
    ) -> "Learned":
        """Return what `tensors` and `plain` told."""
        caches = {name: it.to(device) for name, it in under(f"{prefix}/other", tensors).items()}
        return cls(under(f"{prefix}/state", tensors), {**plain, **caches})


@dataclass
class TrainingState:
    """How far a training has come.

    curve: the epochs so far. stopping: the best score and how long it is ago.
    best: what the model had learned then. seconds: of the sessions before this one.
    """

    stopping: EarlyStopping
    curve: list[Epoch] = field(default_factory=list)
    best: Learned | None = None
    seconds: float = 0.0

    def written(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, seconds: float
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all of it, of the model, the optimiser and the random numbers: (tensors, JSON)."""
        now = Learned.of(model)
        tensors = now.tensors("model")
        facts: dict[str, Any] = {"model": now.plain(), "seconds": seconds}
        if self.best is not None:
            tensors |= self.best.tensors("best")
            facts["best"] = self.best.plain()
        for place, values in optimizer.state_dict()["state"].items():
            kept = {key: value for key, value in values.items() if isinstance(value, Tensor)}
            tensors |= {f"optimizer/{place}/{key}": value for key, value in kept.items()}
        states, facts["random"] = random_state()
        tensors |= {f"random/{name}": state for name, state in states.items()}
        facts["curve"] = [asdict(epoch) for epoch in self.curve]
        facts["stopping"] = {**asdict(self.stopping), "score": _finite(self.stopping.score)}
        return tensors, facts

    def read(
        self,
        tensors: dict[str, Tensor],
        facts: dict[str, Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Take over what `written` returned, into the model, the optimiser and the generators.

        Raises:
            CheckpointError: it does not fit the model or the optimiser.
        """
        device = next(model.parameters()).device
        try:
            Learned.read("model", tensors, facts["model"], device).put_back(model)
            _read_optimizer(tensors, optimizer)
            if "best" in facts:
                self.best = Learned.read("best", tensors, facts["best"], device)
            self.curve = [Epoch(**epoch) for epoch in facts["curve"]]
            told = facts["stopping"]
            score = -inf if told["score"] is None else told["score"]
            self.stopping = EarlyStopping(
                self.stopping.patience, told["best"], score, told["waited"]
            )
            self.seconds = facts["seconds"]
            set_random_state(under("random", tensors), facts["random"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"the checkpoint does not fit this model ({reason})") from error


def unwritable(model: nn.Module) -> str | None:
    """Return which "other parameter" is neither a tensor nor a plain value, if there is one."""
    kinds = (Tensor, bool, int, float, str, type(None))
    others = model.other_parameter().items()  # type: ignore[operator]
    return next((str(name) for name, value in others if not isinstance(value, kinds)), None)


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    start = f"{prefix}/"
    return {name[len(start) :]: it for name, it in tensors.items() if name.startswith(start)}


def _read_optimizer(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer", tensors).items():
        place, key = name.split("/", 1)
        state.setdefault(int(place), {})[key] = value.clone()  # not a view of the file
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else deepcopy(value)


def _finite(score: float) -> float | None:
    return None if score == -inf else score
