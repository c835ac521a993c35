"""A small sweep, in this process or, as a script, in one that can be killed."""

import json
import sys
from pathlib import Path

import ray
from ray import tune

from mmbench.benchmark import Benchmark
from mmbench.cells import cells
from mmbench.home import Home
from mmbench.specs import parse
from mmbench.sweeps.sweep import Resources, run_cells

SPACE = {"learning_rate": {"log_uniform": [1e-4, 0.1]}, "embedding_size": {"choice": [8, 16, 32]}}
SET = {"epochs": 6, "stopping_step": 6, "train_batch_size": 64}
SEARCH = {"trials": 6, "round": 3, "early_stopping": "none"}


def cell(home, space=None, seeds=1, fixed=None, **search):
    """Return one cell: BPR on the tiny toyshop."""
    searched = space or SPACE
    values = {"reg_weight": 1e-3, **SET, **(fixed or {})}
    wish = {"space": searched, "set": {k: v for k, v in values.items() if k not in searched}}
    asked = {"datasets": ["tiny"], "recommenders": {"BPR": wish}, "seeds": seeds}
    asked |= {"search": SEARCH | search}
    (made,) = cells(parse(Benchmark, asked, "the test"), home, {"device": "cpu"})
    return made


def swept(home, made, slots=2, **how):
    """Run the sweep of one cell; return its outcome."""
    home = Home.of(home)
    return run_cells([made], home, Resources(cpus=0.5, concurrency=slots), **how)


def points(home):
    """Return the points of the only search in a home, in order, without their times."""
    found = [json.loads(path.read_text()) for path in Path(home).glob("sweeps/*/point-*.json")]
    for point in found:
        del point["seconds"]
    return sorted(found, key=lambda point: point["number"])


class Trained(tune.Callback):
    """Counts the points whose training was begun here."""

    def __init__(self):
        self.points = []

    def on_trial_start(self, iteration, trials, trial, **info):
        if trial.config["kind"] == "point":
            self.points.append(trial.config["number"])


if __name__ == "__main__":
    address, where, told = sys.argv[1:]
    ray.init(address=address, log_to_driver=False)
    trained = Trained()
    swept(where, cell(where, **json.loads(told)), slots=1, callbacks=[trained])
    print(json.dumps(trained.points))
