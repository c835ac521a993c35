"""A checkpoint on disk: one safetensors file, tensors and JSON, there whole or not at all."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from; the message says why."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training keeps its state, and whether it goes on from there.

    path: the file; its folder is made when it is needed.
    identity: names all that fixes the training's numbers; a file with another one is refused.
    resume: go on from what is there.
    interval: least seconds between two writes. share: of the time, what writing may take.
    started: when this session's work began, a `perf_counter`.
    """

    path: Path
    identity: str
    resume: bool = False
    interval: float = 10.0
    share: float = 0.02
    started: float = field(default_factory=perf_counter)

    def write(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Replace the file; a process that is killed meanwhile leaves the one before.

        OSError where it cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        # Copies: safetensors refuses tensors that share memory, which tied weights do.
        whole = {name: value.to("cpu", copy=True).contiguous() for name, value in tensors.items()}
        try:
            save_file(whole, part, {"identity": self.identity, "facts": json.dumps(facts)})
            part.replace(self.path)
        except SafetensorError as error:
            raise OSError(f"cannot write {self.path} ({error})") from error
        finally:
            part.unlink(missing_ok=True)

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return what was written last, None where there is nothing.

        Raises:
            CheckpointError: it is damaged, or of another training.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            facts = json.loads(told["facts"])
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise CheckpointError(f"the checkpoint {self.path} cannot be read ({error})") from error
        if told.get("identity") != self.identity:
            raise CheckpointError(f"the checkpoint {self.path} is of another training")
        return tensors, facts
