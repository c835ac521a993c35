"""The jobs of all cells as one search algorithm of Ray Tune."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from mmbench.errors import DiskError, UsageError
from mmbench.sweeps.cell_work import CellWork
from mmbench.sweeps.job import Job

_LOSSES = 5  # of one job, after which it is to blame


class Jobs(Searcher):
    """Gives jobs, those of the first cells first, until every record is there.

    failures: trial → the error it ended with and what it had reported, told by the scheduler.
    lost: trials whose worker died before they began; their jobs are given again.
    trouble: why the sweep cannot go on, which a person can mend; None while it can.
    """

    def __init__(self, cells: Sequence[CellWork]) -> None:
        super().__init__()
        self.cells = cells
        self.failures: dict[str, tuple[Mapping[str, str], Mapping[str, Any]]] = {}
        self.trouble: UsageError | None = None
        self.lost: set[str] = set()
        self._running: dict[str, Job] = {}
        self._again: list[Job] = []
        self._losses: Counter[str] = Counter()

    def suggest(self, trial_id: str) -> Any:
        """Return the next job, None where all that can begin has begun."""
        try:
            return self._next(trial_id)
        except UsageError as error:
            self.trouble = self.trouble or error
            return Searcher.FINISHED

    def _next(self, trial_id: str) -> Any:
        if self.trouble is not None:
            return Searcher.FINISHED
        given = (job for cell in self.cells if (job := cell.next()))
        job = self._again.pop(0) if self._again else next(given, None)
        if job is None:
            return Searcher.FINISHED if self.complete else None
        self._running[trial_id] = job
        return job.config()

    @property
    def complete(self) -> bool:
        """Whether every cell has its records."""
        return not (self._running or self._again) and all(cell.complete for cell in self.cells)

    def check(self) -> None:
        """Raise why there is something left to do.

        Raises:
            UsageError: a person can mend it. KeyboardInterrupt: the sweep was stopped.
        """
        if self.trouble is not None:
            raise self.trouble
        if not self.complete:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Let other sweeps have what was begun and not finished."""
        for cell in self.cells:
            cell.release()

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Wait for the end: a point counts when its round is complete."""

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Hand the result of a job to its cell."""
        job = self._running.pop(trial_id)
        cell = self.cells[job.cell]
        if self.trouble is not None:
            return
        try:
            if trial_id in self.lost and self._losses[job.title] < _LOSSES:
                self._losses[job.title] += 1
                self._again.append(job)
            elif error:
                self._fail(cell, job, *self.failures.pop(trial_id))
            elif result:
                cell.finish(job, result)
        except UsageError as trouble:
            self.trouble = trouble

    @staticmethod
    def _fail(cell: CellWork, job: Job, error: Mapping[str, str], last: Mapping[str, Any]) -> None:
        if error["type"] == DiskError.__name__:  # the job is no worse than the others
            raise DiskError(error["message"])
        cell.fail(job, error, last)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the histories of the cells are all that counts."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing."""
