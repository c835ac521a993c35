"""A small shop that was swept, to be published, and what changes its records."""

import json

import pytest

import mmbench
from mmbench.benchmark import read_benchmark
from mmbench.cells import cells
from mmbench.cli import main
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.opened import Opened
from mmbench.plan import plan
from mmbench.progress import Silent
from mmbench.sweeps.finals import Finals, request
from mmbench.sweeps.history import Point, told
from mmbench.trial import execute

SHOP = """
description: a shop | of forty things
datasets: [tiny]
encoders: [classic, noise]
seeds: 2
search: false
set: {epochs: 2, train_batch_size: 64}
recommenders: [Pop, VBPR]
"""
TUNED = """
datasets: [tiny]
seeds: 2
search: {algorithm: grid, early_stopping: none}
set: {epochs: 2, train_batch_size: 64, embedding_size: 8, reg_weight: 0.001}
recommenders: {BPR: {space: {learning_rate: {choice: [0.001, 0.05]}}}}
"""


def swept_shop(root):
    """Fill a folder with a home, and two benchmarks that were run in it."""
    home = root / "home"
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert main([*words, "--home", str(home)]) == 0
    opened = Opened(Home.of(home), Silent())
    for name, text in (("shop", SHOP), ("tuned", TUNED)):
        (root / name).mkdir()
        (root / name / "benchmark.yaml").write_text(text)
        for cell in cells(read_benchmark(root / name / "benchmark.yaml"), home, opened=opened):
            train(cell, opened)
    return root


def train(cell, opened):
    """Do by hand what a sweep does with a cell, its points one after another."""
    points = []
    for number, rate in enumerate(cell.space["learning_rate"][1] if cell.search else ()):
        one = plan(**request(cell, {"learning_rate": rate}), home=opened.home, opened=opened)[0]
        values = execute(one).values
        curve, seconds = values["epochs"]["curve"], values["seconds"]["train"]
        best = max(score for _, _, score in curve)
        points.append(Point(number, {"learning_rate": rate}, "ok", curve, best, seconds))
    chosen = max(points, key=lambda point: point.score, default=None)
    settings = chosen.hyperparameters if chosen else {}
    for one in plan(**request(cell, settings), seeds=cell.seeds, home=opened.home, opened=opened):
        execute(one)
    Finals(cell, opened.home, settings, told(cell, points, chosen), opened)


def records(root, model="VBPR", seed=1):
    found = sorted((root / "home" / "results").rglob(f"{model}/*-s{seed}.json"))
    assert found
    return found


def change(path, edit):
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def refused(root, *parts, name="shop"):
    """Publishing is refused in words that hold all the parts, and writes nothing."""
    with pytest.raises(UsageError) as error:
        mmbench.publish(root / name, home=root / "home")
    for part in parts:
        assert part in str(error.value)
    assert {path.name for path in (root / name).iterdir()} == {"benchmark.yaml"}
