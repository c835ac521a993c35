"""All cells of a sweep, searched and recorded by one run of Ray Tune."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from ray import tune

from mmbench.atomic import told_of_disk
from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.progress import Silent
from mmbench.records import Record
from mmbench.sweeps.cell_work import CellWork
from mmbench.sweeps.claim import Claim
from mmbench.sweeps.cluster import check_fits
from mmbench.sweeps.halving import Scheduler
from mmbench.sweeps.history import SWEEPS
from mmbench.sweeps.job import Job
from mmbench.sweeps.quiet import quiet, with_mutes
from mmbench.sweeps.searcher import Jobs
from mmbench.sweeps.training import Trainable

_STORAGE = ".tune-"


@dataclass(frozen=True)
class Resources:
    """What one training gets, and how many there are at once.

    cpus, gpus: of one machine; a part of a GPU is shared. memory_mb: that Ray sets aside for it.
    concurrency: trainings at once, as many as there is room for where it is None.
    """

    cpus: float = 1
    gpus: float = 0
    memory_mb: int | None = None
    concurrency: int | None = None

    def told(self) -> dict[str, float]:
        """Return them in Ray's words."""
        memory = {"memory": self.memory_mb * 2**20} if self.memory_mb else {}
        return {"cpu": self.cpus, "gpu": self.gpus, **memory}


@dataclass(frozen=True)
class Outcome:
    """What a sweep left: its records in the order of cells and seeds, and what failed, in lines."""

    records: tuple[Record, ...]
    failed: tuple[str, ...]


def run_cells(
    cells: Sequence[Cell],
    home: Home,
    resources: Resources,
    *,
    retries: int = 1,
    callbacks: Sequence[tune.Callback] = (),
    parcels: Mapping[str, Any] | None = None,
    store_to_driver: bool = False,
    opened: Opened | None = None,
) -> Outcome:
    """Search every cell, train its best point with every seed, and record it; Ray is connected.

    What an earlier sweep did, or another does meanwhile, is taken over from the home.

    Args:
        cells: in the order in which they begin. retries: of a training that fails.
        callbacks: of Ray Tune; results have the keys of `mmbench.sweeps.training.Trainable.step`.
        parcels: what workers need that do not see the home; see `mmbench.sweeps.parcel`.
        store_to_driver: records come back with the results, and are written here.
        opened: what was opened in the home already.

    Raises:
        UsageError: no machine has the resources, or the disk is full.
        KeyboardInterrupt: the sweep was stopped; it goes on where it stands when it begins again.
    """
    seen, shared = opened or Opened(home, Silent()), {"cells": list(cells), "home": home}
    shared |= {"parcels": parcels, "send_records": store_to_driver}
    with quiet():
        work = [CellWork(cell, place, home, seen) for place, cell in enumerate(cells)]
        with closing(Jobs(work)) as jobs:
            if not jobs.complete:
                _tune(jobs, home, shared, resources, retries, callbacks)
            jobs.check()
    return Outcome(
        tuple(record for cell in work for record in cell.records),
        tuple(line for cell in work for line in cell.failures),
    )


def _tune(
    jobs: Jobs,
    home: Home,
    shared: Mapping[str, Any],
    resources: Resources,
    retries: int,
    callbacks: Sequence[tune.Callback],
) -> None:
    check_fits(resources.cpus, resources.gpus, resources.memory_mb)
    here = {"threads": max(1, int(resources.cpus)), "folder": os.getcwd()}
    trainable = tune.with_parameters(Trainable, **shared, **here)
    with _storage(home) as folder, told_of_disk(folder), _excused(jobs):
        tune.Tuner(
            tune.with_resources(trainable, resources.told()),
            tune_config=tune.TuneConfig(
                search_alg=jobs,
                scheduler=Scheduler(jobs, [cell.halving for cell in jobs.cells]),
                num_samples=-1,
                max_concurrent_trials=resources.concurrency,
                reuse_actors=True,
                trial_name_creator=_title,
                trial_dirname_creator=_folder,
            ),
            run_config=tune.RunConfig(
                name=folder.name,
                storage_path=str(folder.parent),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=tune.FailureConfig(max_failures=retries),
                callbacks=with_mutes(callbacks),
                verbose=0,
            ),
        ).fit()


@contextmanager
def _excused(jobs: Jobs) -> Iterator[None]:
    """Let go what Ray Tune raises where the sweep ends for a reason: it says that itself.

    On a full disk Tune stumbles over what it could not write.
    """
    try:
        yield
    except Exception:
        if jobs.trouble is None:
            raise


def _title(trial: Any) -> str:
    return Job.of(trial.config).title


def _folder(trial: Any) -> str:
    return str(trial.trial_id)


@contextmanager
def _storage(home: Home) -> Iterator[Path]:
    """Yield a folder for what Ray Tune writes; it goes, as do those of sweeps that were killed."""
    above = home.root / SWEEPS
    for lock in above.glob(f"{_STORAGE}*.lock"):
        _remove(above / lock.stem, Claim.take(lock))
    folder = above / f"{_STORAGE}{uuid4().hex[:12]}"
    claim = Claim.take(above / f"{folder.name}.lock")
    try:
        yield folder
    finally:
        _remove(folder, claim)


def _remove(folder: Path, claim: Claim | None) -> None:
    if claim is not None:
        shutil.rmtree(folder, ignore_errors=True)
        claim.release()
