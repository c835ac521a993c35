"""Early stopping by successive halving: Ray's ASHA, a state of its own for every cell."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from mmbench.cells import Cell
from mmbench.sweeps.draws import SCORE
from mmbench.sweeps.history import Point
from mmbench.sweeps.job import Job
from mmbench.sweeps.job_error import WORKER_DIED, error_in

if TYPE_CHECKING:
    from mmbench.sweeps.searcher import Jobs

EVALUATION = "evaluation"


class Halving:
    """What earlier points of a cell reached, after how many evaluations."""

    def __init__(self, cell: Cell) -> None:
        self.evaluations, search = cell.evaluations, cell.search
        self.asha: ASHAScheduler | None = None
        if search is not None and search.early_stopping == "asha":
            self.asha = ASHAScheduler(
                time_attr=EVALUATION,
                metric=SCORE,
                mode="max",
                max_t=cell.evaluations,
                grace_period=min(search.grace, cell.evaluations),
                reduction_factor=search.reduction,
            )

    def judge(self) -> ASHAScheduler | None:
        """Return a judge who knows the points so far, and will know none that comes later."""
        return deepcopy(self.asha)

    def tell(self, point: Point) -> None:
        """Take a point in."""
        if self.asha is None or point.repeats is not None:
            return
        trial: Any = SimpleNamespace(trial_id=str(point.number))
        nobody: Any = None
        self.asha.on_trial_add(nobody, trial)
        for evaluation, score in enumerate(point.scores, 1):
            self.asha.on_trial_result(nobody, trial, {EVALUATION: evaluation, SCORE: score})


class Scheduler(FIFOScheduler):
    """Runs the jobs of all cells as they come; each point is judged among those of its cell."""

    def __init__(self, jobs: "Jobs", halvings: Sequence[Halving]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.jobs, self.halvings = jobs, halvings
        self.judges: dict[str, ASHAScheduler] = {}

    def set_search_properties(self, *_: Any, **_spec: Any) -> bool:
        """Take no metric: each cell has its own."""
        return True

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Give a point its judge; one that begins again after a failure gets a new one."""
        job = Job.of(trial.config)
        judge = self.halvings[job.cell].judge() if job.kind == "point" else None
        if judge is not None:
            judge.on_trial_add(tune_controller, trial)
            self.judges[trial.trial_id] = judge

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Return whether a trial goes on."""
        if self.jobs.trouble is not None:
            return TrialScheduler.STOP
        judge = self.judges.get(trial.trial_id)
        last = self.halvings[result["cell"]].evaluations
        if judge is None or result[EVALUATION] >= last:
            return TrialScheduler.CONTINUE
        return str(judge.on_trial_result(tune_controller, trial, dict(result)))

    def on_trial_complete(self, _: Any, trial: Any, *_result: Any) -> None:
        """Dismiss the judge."""
        self.judges.pop(trial.trial_id, None)

    def on_trial_remove(self, _: Any, trial: Any) -> None:
        """Dismiss the judge."""
        self.judges.pop(trial.trial_id, None)

    def on_trial_error(self, _: Any, trial: Any) -> None:
        """Keep what is known of a failure: Ray tells the searcher only that there was one.

        A trial that waited to be reset when its worker died is failed by Ray Tune twice for it,
        the second time for good and while it is to begin again: it is no failure of the job.
        """
        error = error_in(trial.error_file)
        self.jobs.failures[trial.trial_id] = error, dict(trial.last_result or {})
        if trial.status == trial.PENDING and error["type"] == WORKER_DIED:
            self.jobs.lost.add(trial.trial_id)

    def debug_string(self) -> str:
        """Return what Ray may print of it."""
        return "Successive halving, cell by cell"
