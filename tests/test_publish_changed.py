"""What is published is what was measured: anything that was changed since is refused, by name."""

import json
import shutil

import numpy as np
import pytest
from published_shop import change, records, refused, swept_shop

import mmbench
from mmbench.errors import UsageError
from mmbench.records import read_record
from mmbench.specs import Trial
from mmbench.trial_print import trial_print


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return swept_shop(tmp_path_factory.mktemp("swept"))


@pytest.fixture
def shop(swept, tmp_path):
    """A copy of all of it, to be changed."""
    return shutil.copytree(swept, tmp_path / "copy")


def test_a_metric_that_was_changed(shop):
    path = records(shop)[0]

    def edit(values):
        values["metrics"]["test"]["recall@20"] += 0.001

    change(path, edit)
    refused(shop, str(path), "metrics.test.recall@20", "the values of its users give")


def test_a_hyper_parameter_that_was_changed(shop):
    path = records(shop)[0]
    change(path, lambda values: values["trial"]["hyperparameters"].update(reg_weight=0.5))
    refused(shop, str(path), "fingerprints.trial", "one of its keys was changed")


def test_the_value_of_a_user_that_was_changed(shop):
    path = records(shop)[0]

    def edit(arrays):
        arrays["ndcg@10"][3] += 0.01

    rewrite(path, edit)
    refused(shop, str(path), "metrics.test.ndcg@10")


def test_seeds_that_were_swapped(shop):
    first, second = records(shop)[0], records(shop, seed=2)[0]
    change(first, lambda values: values["trial"].update(seed=2))
    change(second, lambda values: values["trial"].update(seed=1))
    refused(shop, str(first), str(second), "trial.seed", "its command says 1")


def test_files_that_were_swapped(shop):
    first, second = records(shop)[0], records(shop, seed=2)[0]
    first.rename(first.with_suffix(".old"))
    second.rename(first)
    first.with_suffix(".old").rename(second)
    refused(shop, str(first), "the file should be called", "trial and seed")


EDITS = {
    "trial.encoder": lambda v: v["trial"].update(encoder="noise"),
    "trial: ": lambda v: v["trial"].update(extra=1),
    "encoder.name": lambda v: v["encoder"].update(name="oracle"),
    "fingerprints.trial": lambda v: v["fingerprints"].update(features="0" * 64),
    "metrics.valid.recall@20": lambda v: v["metrics"]["valid"].update({"recall@20": 0.9}),
    "metrics.test.mrr@5: nan": lambda v: v["metrics"]["test"].update({"mrr@5": float("nan")}),
    "seconds.train: inf": lambda v: v["seconds"].update(train=float("inf")),
    "epochs.best": lambda v: v["epochs"].update(best=77),
    "error: ": lambda v: v.update(error={"type": "x"}),
    "versions: not there": lambda v: v.pop("versions"),
    "has 1, 2, 3, 4, 5": lambda v: v["trial"].update(seed=9),
}


@pytest.mark.parametrize("told_of", EDITS)
def test_other_keys_that_were_changed(shop, told_of):
    path = records(shop)[0]
    change(path, EDITS[told_of])
    refused(shop, path.name, told_of)


def rewrite(path, edit):
    arrays = read_record(path).per_user()
    edit(arrays)
    with path.with_suffix(".npz").open("wb") as file:
        np.savez_compressed(file, **arrays)


def twice(arrays):
    arrays["users"][1] = arrays["users"][0]


def infinite(arrays):
    arrays["hit@5"][0] = np.inf


def shorter(arrays):
    arrays["hit@5"] = arrays["hit@5"][:-1]


@pytest.mark.parametrize(
    ("edit", "told_of"),
    [
        (twice, "users: one stands twice"),
        (infinite, "hit@5: infinite for a user"),
        (shorter, "hit@5: not one value for each user"),
        (lambda arrays: arrays.pop("map@50"), "map@50: not there"),
        (lambda arrays: arrays.pop("users"), "users: not there"),
        (lambda arrays: arrays.update({"fame@3": arrays["hit@5"]}), "measures no such metric"),
    ],
)
def test_per_user_metrics_that_are_damaged(shop, edit, told_of):
    path = records(shop)[0]
    rewrite(path, edit)
    refused(shop, path.name, told_of)


def test_per_user_metrics_that_are_not_there(shop):
    first, second = records(shop)
    first.with_suffix(".npz").unlink()
    second.with_suffix(".npz").write_bytes(b"half a fi")
    # All is told at once.
    refused(shop, "2 problems", "are not beside it", "cannot be read", "--force")


def test_two_versions_of_a_dataset(shop):
    path = records(shop, seed=2)[0]
    values = json.loads(path.read_text())
    values["fingerprints"]["dataset"] = "1" * 64
    trial = Trial(**values["trial"])
    values["fingerprints"]["trial"] = trial_print(trial, values["fingerprints"], {})
    path.unlink()
    name = f"{values['fingerprints']['trial'][:12]}-s2"
    path.with_suffix(".npz").rename(path.with_name(f"{name}.npz"))
    path.with_name(f"{name}.json").write_text(json.dumps(values))
    refused(shop, "fingerprints.dataset: 111111111111", "both of tiny", "RESULTS")


def test_a_record_that_lies_there_twice(shop):
    path = records(shop)[0]
    copies = shop / "home" / "results" / "copies"
    copies.mkdir()
    for suffix in (".json", ".npz"):
        shutil.copy(path.with_suffix(suffix), copies / path.with_suffix(suffix).name)
    refused(shop, "the same trial and seed as", "leave one of them out")


def test_the_choice_of_a_search(shop):
    mmbench.publish(shop / "tuned", home=shop / "home")
    line = json.loads((shop / "tuned" / "records.jsonl").read_text().splitlines()[0])
    points = line["search"]["history"]
    best = max(points, key=lambda point: point["score"])
    assert line["search"]["chosen"] == best["number"]
    assert line["trial"]["hyperparameters"]["learning_rate"] in best["hyperparameters"].values()
    assert "tuned: grid, 2 points" in (shop / "tuned" / "leaderboard.md").read_text()
    assert mmbench.check_published(shop / "tuned") == ()


SEARCHES = {
    "is the best by validation of its history": lambda s: s.update(chosen=1 - s["chosen"]),
    "search.history[1].test: validation chooses": lambda s: s["history"][1].update(test=0.2),
    "search.history: 1 points of 2": lambda s: s["history"].pop(),
    "search.history[0].score: not there": lambda s: s["history"][0].pop("score"),
    "trial.hyperparameters.learning_rate": lambda s: s["history"][s["chosen"]][
        "hyperparameters"
    ].update(learning_rate=0.01),
}


@pytest.mark.parametrize("told_of", SEARCHES)
def test_a_search_that_was_changed(shop, told_of):
    searched = [path for path in records(shop, "BPR") if read_record(path).values.get("search")]
    change(searched[0], lambda values: SEARCHES[told_of](values["search"]))
    refused(shop, searched[0].name, told_of, name="tuned")


def test_a_point_that_was_not_chosen_by_a_search_is_no_record_of_it(shop):
    for path in records(shop, "BPR"):
        change(path, lambda values: values.pop("search", None))
    with pytest.raises(UsageError, match="no record of it in"):
        mmbench.publish(shop / "tuned", records(shop, "BPR"), home=shop / "home")
