"""The loop: batches, steps, retrieval after every epoch, and the best of what was learnt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmbench.encoders.memory import first_words, out_of_memory
from mmbench.errors import UsageError
from mmbench.finetuning.batches import epoch_batches
from mmbench.finetuning.checkpoint import Checkpoint
from mmbench.finetuning.dual_encoder import DualEncoder
from mmbench.finetuning.fusion import Fusion
from mmbench.finetuning.gradient_caching import NotFiniteError, backward
from mmbench.finetuning.objectives import Objective
from mmbench.finetuning.retrieval import Retrieval, retrieval
from mmbench.finetuning.schedule import share
from mmbench.finetuning.settings import NEW_RATE, Settings
from mmbench.finetuning.state import Epoch, State
from mmbench.progress import Progress

Integers = NDArray[np.int64]
INTERVAL = 300.0  # seconds between two checkpoints within an epoch
CLIP = 1.0  # the greatest length of a step's gradient


@dataclass(frozen=True)
class Task:
    """What is learnt, and what it is measured by.

    train, held_out: (n,) places of the items in the model's content.
    nearest: for each training item the places, in `train`, of those taken together with it; None
        where the loss knows none. together: the same of `held_out`.
    """

    train: Integers
    held_out: Integers
    nearest: Sequence[Integers] | None
    together: Sequence[Sequence[int]] | None


class Training:
    """A fine-tuning.

    Args:
        model: what is trained.
        objective: by what.
        task: on what.
        settings: how.
        micro: items that pass the model at once; halved where memory ends.
        checkpoint: where its state is kept.
        progress: told about it.
        fusion: losses of pairs seen together, beside a contrast; or none.
    """

    def __init__(
        self,
        model: DualEncoder,
        objective: Objective,
        task: Task,
        settings: Settings,
        micro: int,
        checkpoint: Checkpoint,
        progress: Progress,
        fusion: Fusion | None = None,
    ) -> None:
        self.model, self.objective = model, objective.to(model.device)
        self.task, self.settings = task, settings
        self.checkpoint, self.progress, self.fusion = checkpoint, progress, fusion
        self.state = State(micro)
        self.trained = model.trained()
        new = [("head", model.heads), ("objective", objective)]
        self.parameters = self.trained | {
            f"{kind}/{name}": parameter
            for kind, module in new
            for name, parameter in module.named_parameters()
        }
        self.begun = set(self.trained)  # what is trained from where it stands
        if fusion is not None:
            old = {f"joint/{name}": parameter for name, parameter in fusion.old.items()}
            self.begun |= set(old)
            self.parameters |= old
            self.parameters |= {f"fusion/{name}": one for name, one in fusion.new.items()}
        self.optimizer = self._optimizer()
        self.steps = settings.epochs * len(self._batches(1))
        self.since = self.written = perf_counter()

    def resume(self) -> None:
        """Take over the state that the checkpoint keeps; UsageError where it does not fit."""
        read = self.checkpoint.read()
        self.state = State.read(*read, self.parameters, self.optimizer)

    def run(self) -> State:
        """Train until retrieval no longer improves; return where it ended.

        The weights of the best epoch are in `State.best`.

        Raises:
            NotFiniteError: the loss is no number; `state` has the best epoch before that.
            UsageError: a single item does not fit into memory.
        """
        if not self.state.curve:
            self.state.curve.append(self._measured(0, None, perf_counter()))
            self._write()
        while self.state.epoch <= self.settings.epochs and not self._enough():
            self._epoch()
        return self.state

    def seconds(self) -> float:
        """Return how long it took, the sessions before this one included."""
        return self.state.seconds + perf_counter() - self.since

    def _enough(self) -> bool:
        return self.state.waited >= self.settings.patience

    def _epoch(self) -> None:
        state, began = self.state, perf_counter()
        batches = self._batches(state.epoch)
        for batch in batches[state.batch :]:
            state.loss += self._step(batch) * len(batch)
            state.items += len(batch)
            state.batch += 1
            self.progress.advance(
                f"fine-tune epoch {state.epoch}",
                state.batch,
                len(batches),
                f"loss {state.loss / state.items:.4f}",
            )
            if perf_counter() - self.written > INTERVAL:
                self._write()
        told = self._measured(state.epoch, state.loss / state.items, began)
        state.note(told, self.trained)
        state.epoch, state.batch, state.loss, state.items = state.epoch + 1, 0, 0.0, 0
        self._write()

    def _step(self, batch: Integers) -> float:
        """Make one step; return the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["greatest"] * share(
                self.state.step, self.steps, self.settings.warm_up
            )
        sides = self.model.sides(self.task.train[batch])

        seen: list[Tensor] = []

        def loss(vectors: Sequence[Tensor]) -> Tensor:
            seen[:] = [one.detach() for one in vectors]
            value: Tensor = self.objective(*vectors, batch)
            return value

        def once() -> float:
            self.optimizer.zero_grad(set_to_none=True)
            told = backward(sides, loss, len(batch), self.state.micro)
            return told + self._together(batch, seen)

        told: float = self._within_memory(once)
        length = nn.utils.clip_grad_norm_(self.parameters.values(), CLIP)
        if not torch.isfinite(length):
            raise NotFiniteError(f"the gradient's length is {length.item()}")
        self.optimizer.step()
        self.objective.bound()
        self.state.step += 1
        return told

    def _together(self, batch: Integers, vectors: Sequence[Tensor]) -> float:
        """Add the gradient of the losses of pairs seen together; return their sum, 0 without."""
        if self.fusion is None:
            return 0.0
        logits = self.fusion.likeness(*vectors)
        places = self.task.train[batch]
        return self.fusion.backward(places, logits, self.state.step, self.state.micro)

    def _within_memory(self, work: Callable[[], Any]) -> Any:
        """Return what work gives, with ever smaller micro-batches where memory ends."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                self._shrink(error)

    def _shrink(self, error: Exception) -> None:
        if not out_of_memory(error):
            raise error
        if self.state.micro == 1:
            raise UsageError(
                f"a single item does not fit into memory ({first_words(error)}): train fewer "
                "layers (--train-layers), or take a smaller encoder"
            ) from error
        self.state.micro //= 2
        self.state.halved += 1
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.say(f"memory ended: {self.state.micro} items a micro-batch from here on")
        if self.model.device != "cpu":
            torch.cuda.empty_cache()

    def _measured(self, number: int, loss: float | None, began: float) -> Epoch:
        found: Retrieval = self._within_memory(self._retrieval)
        recall = {f"recall@{k}": value for k, value in found.pairs.items()}
        recall |= {f"together@{k}": value for k, value in (found.together or {}).items()}
        shown = ", ".join(f"{name} {value:.3f}" for name, value in recall.items())
        self.progress.say(f"epoch {number}: {shown}" if number else f"before: {shown}")
        return Epoch(number, loss, found.score, recall, perf_counter() - began)

    def _retrieval(self) -> Retrieval:
        held, content = self.task.held_out, self.model.content
        image, text = self.model.encode(held, self.state.micro)
        if not all(bool(torch.isfinite(one).all()) for one in (image, text)):
            raise NotFiniteError("a vector is infinite or no number")
        pictures, texts = (torch.from_numpy(one[held]) for one in (content.picture, content.text))
        same = pictures.to(image.device), texts.to(image.device)
        return retrieval(image, text, same, self.task.together)

    def _batches(self, epoch: int) -> list[Integers]:
        told = self.settings
        return epoch_batches(
            len(self.task.train), told.batch_size, told.seed, epoch, self.task.nearest
        )

    def _optimizer(self) -> torch.optim.Optimizer:
        rates = {True: self.settings.rate, False: NEW_RATE}
        groups = []
        for old, rate in rates.items():
            kept = [one for name, one in self.parameters.items() if (name in self.begun) == old]
            # Norms, biases and the temperature are not drawn towards zero.
            for decay, ones in (
                (self.settings.weight_decay, [one for one in kept if one.ndim > 1]),
                (0.0, [one for one in kept if one.ndim <= 1]),
            ):
                if ones:
                    group = {"params": ones, "weight_decay": decay, "lr": rate, "greatest": rate}
                    groups.append(group)
        return torch.optim.AdamW(groups)

    def _write(self) -> None:
        tensors, facts = self.state.written(self.parameters, self.optimizer, self.seconds())
        self.checkpoint.write(tensors, facts)
        self.written = perf_counter()
