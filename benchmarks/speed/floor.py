"""The floor: bytes that must move and operations that must run, against this machine's speed.

Each part of an epoch is counted from the sizes alone, as PyTorch defines the work (dense Adam over
whole tables, float32). Its floor is the larger of bytes / bandwidth and operations / speed; the
bandwidth is that of a copy whose buffers hold together as much as parameters, gradients and both
moments, so what fits into a cache is held to the cache's speed.
"""

from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch

from benchmarks.speed import ours
from benchmarks.speed.data import Size, read
from benchmarks.speed.turns import Job

FLOAT = 4  # bytes
ADAM = 7  # passes over a table: parameter, gradient and two moments read, three written
BATCHES_LOOKED_AT = 20


@dataclass(frozen=True)
class Part:
    """A part of an epoch or of a ranking: bytes that move, operations that run."""

    name: str
    bytes: float
    operations: float = 0.0

    def seconds(self, bandwidth: float, speed: float) -> float:
        """Return the least time at bytes and operations a second."""
        return max(self.bytes / bandwidth, self.operations / speed)


@dataclass(frozen=True)
class Machine:
    """What this machine does at best: bytes copied (read and written) and operations a second."""

    bandwidth: float
    bandwidth_large: float
    speed: float


def measure(tables: int, device: str = "cpu", clock: str = "wall") -> Machine:
    """Measure a copy, a large copy, and a product of matrices.

    tables: bytes of a model's parameters; Adam holds four times as much.
    """
    matrix = torch.rand(2048, 2048, device=device)
    product = _best(lambda: matrix @ matrix, device, clock)
    return Machine(
        _copy(2 * tables, device, clock),
        _copy(2**29, device, clock),
        2 * len(matrix) ** 3 / product,
    )


def _copy(count: int, device: str, clock: str) -> float:
    source = torch.rand(max(count // FLOAT, 1), device=device)
    target = torch.empty_like(source)
    return 2 * FLOAT * len(source) / _best(lambda: target.copy_(source), device, clock)


def _best(work: Any, device: str, clock: str, times: int = 15) -> float:
    """Return the least seconds of a few: a floor is what the machine can do, not what it did."""
    took, now = [], process_time if clock == "cpu" else perf_counter
    for _ in range(times):
        began = now()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        took.append(now() - began)
    return min(took)


def table_bytes(model: str, size: Size, dim: int) -> int:
    """Return the bytes of a model's parameters."""
    rows = size.users + size.items
    if model != "VBPR":
        return rows * dim * FLOAT
    own = size.users * 2 * dim + size.items * (dim + 1) + sum(size.features) * (dim + 1)
    return own * FLOAT


def touched_share(job: Job) -> float:
    """Return the share of rows of users and items that a batch touches, looked up in the data."""
    rng = np.random.default_rng(0)
    train = rng.permutation(read(job.folder, job.size).train)
    shares = []
    for start in range(0, len(train), job.batch)[:BATCHES_LOOKED_AT]:
        user, item = train[start : start + job.batch].T
        negative = rng.integers(0, job.size.items, len(item))
        rows = len(np.unique(user)) + len(np.unique(np.concatenate([item, negative])))
        shares.append(rows / (job.size.users + job.size.items))
    return float(np.mean(shares))


def parts(job: Job) -> list[Part]:
    """Return the parts of an epoch, or of a ranking of the test users."""
    if job.task == "rank":
        return _ranking(job)
    size, n = job.size, job.size.interactions
    steps, row = ceil(n / job.batch), job.dim * FLOAT
    tables = steps * table_bytes(job.model, size, job.dim)
    found = [
        Part("Adam", ADAM * tables),
        Part("gradients set to zero", tables),
        # forward: three rows read; backward: read again, and added to three rows of the gradient
        Part("rows gathered and scattered", n * 12 * row),
        # order, two columns gathered (read, written), negatives written, and each key looked up
        Part("shuffle and negatives", n * 8 * 8),
    ]
    if job.model == "LightGCN":
        found += _propagation(job, steps, row)
    if job.model == "VBPR":
        dim = sum(size.features)
        flops = 2 * 2 * n * dim * (job.dim + 1)  # E f forward; the gradient of E
        # two rows read and their difference written; that read forward and backward
        found.append(Part("features gathered", 3 * n * dim * FLOAT))
        found.append(Part("features projected", 2 * n * dim * FLOAT, flops))
    return found


def _propagation(job: Job, steps: int, row: int) -> list[Part]:
    nonzero, rows = 2 * job.size.interactions, job.size.users + job.size.items
    products = 2 * job.layers * steps  # forward and backward
    moved = nonzero * (2 * FLOAT + row) + rows * row  # index, value and row read; rows written
    sums = products * 3 * rows * row  # two tables read, one written
    return [
        Part("products with the graph", products * moved, products * 2 * nonzero * job.dim),
        Part("sums of the layers", sums),
    ]


def _ranking(job: Job) -> list[Part]:
    users = job.size.test_users or job.size.users
    scores = users * job.size.items
    return [
        Part("scores", scores * FLOAT, 2 * scores * job.dim),
        Part("top k", scores * FLOAT),
    ]


def profiled(job: Job, most: int = 10) -> list[tuple[str, float]]:
    """Return where an epoch of ours goes: operators by their share of the time, largest first."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (job.device != "cpu")
    profiler = profile(activities=kinds)
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 2:
            profiler.start()
        if ticks == 3:
            profiler.stop()
            raise StopIteration

    with suppress(StopIteration):
        ours.train(job, tick)
    events = profiler.key_averages()
    took = {e.key: e.self_cpu_time_total + e.self_device_time_total for e in events}
    whole = sum(took.values())
    return sorted(((k, v / whole) for k, v in took.items()), key=lambda kv: -kv[1])[:most]
