"""Experiment trackers that are no dependency: where they are installed, their runs are read back.

TensorBoard is one, and is read in `test_sweep_command`.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mmbench.cli import main
from mmbench.home import Home

HERE = [name for name in ("mlflow", "wandb") if find_spec(name)]
# Two points and a final training: of every tracker three runs.
SWEEP = ("--model", "BPR", "--dataset", "tiny", "--trials", "2", "--seeds", "1", "--cpus", "1")
SET = ("--set", "epochs=4", "--set", "eval_step=2")
TITLES = [f"tiny · id · frozen · BPR · {what}" for what in ("point 0", "point 1", "seed 1")]


def needs(name):
    """Skip a test of a tracker that is not installed."""
    return pytest.mark.skipif(name not in HERE, reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home after a sweep that told every tracker that is installed."""
    folder = tmp_path_factory.mktemp("home")
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert main([*words, "--home", str(folder)]) == 0
    logs = [word for name in HERE for word in ("--log", name)]
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", "sweep", *SWEEP, *SET, *logs, "--home", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Home(folder)


@pytest.fixture(scope="module")
def points(home):
    """The points of its search, in order."""
    paths = sorted(home.root.glob("sweeps/*/point-*.json"))
    return [json.loads(path.read_text()) for path in paths]


def scores(point):
    return [(epoch, score) for epoch, _, score in point["curve"] if score is not None]


@needs("mlflow")
def test_mlflow_has_a_run_of_every_training(home, points):
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{home.root}/sweeps/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'mmbench'")
    runs = client.search_runs([experiment.experiment_id])
    found = {run.data.tags["mlflow.runName"]: run for run in runs}
    assert sorted(found) == TITLES
    for title, point in zip(TITLES, points, strict=False):
        history = client.get_metric_history(found[title].info.run_id, "score")
        assert found[title].info.status == "FINISHED"
        assert [entry.value for entry in history[:2]] == [score for _, score in scores(point)]
        told = found[title].data.params
        for key, value in point["hyperparameters"].items():
            assert told[f"hyperparameters/{key}"] == str(value)


@needs("wandb")
def test_wandb_has_a_run_of_every_training(home, points):
    found = {}
    for path in home.root.glob("sweeps/wandb/offline-run-*/run-*.wandb"):
        title, told, hyperparameters = None, [], None
        for entry in entries(path):
            title = entry.run.display_name or title
            for said in entry.run.config.update:
                if said.key == "hyperparameters":
                    hyperparameters = json.loads(said.value_json)
            for item in entry.history.item:
                if "score" in (item.key, *item.nested_key):
                    told.append(json.loads(item.value_json))
        found[title] = told, hyperparameters
    assert sorted(found) == TITLES
    for title, point in zip(TITLES, points, strict=False):
        told, hyperparameters = found[title]
        assert told[:2] == [score for _, score in scores(point)]
        assert hyperparameters == point["hyperparameters"]


def entries(path):
    """Yield what a file of wandb holds: a log as LevelDB writes it, behind 7 bytes of its own."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, held = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 2**15 - at % 2**15
        if left < 7:  # the end of a block
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        held, at = held + data[at + 7 : at + 7 + size], at + 7 + size
        if kind in (1, 4):  # whole, or its last part
            yield Record.FromString(held)
            held = b""
