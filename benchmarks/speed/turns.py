"""Systems in processes of their own, timed in turn.

A system is a function (job, tick): it makes itself ready and calls `tick()`, then calls `tick()`
again after every unit of work (an epoch, a ranking), for ever. `tick` measures the time between its
calls, and waits where another system has its turn.
"""

import logging
import multiprocessing
import os
import resource
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from benchmarks.speed.data import Size

CUTOFFS = (5, 10, 20, 50)


@dataclass(frozen=True)
class Job:
    """What a system is given; equal for all of a contest but for `options`.

    clock: wall, or cpu: the time of the processor that the process used, all threads together.
    """

    folder: Path
    size: Size
    model: str
    task: str  # train or rank
    batch: int = 2048
    dim: int = 64
    layers: int = 2
    device: str = "cpu"
    seed: int = 1
    clock: str = "wall"
    options: tuple[tuple[str, Any], ...] = ()


System = Callable[[Job, Callable[[], None]], None]


@dataclass(frozen=True)
class Turn:
    """The seconds of each unit of a turn, and what the process held at its end (MiB)."""

    seconds: tuple[float, ...]
    memory_mb: float


class Tick:
    """Times the work between its calls; between turns it waits for the word."""

    def __init__(self, connection: Connection, device: str, clock: str) -> None:
        self.connection = connection
        self.device = device
        self.now = process_time if clock == "cpu" else perf_counter
        self.left = 0
        self.seconds: list[float] = []
        self.began = self.now()

    def __call__(self) -> None:
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()
        self.seconds.append(self.now() - self.began)
        self.left -= 1
        if self.left <= 0:
            self.connection.send(Turn(tuple(self.seconds), peak_mb()))
            self.left = self.connection.recv()
            if not self.left:
                sys.exit(0)
            self.seconds = []
        self.began = self.now()


class AbsentError(Exception):
    """A system cannot run here; the message says why."""


@dataclass
class Contestant:
    """A system in its own process."""

    name: str
    process: Any
    connection: Connection

    @classmethod
    def start(cls, name: str, system: System, job: Job) -> "Contestant":
        """Start the process; it prepares itself while others do."""
        context = multiprocessing.get_context("spawn")  # nothing of ours is in its memory
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, system, job), daemon=True)
        process.start()
        there.close()
        return cls(name, process, here)

    def ready(self) -> Turn:
        """Wait until the system is; its seconds are those of the preparation.

        Raises:
            AbsentError: it cannot run here.
            RuntimeError: it failed; the message holds its traceback.
        """
        return self._received()

    def turn(self, units: int) -> Turn:
        """Let it work and return what it took."""
        self.connection.send(units)
        return self._received()

    def stop(self) -> None:
        """End the process."""
        if self.process.is_alive():
            with suppress(BrokenPipeError):  # it failed on its own
                self.connection.send(0)
        self.process.join(10)
        if self.process.is_alive():
            self.process.kill()

    def _received(self) -> Turn:
        try:
            said = self.connection.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            raise RuntimeError(f"{self.name} ended with exit code {code}") from None
        if isinstance(said, Turn):
            return said
        kind, message = said
        raise (AbsentError if kind == "absent" else RuntimeError)(message)


def _serve(connection: Connection, system: System, job: Job) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # RecBole writes saved/ and log_tensorboard/ where it stands
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            system(job, Tick(connection, job.device, job.clock))
        except AbsentError as absent:
            connection.send(("absent", str(absent)))
        except Exception:
            connection.send(("failed", traceback.format_exc()))


def peak_mb() -> float:
    """Return the most memory this process has held, MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss of a process that was started by another holds that one's, too
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    scale = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def alone(function: Callable[..., Any], *given: Any) -> Any:
    """Return what a function returns in a process of its own, which takes its memory with it."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, given)
