"""Sweeps with a real Ray: points drawn, judged, stopped, chosen and recorded."""

import json
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import ASHAScheduler
from sweeping import cell, points, swept

from mmbench.cli import main
from mmbench.home import Home
from mmbench.sweeps.cluster import connected
from mmbench.sweeps.job import Job
from mmbench.sweeps.training import train
from mmbench.trial import run
from recbole_ext import run as recbole

EXPLODES = {"learner": "sgd", "learning_rate": 1.0}
GONE = 1e6  # a reg_weight with which such a training leaves the finite numbers


@pytest.fixture(scope="module")
def home_of(tmp_path_factory):
    """Return a function that makes a home with the dataset `tiny`."""
    template = tmp_path_factory.mktemp("homes")
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")

    def made(name):
        assert main([*words, "--home", str(template / name)]) == 0
        return template / name

    return made


@pytest.fixture(scope="module", autouse=True)
def ray_here():
    with connected(cpus=2, gpus=0):
        yield


@pytest.fixture(scope="module")
def plain(home_of):
    """A home after a sweep of six points and two seeds, one training at a time; its outcome."""
    home = home_of("plain")
    return home, swept(home, cell(home, seeds=2), slots=1)


def test_the_same_seed_chooses_the_same_point_however_many_train_at_once(plain, home_of):
    home, outcome = plain
    other = home_of("parallel")
    again = swept(other, cell(other, seeds=2), slots=2)
    assert points(other) == points(home)
    assert [r.path.name for r in again.records] == [r.path.name for r in outcome.records]
    assert len({json.dumps(point["hyperparameters"]) for point in points(home)}) == 6


def test_the_records_tell_the_search_and_their_numbers_are_those_of_a_run(plain, tmp_path):
    home, outcome = plain
    assert outcome.failed == ()
    found = points(home)
    best = max(found, key=lambda point: (point["score"], -point["number"]))
    for record, seed in zip(outcome.records, (1, 2), strict=True):
        search = record.values["search"]
        assert record.trial["seed"] == seed
        assert search["chosen"] == best["number"]
        assert [line["score"] for line in search["history"]] == [p["score"] for p in found]
        assert search["history"][0]["evaluations"] == 6
        told = {key: record.trial["hyperparameters"][key] for key in search["space"]}
        assert told == best["hyperparameters"]
    (first, _) = outcome.records
    assert first.values["metrics"]["valid"]["recall@20"] == best["score"]
    alone = run(
        "BPR",
        dataset="tiny",
        home=home,
        force=True,
        device="cpu",
        hyperparameters=first.trial["hyperparameters"],
        seed=1,
    )
    assert alone.values["metrics"] == first.values["metrics"]
    assert "search" not in alone.values
    (again, _) = swept(home, cell(home, seeds=2)).records
    assert again.values["search"] == first.values["search"]
    assert not [path for path in home.rglob(".*") if path.name != ".lock"]


def test_a_point_is_trained_without_a_look_at_the_test_part(plain, monkeypatch, home_of):
    home = home_of("blind")
    made = cell(home, seeds=1)

    def looked(*_):
        raise AssertionError("somebody looked")

    monkeypatch.setattr(recbole, "evaluate", looked)
    reports, job = [], Job(0, made.name, "point", 0, {"learning_rate": 0.01})
    last = train(job, made, Home.of(home), reports.append)
    assert [report["evaluation"] for report in reports] == [1, 2, 3, 4, 5, 6]
    assert last["score"] == max(report["score"] for report in reports)
    final = Job(0, made.name, "final", 1, {"learning_rate": 0.01})
    with pytest.raises(RuntimeError, match="somebody looked"):
        train(final, made, Home.of(home), reports.append)


def test_bad_points_stop_early_as_asha_would_stop_them_one_at_a_time(home_of):
    home = home_of("asha")
    rules = {"early_stopping": "asha", "grace": 1, "reduction": 2, "round": 1, "trials": 8}
    swept(home, cell(home, algorithm="random", **rules))
    asha = ASHAScheduler("evaluation", "score", "max", max_t=6, grace_period=1, reduction_factor=2)
    stops = 0
    for point in points(home):
        trial = SimpleNamespace(trial_id=str(point["number"]))
        asha.on_trial_add(None, trial)
        ends = None
        for evaluation, (_, _, score) in enumerate(point["curve"], 1):
            said = asha.on_trial_result(None, trial, {"evaluation": evaluation, "score": score})
            assert ends is None
            ends = evaluation if said == "STOP" and evaluation < 6 else None
        assert point["status"] == ("ok" if ends is None else "stopped early")
        assert len(point["curve"]) == (ends or 6)
        stops += ends is not None
    assert stops >= 2
    assert not list((home / "results").rglob("*.scratch"))


def test_a_grid_takes_every_combination_and_goes_on_where_one_fails(home_of):
    home = home_of("grid")
    space = {"reg_weight": {"choice": [1e-3, GONE]}, "embedding_size": {"choice": [8, 16]}}
    outcome = swept(home, cell(home, space, fixed=EXPLODES, algorithm="grid"), retries=0)
    found = points(home)
    asked = {tuple(sorted(point["hyperparameters"].items())) for point in found}
    assert len(asked) == len(found) == 4
    for point in found:
        failed = point["hyperparameters"]["reg_weight"] == GONE
        assert point["status"] == ("failed" if failed else "ok")
        if failed:
            assert point["error"]["type"] == "FloatingPointError"
            assert "Traceback" in point["error"]["traceback"]
    assert [record.status for record in outcome.records] == ["ok"]
    assert len(outcome.failed) == 2
    assert "is not finite" in outcome.failed[0]


def test_a_cell_of_which_every_point_fails_has_a_record_that_says_so(home_of):
    home = home_of("hopeless")
    space = {"embedding_size": {"choice": [8, 16]}}
    outcome = swept(home, cell(home, space, fixed=EXPLODES | {"reg_weight": GONE}), retries=0)
    (record,) = outcome.records
    assert record.status == "failed"
    assert "all 2 points of the search failed" in record.values["error"]["message"]
    assert "FloatingPointError" in record.values["error"]["traceback"]
    assert record.values["search"]["chosen"] is None
    assert len(outcome.failed) == 3
