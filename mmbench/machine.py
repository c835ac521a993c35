"""Where and how fast work is done; nothing here changes what comes out of it."""

import os
import re
import sys
from dataclasses import dataclass
from multiprocessing import current_process

import torch

from mmbench.errors import UsageError

MOST_WORKERS = 16  # more decode no faster than one GPU encodes


@dataclass(frozen=True)
class Machine:
    """The device, and how it is fed.

    device: cpu, cuda or cuda:N.
    batch_size: items a forward pass; the encoder's own where it is None.
    workers: processes that decode pictures ahead of the model; 0 decodes in this one, which is
        faster where the model itself takes all cores.
    eval_memory: megabytes that a block of scores may take in a ranking; the usual where it is None.
    """

    device: str
    batch_size: int | None
    workers: int
    eval_memory: int | None = None

    @classmethod
    def of(
        cls,
        device: str = "auto",
        batch_size: str | int = "auto",
        workers: int | None = None,
        eval_memory: int | None = None,
    ) -> "Machine":
        """Return the machine that was wished for.

        Args:
            device: auto, cpu, cuda or cuda:N.
            batch_size: a number from 1 on, or auto: the encoder's own, halved where it does not
                fit into memory.
            workers: as many as suit the machine where it is None.
            eval_memory: megabytes, from 1 on.

        Raises:
            UsageError: no such device here, or a number that is none.
        """
        if not re.fullmatch(r"auto|[1-9]\d{0,6}", str(batch_size)):
            raise UsageError(f"--batch-size {batch_size}: write a number from 1 on, or auto")
        if workers is not None and not 0 <= workers <= 1024:
            raise UsageError(f"--workers {workers}: write a number from 0 to 1024")
        if eval_memory is not None and eval_memory < 1:
            raise UsageError(f"--eval-memory {eval_memory}: write megabytes, from 1 on")
        device = resolve_device(device)
        return cls(
            device,
            None if batch_size == "auto" else int(batch_size),
            _workers(device) if workers is None else workers,
            eval_memory,
        )


def resolve_device(device: str) -> str:
    """Return cpu, cuda or cuda:N for auto or a wish; UsageError where the wish cannot be met."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device '{device}': use auto, cpu, cuda or cuda:N")
    index = int(device.partition(":")[2] or 0)
    if device != "cpu" and index >= torch.cuda.device_count():
        raise UsageError(f"--device {device}: this machine has {torch.cuda.device_count()} GPUs")
    return device


def _workers(device: str) -> int:
    # Where processes start by spawning, a script without a main guard would start itself again.
    if not sys.platform.startswith("linux") or current_process().daemon:
        return 0
    taken = torch.get_num_threads() if device == "cpu" else 0
    return min(max(len(os.sched_getaffinity(0)) - taken, 0), MOST_WORKERS)
