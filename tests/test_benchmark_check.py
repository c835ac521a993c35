"""`mmbench check FILE`: what a benchmark comes to, what of it is there, how long it will take."""

import json

import pytest

from mmbench import cli
from mmbench.benchmark import read_benchmark
from mmbench.benchmark_check import check_benchmark
from mmbench.cells import cells
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.plan import plan
from mmbench.sweeps.history import OK, History, Point
from mmbench.trial import execute

TEXT = """
datasets: [toyshop]
encoders: [classic, permuted]
recommenders: [VBPR, BPR, Pop]
set: {epochs: 2, learning_rate: 0.01}
seeds: 2
search: {trials: 2}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from mmbench.datasets.prepare import prepare

    made = Home(tmp_path_factory.mktemp("home"))
    prepare("toyshop", users=60, items=40, home=made)
    return made


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "bench.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def mmbench(home, capsys):
    def run(*words):
        code = cli.main([*map(str, words), "--home", str(home.root)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_benchmark_before_it_begins(file, mmbench):
    code, out, _ = mmbench("check", file, "--concurrency", "3")
    assert code == 0
    assert "toyshop · permuted:classic · frozen · VBPR" in out
    assert "cells: 4" in out
    assert "search trials: 6, of which 0 are there" in out
    assert "final trials: 8, of which 0 are there" in out
    assert "to encode first: toyshop · classic, toyshop · permuted:classic (" in out
    assert "time: unknown: no record of toyshop" in out
    told = json.loads(mmbench("check", file, "--json")[1])
    assert (told["search_trials"], told["final_trials"]) == (6, 8)
    assert (told["seconds_left"], len(told["unknown"])) == (None, 4)


def search(cell, home):
    """Write the two points of a cell's search, of 100 s each, as a sweep would."""
    history = History.of(cell, home)
    for number, score in enumerate((0.2, 0.3)):
        settings = {"embedding_size": 32, "reg_weight": 0.1 * (number + 1)}
        curve = [[1, 0.5, score / 2], [2, 0.4, score]]
        history.write(Point(number, settings, OK, curve, score, 100.0))


def test_what_is_there_is_counted_and_tells_the_time(file, home):
    found = cells(read_benchmark(file), home)
    bpr = next(cell for cell in found if cell.model == "BPR")
    pop = next(cell for cell in found if cell.model == "Pop")
    search(bpr, home)
    before = check_benchmark(file, home, concurrency=2)
    counts = {one.cell.model: (one.points, one.finals) for one in before.cells}
    assert counts == {"VBPR": (0, 0), "BPR": (2, 0), "Pop": (0, 0)}
    left = {one.cell.model: (one.left, one.training.basis) for one in before.cells}
    assert left["BPR"] == (200.0, "searches of BPR")  # two seeds of the chosen point
    assert before.seconds == 100.0
    assert len(before.unknown) == 3

    best = {**bpr.request["hyperparameters"], "embedding_size": 32, "reg_weight": 0.2}
    execute(plan(**{**bpr.request, "hyperparameters": best}, seeds=[1], home=home)[0])
    execute(plan(**pop.request, seeds=[2], home=home)[0])
    after = check_benchmark(file, home, concurrency=2)
    counts = {one.cell.model: (one.points, one.finals) for one in after.cells}
    assert counts == {"VBPR": (0, 0), "BPR": (2, 1), "Pop": (0, 1)}
    basis = {one.cell.model: one.training.basis for one in after.cells}
    assert basis["VBPR"] == "records of other recommenders"
    assert basis["BPR"] == "records of BPR"
    assert after.unknown == []
    assert after.seconds == sum(one.left for one in after.cells) / 2
    assert "with 2 at once" in after.text()


def test_a_damaged_point_is_not_counted(file, home):
    cell = next(cell for cell in cells(read_benchmark(file), home) if cell.encoder == "classic")
    search(cell, home)
    History.of(cell, home).path(1).write_text("{")
    found = check_benchmark(file, home)
    assert {one.points for one in found.cells if one.cell == cell} == {1}
    assert all(one.finals == 0 for one in found.cells if one.cell == cell)


def test_without_a_search_the_records_alone_count(tmp_path, home):
    path = tmp_path / "bench.yaml"
    path.write_text("datasets: [toyshop]\nrecommenders: [Pop]\nsearch: false\nseeds: 1\n")
    execute(plan("Pop", None, "toyshop", home=home)[0])
    found = check_benchmark(path, home)
    assert (found.cells[0].finals, found.seconds) == (1, 0.0)
    assert "time: nothing is left to train" in found.text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT.replace("seeds", "sedes"), "unknown key 'sedes': the nearest is seeds"),
        (TEXT.replace("toyshop", "toyshopp"), "dataset 'toyshopp' is not prepared"),
        ("- a\n", "expected `key: value` lines"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path, mmbench, text, told):
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    code, out, err = mmbench("check", path)
    assert (code, out) == (2, "")
    assert told in err
    assert len(err.splitlines()) == 1


def test_wrong_numbers_of_trials_at_once_are_refused(file, home, mmbench):
    with pytest.raises(UsageError, match="at least 1"):
        check_benchmark(file, home, concurrency=0)
    code, _, err = mmbench("check", "--concurrency", "2")
    assert code == 2
    assert "--concurrency is for a benchmark" in err
