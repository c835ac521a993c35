"""What a worker does: it trains the jobs it is given, one after another, in one process."""

import gc
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from mmbench.atomic import locked
from mmbench.cells import Cell
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.paradigm import END2END
from mmbench.plan import Planned, done, plan
from mmbench.progress import Silent
from mmbench.sweeps.finals import Files, files_of, request
from mmbench.sweeps.job import Job
from mmbench.sweeps.job_error import JobError
from mmbench.sweeps.parcel import laid_out
from mmbench.sweeps.session import Report, Session

if TYPE_CHECKING:
    from recbole_ext.training_state import Epoch


class Trainable(tune.Trainable):
    """A slot of the sweep. It imports and opens things once, and keeps them for its next job."""

    def setup(
        self,
        config: dict[str, Any],
        cells: Sequence[Cell] = (),
        home: Home | None = None,
        threads: int = 1,
        folder: str = ".",
        parcels: Mapping[str, Any] | None = None,
        send_records: bool = False,
    ) -> None:
        """Take what all jobs share.

        Args:
            cells: of the sweep. home: of the driver. threads: that a training may use.
            folder: where the driver stands, to which relative paths belong.
            parcels: what this machine needs where it does not see the home of the driver.
            send_records: return records with the results instead of leaving them in the home.
        """
        import torch

        torch.set_num_threads(threads)
        self.cells, self.threads, self.folder = cells, threads, folder
        self.home = laid_out(parcels) if parcels else home or Home.find()
        self.send_records, self.opened = send_records, Opened(self.home, Silent())
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """End the job that was stopped and begin another."""
        import torch

        self.session.stop()
        gc.collect()  # models hold circles of references, which would wait on the device
        torch.cuda.empty_cache()  # where others share it
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train until the next evaluation of validation, and report it.

        A report has the keys cell, name, kind and number of the job, epoch, epochs (at most),
        evaluation (how many there were), score (of it; the best one in the last report, which is
        `done`), curve ([epoch, loss, score or None] so far), seconds and scratch (the folder of
        what the training keeps). The last one has `files`, those of a record to be sent.
        """
        try:
            return self.session.next()
        except JobError:
            raise
        except Exception as error:
            raise JobError.of(error) from None

    def cleanup(self) -> None:
        """End the job where it stands; what it kept on disk stays."""
        self.session.stop()

    def _begin(self, config: dict[str, Any]) -> None:
        if Path(self.folder).is_dir():
            os.chdir(self.folder)  # Ray moved this process to a folder of its own
        self.session = Session(partial(self._work, Job.of(config)))

    def _work(self, job: Job, report: Report) -> dict[str, Any]:
        import torch

        torch.set_num_threads(self.threads)  # of this thread
        cell = self.cells[job.cell]
        # Encoders that train must be nobody else's.
        opened = None if cell.paradigm == END2END else self.opened
        return train(job, cell, self.home, report, opened, self.send_records)


def train(
    job: Job,
    cell: Cell,
    home: Home,
    report: Report,
    opened: Opened | None = None,
    send_record: bool = False,
) -> dict[str, Any]:
    """Do a job and return its last report; a point is trained and not tested.

    A training that was interrupted goes on, and reports from its beginning.

    Args:
        report: told at every evaluation of validation. opened: what is shared with other jobs.
        send_record: put the files of the record into the report.

    Raises:
        JobError: the final training failed, and its record says why. Whatever training a point
            raises.
    """
    from mmbench import trial

    seed = cell.seeds[0] if job.kind == "point" else job.number
    asked = request(cell, job.hyperparameters)
    planned = plan(**asked, seeds=[seed], home=home, resume=True, opened=opened)[0]
    watch = _Watch(job, planned, report)
    if job.kind == "point":
        fitted = trial.fit(planned, Silent(), watch)
        return watch.last(fitted.recbole.trained.valid.mean(), [])
    with locked(planned.path.with_name(f".{planned.path.name}.lock")):
        record = done(planned) or trial.execute(planned, Silent(), watch)
    if record.status != "ok":
        raise JobError.told(record.values["error"])
    files = files_of(record, home.root) if send_record else []
    return watch.last(record.values["metrics"]["valid"], files)


class _Watch:
    """Sees every epoch of a training and reports at every evaluation."""

    def __init__(self, job: Job, planned: Planned, report: Report) -> None:
        self.job, self.planned, self.report = job, planned, report
        self.curve: list[tuple[int, float, float | None]] = []
        self.seconds = 0.0

    def __call__(self, epoch: "Epoch") -> None:
        self.curve.append((epoch.number, epoch.loss, epoch.score))
        self.seconds += epoch.seconds
        if epoch.score is not None:
            self.report(self.told(epoch.score))

    def told(self, score: float) -> dict[str, Any]:
        """Return a report with this score."""
        return {
            **self.job.result(),
            "epoch": len(self.curve),
            "epochs": int(self.planned.trial.hyperparameters.get("epochs") or 1),
            "score": score,
            "evaluation": sum(measured is not None for _, _, measured in self.curve),
            "curve": list(self.curve),
            "seconds": self.seconds,
            "scratch": str(self.planned.scratch),
        }

    def last(self, valid: Mapping[str, float], files: Files) -> dict[str, Any]:
        """Return the report that ends the job, from the metrics of validation."""
        score = float(valid[self.planned.protocol.select.lower()])
        return {**self.told(score), "files": files, "done": True}
