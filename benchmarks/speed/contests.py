"""Who is timed at what: the contests of the engine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.speed import bare, ours, peers
from benchmarks.speed.data import read
from benchmarks.speed.turns import CUTOFFS, Job, System

BLOCK = 1024  # users the bare loop ranks at a time


@dataclass(frozen=True)
class Entry:
    """A system in a contest.

    options: settings of its own; most: rounds it takes part in, where it is slow.
    """

    name: str
    system: System
    options: tuple[tuple[str, Any], ...] = ()
    most: int | None = None


@dataclass(frozen=True)
class Contest:
    """Systems that do the same work; `units` epochs or rankings a turn."""

    name: str
    model: str
    task: str
    entries: tuple[Entry, ...]
    units: int = 1


def bare_model(job: Job, pairs: torch.Tensor) -> Any:
    """Return the bare model that a job names, fresh."""
    users, items = job.size.users, job.size.items
    if job.model == "BPR":
        return bare.BPR(users, items, job.dim, job.device)
    if job.model == "LightGCN":
        return bare.LightGCN(pairs[:, 0], pairs[:, 1], users, items, job.dim, job.layers)
    matrices = [torch.from_numpy(f) for f in read(job.folder, job.size, True).features]
    return bare.VBPR(bare.featured(matrices).to(job.device), users, job.dim, job.dim)


def bare_train(job: Job, tick: Callable[[], None]) -> None:
    """Train for ever."""
    torch.manual_seed(job.seed)
    pairs = torch.from_numpy(read(job.folder, job.size).train).to(job.device)
    model = bare_model(job, pairs)
    bare.train(model, pairs, job.size.items, job.batch, None, tick)


def bare_rank(job: Job, tick: Callable[[], None]) -> None:
    """Train one epoch, then rank the test part for ever."""
    torch.manual_seed(job.seed)
    made = read(job.folder, job.size)
    train, test = (torch.from_numpy(part).to(job.device) for part in (made.train, made.test))
    model = bare_model(job, train)
    bare.train(model, train, job.size.items, job.batch, 1, lambda: None)
    masked = train[train[:, 0].argsort()]
    block = min(BLOCK, max(1, 2**26 // job.size.items))  # 256 MiB of scores at most
    tick()
    while True:
        bare.rank(model.vectors(), test, masked, list(CUTOFFS), block)
        tick()


def contests(items: int) -> tuple[Contest, ...]:
    """Return all contests; RecBole's ranking batch is set by hand for this number of items."""
    by_hand = (("eval_batch_size", 2048 * (items + 1)),)
    own, plain = Entry("ours", ours.train), Entry("bare loop", bare_train)
    recbole, cornac = Entry("RecBole", peers.recbole_train), Entry("Cornac", peers.cornac_train)
    ranking = (
        Entry("ours", ours.rank),
        Entry("bare loop", bare_rank),
        Entry("RecBole, batch set by hand", peers.recbole_rank, by_hand),
        Entry("RecBole, default batch", peers.recbole_rank, most=1),
        Entry("Cornac", peers.cornac_rank, most=1),
    )
    return (
        Contest("BPR, epoch", "BPR", "train", (own, plain, recbole, cornac), units=3),
        Contest("LightGCN, epoch", "LightGCN", "train", (own, plain, recbole, cornac)),
        Contest("VBPR, epoch", "VBPR", "train", (own, plain, cornac)),
        Contest("BPR, ranking", "BPR", "rank", ranking),
    )
