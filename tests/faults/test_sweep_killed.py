"""Sweeps whose driver or worker is killed, two at once in one home, and one on a full disk."""

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

from mmbench.errors import DiskError
from mmbench.sweeps.cluster import connected

ROOM = 4 * 2**20  # bytes of a small file system
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


@pytest.fixture
def disk(tmp_path):
    """The folder of a file system of its own, which takes the superuser."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    if shutil.which("mount") is None:
        pytest.skip("no small file system: there is no `mount` here")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Fills(tune.Callback):
    """Leaves so many bytes of a disk when a training begins, once."""

    def __init__(self, disk, kind, number, left):
        self.filler, self.at, self.left = disk / "filler", (kind, number), left

    def on_trial_start(self, iteration, trials, trial, **info):
        if (trial.config["kind"], trial.config["number"]) == self.at and not self.filler.exists():
            free = os.statvfs(self.filler.parent)
            self.filler.write_bytes(bytes(free.f_bavail * free.f_bsize - self.left))


def whole(home):
    """Return the points, all of which can be read; nothing half-written lies about."""
    assert not list(home.rglob("*.part"))
    assert not list(home.glob("sweeps/*/.point-*.lock"))
    assert not list(home.glob("sweeps/.tune-*"))
    for path in (home / "results").rglob("[!.]*.json"):
        assert json.loads(path.read_text())["status"] == "ok"
        assert path.with_suffix(".npz").is_file()
    return points(home)


def test_a_sweep_on_a_full_disk_ends_and_goes_on(ray_here, disk, tiny_template):
    home, known = disk / "home", []
    shutil.copytree(tiny_template, home)
    made = cell(home, trials=4, round=2)
    for kind, number, left in (("point", 2, 8192), ("final", 1, 8192)):
        with pytest.raises(DiskError, match="cannot write .*: make room, or name another"):
            swept(home, made, slots=1, callbacks=[Fills(disk, kind, number, left)], retries=0)
        found = whole(home)
        assert {point["status"] for point in found} == {"ok"}
        known.append(len(found))
        (disk / "filler").unlink()
    assert 2 <= known[0] <= known[1] == 4
    trained = Trained()
    outcome = swept(home, made, slots=1, callbacks=[trained])
    assert (outcome.failed, trained.points) == ((), [])
    assert [record.status for record in outcome.records] == ["ok"]
    assert [line["status"] for line in outcome.records[0].values["search"]["history"]] == ["ok"] * 4
    assert whole(home) == found
