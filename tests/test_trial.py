"""A trial: planned, fitted on validation, scored on test once, recorded whatever happens."""

import json
import shlex
import subprocess
import sys

import numpy as np
import pytest

import mmbench
from mmbench import trial
from mmbench.datasets.prepare import prepare
from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.plan import done, plan
from mmbench.progress import Silent
from mmbench.record_keys import command
from mmbench.records import read_record
from mmbench.request import of

KEYS = {
    "schema",
    "status",
    "error",
    "trial",
    "fingerprints",
    "encoder",
    "metrics",
    "epochs",
    "seconds",
    "parameters",
    "memory",
    "energy_wh",
    "finetuning",
    "versions",
    "device",
    "commit",
    "started",
    "ended",
    "command",
}
FEW = {"epochs": 3}


@pytest.fixture(scope="module")
def record(toyshop_home):
    return mmbench.run("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=FEW)


def test_the_record_holds_the_keys_of_the_design(record):
    values = record.values
    assert set(values) == KEYS
    assert values["status"] == "ok"
    assert values["error"] is None
    assert set(values["epochs"]) == {"run", "best", "curve"}
    assert set(values["seconds"]) == {"encode", "train", "rank"}
    assert set(values["parameters"]) == {"all", "trainable"}
    assert set(values["memory"]) == {"host_peak_mb", "gpu_peak_mb"}
    assert set(values["fingerprints"]) == {"trial", "dataset", "features", "protocol"}
    assert {"name", "revision", "weights", "sha256", "modalities", "dimensions"} <= set(
        values["encoder"]
    )
    assert len(values["epochs"]["curve"]) == values["epochs"]["run"] == 3


def test_the_path_names_the_cell(record, toyshop_home):
    parts = record.path.relative_to(toyshop_home.results).parts
    assert parts[:3] == ("toyshop", "classic", "VBPR")
    assert parts[3] == record.values["fingerprints"]["trial"][:12] + "-s1.json"


def test_the_averages_are_those_of_the_users(record):
    per_user = record.per_user()
    assert len(set(per_user["users"])) == len(per_user["users"])
    averages = record.values["metrics"]["test"]
    for name in set(per_user) - {"users"}:
        assert per_user[name].mean() == pytest.approx(averages[name], abs=1e-12)
    of_lists = {name.partition("@")[0] for name in averages.keys() - per_user.keys()}
    assert of_lists == {"itemcoverage", "giniindex", "shannonentropy"}


def test_numbers_are_not_rounded(record):
    values = record.values["metrics"]["test"].values()
    assert any(value != round(value, 6) for value in values)


def test_a_trial_that_is_done_is_read(record, toyshop_home, monkeypatch):
    def never(planned, progress):
        raise AssertionError("trained again")

    monkeypatch.setattr(trial, "fit", never)
    again = mmbench.run("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=FEW)
    assert again == record


def test_force_repeats_with_the_same_numbers(record, toyshop_home):
    again = mmbench.run(
        "VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=FEW, force=True
    )
    assert again.values["metrics"] == record.values["metrics"]
    assert again.values["epochs"] == record.values["epochs"]


def test_the_trial_in_a_record_repeats_it(record):
    asked = of({}, record=record.path)
    home = Home(record.path.parents[4])
    assert [planned.path for planned in plan(**asked, home=home)] == [record.path]


def test_a_record_of_another_dataset_cannot_be_repeated(tmp_path):
    home = Home(tmp_path / "home")
    prepare("toyshop", users=40, items=30, home=home)
    old = mmbench.run("Pop", home=str(home.root))
    prepare("toyshop", users=40, items=30, seed=2, home=home, force=True)
    with pytest.raises(UsageError, match="the dataset is not what it was in the record"):
        plan(**of({}, record=old.path), home=home)


@pytest.mark.parametrize("lost", [".npz", ".json"])
def test_a_damaged_record_is_made_again(tmp_path, toyshop_home, lost):
    home = Home(tmp_path / "home")
    prepare("toyshop", users=40, items=30, home=home)
    record = mmbench.run("Pop", home=home)
    record.path.with_suffix(lost).write_text("{") if lost == ".json" else record.path.with_suffix(
        lost
    ).unlink()
    (planned,) = plan("Pop", home=home)
    assert done(planned) is None
    assert trial.execute(planned).values["metrics"] == record.values["metrics"]


def test_a_dataset_may_be_called_as_recboles_own(tmp_path):
    home = Home(tmp_path / "home")
    prepare("toyshop", name="ml-100k", users=40, items=30, home=home)
    record = mmbench.run("BPR", dataset="ml-100k", home=home, hyperparameters={"epochs": 1})
    assert record.status == "ok"
    assert len(record.per_user()["users"]) <= 40


def test_random_weights_are_named_only_where_there_are_weights(toyshop_home):
    one, other = (
        plan("VBPR", "classic", random_weights=wish, home=toyshop_home)[0] for wish in (True, False)
    )
    assert one.identity == other.identity


def test_an_error_of_the_system_is_a_record_too(toyshop_home, monkeypatch):
    def broken(planned, progress):
        raise FileNotFoundError("libfoo.so")

    monkeypatch.setattr(trial, "fit", broken)
    record = mmbench.run("ItemKNN", home=toyshop_home, hyperparameters={"k": 3})
    assert record.status == "failed"


def test_the_command_in_a_record_repeats_it(record, toyshop_home):
    words = record.values["command"].split()
    assert words[:2] == ["mmbench", "run"]
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", *words[1:], "--home", str(toyshop_home.root), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == read_record(record.path).values
    assert "already recorded" in done.stderr


def test_fitting_does_not_touch_the_test_part(toyshop_home, monkeypatch):
    """The numbers of a fit do not change when the test part does."""
    planned = plan("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=FEW)[0]
    first = trial.fit(planned, Silent())
    parts = first.recbole.parts
    parts["test"].inter_feat["item_id"][:] = 1
    seen = []
    monkeypatch.setattr(trial.recbole, "_pairs", _noting(trial.recbole._pairs, seen))
    second = trial.fit(planned, Silent())
    assert second.recbole.trained.curve[-1].loss == first.recbole.trained.curve[-1].loss
    assert not any(part is second.recbole.parts["test"] for part in seen)
    assert any(part is second.recbole.parts["valid"] for part in seen)


def _noting(function, seen):
    def noted(part):
        seen.append(part)
        return function(part)

    return noted


def test_a_failure_is_a_record(toyshop_home):
    explode = {"learning_rate": 10.0, "learner": "sgd", "reg_weight": 1e6, "epochs": 20}
    failed = mmbench.run("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=explode)
    assert failed.status == "failed"
    assert failed.values["error"]["type"] == "FloatingPointError"
    assert "lower" in failed.values["error"]["message"]
    assert "Traceback" in failed.values["error"]["traceback"]
    assert set(failed.values) == KEYS
    planned = plan("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=explode)[0]
    assert planned.path == failed.path
    assert done(planned) is None  # it is tried again


class StopInTraining(Silent):
    def advance(self, task, done, total, note=""):
        if task.startswith("train") and done == 2:
            raise KeyboardInterrupt


def test_a_good_record_outlives_an_interrupted_repetition(record):
    home = Home(record.path.parents[4])
    before = read_record(record.path)
    (planned,) = plan("VBPR", "classic", "toyshop", home=home, hyperparameters=FEW)
    with pytest.raises(KeyboardInterrupt):
        trial.execute(planned, StopInTraining())
    assert read_record(record.path) == before
    assert len(before.per_user()["users"]) > 0


def test_a_damaged_dataset_is_refused(tmp_path):
    home = Home(tmp_path / "home")
    prepare("toyshop", users=40, items=30, home=home)
    (home.datasets / "toyshop" / "toyshop.train.inter").write_text("")
    with pytest.raises(UsageError, match=r"train\.inter: changed.*--force"):
        plan("VBPR", "classic", "toyshop", home=home)


def test_an_interruption_is_a_record(toyshop_home):
    settings = {"epochs": 5}
    planned = plan("VBPR", "classic", "toyshop", home=toyshop_home, hyperparameters=settings)[0]
    with pytest.raises(KeyboardInterrupt):
        trial.execute(planned, StopInTraining())
    assert read_record(planned.path).status == "stopped"
    assert trial.execute(planned).status == "ok"


@pytest.mark.parametrize("model", ["Pop", "ItemKNN", "BPR", "LightGCN"])
def test_recboles_own_models_go_the_same_path(toyshop_home, model):
    chosen = {} if model in ("Pop", "ItemKNN") else {"epochs": 2}
    record = mmbench.run(model, home=toyshop_home, hyperparameters=chosen)
    assert record.status == "ok"
    assert record.trial["encoder"] == "id"
    assert record.values["encoder"]["modalities"] == []
    assert 0 <= record.values["metrics"]["test"]["recall@20"] <= 1


def test_the_seed_is_no_part_of_the_identity(toyshop_home):
    one, two = plan("VBPR", "classic", "toyshop", seeds=2, home=toyshop_home)
    assert one.identity == two.identity
    assert one.path != two.path


@pytest.mark.parametrize(
    "changed",
    [
        {"encoder": "noise"},
        {"hyperparameters": {"learning_rate": 0.002}},
        {"encoder": "efficientnet+minilm"},
        {"encoder": "efficientnet+minilm", "random_weights": True},
    ],
)
def test_everything_else_is(toyshop_home, changed):
    usual = {"model": "VBPR", "encoder": "classic", "home": toyshop_home}
    assert plan(**usual)[0].identity != plan(**{**usual, **changed})[0].identity


def test_random_weights_are_in_the_record(toyshop_home):
    record = mmbench.run(
        encoder="efficientnet+minilm",
        home=toyshop_home,
        hyperparameters={"epochs": 1},
        random_weights=True,
    )
    assert record.values["encoder"]["weights"] == "random"
    assert "--random-weights" in record.values["command"]


def test_commands_survive_a_shell(toyshop_home):
    planned = plan("VBPR", "classic", "toyshop", home=toyshop_home)[0]
    odd = planned.trial.model_copy(update={"encoder": "file:/my data/x'y"})

    assert "file:/my data/x'y" in shlex.split(command(odd))


def test_per_user_values_align_with_the_users_of_the_test_file(record, toyshop_home):
    lines = (toyshop_home.datasets / "toyshop" / "toyshop.test.inter").read_text().splitlines()[1:]
    users = {line.split("\t")[0] for line in lines}
    assert set(record.per_user()["users"]) == users
    assert np.isfinite(record.per_user()["recall@20"]).all()
