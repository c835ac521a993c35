"""Sweeps whose driver or worker is killed, and two sweeps at once in one home."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray
import sweeping
from ray import tune
from sweeping import Trained, cell, points, swept

from mmbench.sweeps.cluster import connected

SLOWER = {"fixed": {"epochs": 10, "stopping_step": 10, "train_batch_size": 8}}


@pytest.fixture(scope="module")
def ray_here():
    with connected(cpus=2, gpus=0):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture(scope="module")
def undisturbed(ray_here, tiny_template, tmp_path_factory):
    """The points of a sweep that nothing disturbs, and the metrics of its record."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(tiny_template, home)
    (record,) = swept(home, cell(home, **SLOWER)).records
    return points(home), record.values["metrics"]


@pytest.fixture
def other(ray_here, tiny, tmp_path):
    """Return a function that sweeps the same cell in a process of its own."""
    started, work = [], tmp_path / "elsewhere"
    work.mkdir()

    def start():
        words = [sys.executable, sweeping.__file__, ray_here, str(tiny), json.dumps(SLOWER)]
        process = subprocess.Popen(
            words, cwd=work, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    assert list(work.iterdir()) == []


class Kills(tune.Callback):
    """Kills the worker of one point in the middle of its training, once."""

    def __init__(self, number, evaluation):
        self.where, self.killed = (number, evaluation), []

    def on_trial_result(self, iteration, trials, trial, result, **info):
        found = result["kind"] == "point" and (result["number"], result["evaluation"])
        if found == self.where and not self.killed:
            self.killed.append(result["pid"])
            os.kill(result["pid"], signal.SIGKILL)


def files(home):
    found = {path.name: path.stat() for path in home.glob("sweeps/*/point-*.json")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in found.items()}


def test_a_sweep_whose_driver_was_killed_goes_on_where_it_stood(other, tiny, undisturbed):
    process = other()
    while len(files(tiny)) < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = files(tiny)
    assert 2 <= len(before) < 6
    trained = Trained()
    (record,) = swept(tiny, cell(tiny, **SLOWER), callbacks=[trained]).records
    assert {name: found for name, found in files(tiny).items() if name in before} == before
    assert len(trained.points) == 6 - len(before)
    assert (points(tiny), record.values["metrics"]) == undisturbed
    assert not list(tiny.glob("sweeps/.tune-*"))
    assert not list(tiny.rglob("*.scratch"))


def test_a_training_whose_worker_was_killed_is_done_again(ray_here, tiny, undisturbed):
    kills, here = Kills(number=2, evaluation=4), Path.cwd()
    outcome = swept(tiny, cell(tiny, **SLOWER), callbacks=[kills])
    assert len(kills.killed) == 1
    assert outcome.failed == ()
    assert (points(tiny), outcome.records[0].values["metrics"]) == undisturbed
    assert Path.cwd() == here


@pytest.mark.slow
def test_a_worker_that_keeps_dying_is_a_failed_point_and_the_sweep_goes_on(ray_here, tiny):
    kills = Kills(number=1, evaluation=2)
    outcome = swept(tiny, cell(tiny, **SLOWER), callbacks=[kills], retries=0)
    assert [point["status"] for point in points(tiny)].count("failed") == 1
    assert points(tiny)[1]["error"]["type"] == "WorkerDied"
    assert [record.status for record in outcome.records] == ["ok"]
    assert "point 1 failed (WorkerDied" in outcome.failed[0]


def test_two_sweeps_at_once_share_the_work(other, tiny, undisturbed):
    process, trained = other(), Trained()
    outcome = swept(tiny, cell(tiny, **SLOWER), slots=1, callbacks=[trained])
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert sorted(trained.points + json.loads(out)) == [0, 1, 2, 3, 4, 5]
    assert (points(tiny), outcome.records[0].values["metrics"]) == undisturbed
