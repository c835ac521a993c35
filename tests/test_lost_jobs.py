"""A job whose worker died before it began is given again; one that always dies is to blame."""

from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial
from sweeping import cell, points

from mmbench.cli import main
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.progress import Silent
from mmbench.sweeps.cell_work import CellWork
from mmbench.sweeps.halving import Scheduler
from mmbench.sweeps.searcher import Jobs

DIED = "Failure # 2 (occurred at noon)\nThe actor 9b7f is unavailable: Socket closed\n"
RAISED = "Failure # 2 (occurred at noon)\nray::Trainable.reset() (pid=1)\nValueError: no\n"


@pytest.fixture
def jobs(tmp_path):
    """The jobs of one cell, and the scheduler that is told of failures."""
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert main([*words, "--home", str(tmp_path)]) == 0
    home = Home(tmp_path)
    work = CellWork(cell(home), 0, home, Opened(home, Silent()))
    made = Jobs([work])
    return made, Scheduler(made, [work.halving])


def failed(jobs, trial_id, tmp_path, text, status):
    """End a trial as Ray Tune does; what it was given."""
    searcher, scheduler = jobs
    told = searcher.suggest(trial_id)
    error = tmp_path / f"{trial_id}.txt"
    error.write_text(text)
    kept = {"trial_id": trial_id, "error_file": str(error), "last_result": None}
    trial = SimpleNamespace(status=status, PENDING=Trial.PENDING, config=told, **kept)
    scheduler.on_trial_error(None, trial)
    searcher.on_trial_complete(trial_id, error=True)
    return told


def test_the_job_of_a_worker_that_died_is_given_again_and_not_for_ever(jobs, tmp_path):
    given = [failed(jobs, f"t{n}", tmp_path, DIED, Trial.PENDING)["number"] for n in range(7)]
    assert given == [0, 0, 0, 0, 0, 0, 1]
    assert points(tmp_path)[0]["error"]["type"] == "WorkerDied"


@pytest.mark.parametrize(
    ("text", "status", "kind"),
    [(DIED, Trial.RUNNING, "WorkerDied"), (RAISED, Trial.PENDING, "ValueError")],
)
def test_what_ray_tune_tried_as_often_as_it_was_asked_is_recorded(
    jobs, tmp_path, text, status, kind
):
    assert [failed(jobs, f"t{n}", tmp_path, text, status)["number"] for n in (0, 1)] == [0, 1]
    assert {point["error"]["type"] for point in points(tmp_path)} == {kind}
