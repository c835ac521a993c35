"""What is published is what was measured: anything that was changed since is refused, by name."""

import json
import shutil

import numpy as np
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
from mmbench.publication.portable import paths, portable
from mmbench.records import read_record
from mmbench.specs import Trial
from mmbench.sweeps.finals import Finals, request
from mmbench.sweeps.history import Point, told
from mmbench.trial import execute
from mmbench.trial_print import trial_print

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


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a home, and two benchmarks that were run in it."""
    root = tmp_path_factory.mktemp("swept")
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


@pytest.fixture
def shop(swept, tmp_path):
    """A copy of all of it, to be changed."""
    return shutil.copytree(swept, tmp_path / "copy")


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


def test_what_is_published_is_whole_and_names_no_path(shop):
    made = mmbench.publish(shop / "shop", home=shop / "home")
    assert (len(made.records), made.gaps, made.left_out) == (6, (), ())
    text = (shop / "shop" / "records.jsonl").read_text()
    assert str(shop) not in text
    lines = [json.loads(line) for line in text.splitlines()]
    for line, record in zip(lines, made.records, strict=True):
        assert line.keys() == record.values.keys() | {"per_user"}
        assert line["metrics"] == record.values["metrics"]
        assert line["per_user"]["users"] == len(record.per_user()["users"])
        assert len(line["per_user"]["sha256"]) == 64
    assert mmbench.check_published(shop / "shop") == ()


def test_the_tables_are_those_of_the_records(shop, capsys):
    mmbench.publish(shop / "shop", home=shop / "home")
    text = (shop / "shop" / "leaderboard.md").read_text()
    assert text.startswith("# a shop \\| of forty things\n")
    assert "mmbench sweep benchmark.yaml" in text
    assert "recall@20\n\n| model" in text  # encoders side by side
    assert "train s" in text
    home = mmbench.leaderboard(shop / "home" / "results" / "tiny")
    again = mmbench.leaderboard(shop / "shop")
    values = [line["values"] for line in again.lines() if line["model"] != "BPR"]
    assert values == [line["values"] for line in home.lines() if line["model"] != "BPR"]
    assert main(["leaderboard", str(shop / "shop" / "records.jsonl")]) == 0
    assert "| VBPR" in capsys.readouterr().out


def test_the_same_is_published_twice(shop):
    for _ in range(2):
        mmbench.publish(shop / "shop", shop / "home" / "results", home=shop / "home")
        texts = [path.read_bytes() for path in sorted((shop / "shop").iterdir())]
    mmbench.publish(shop / "shop", home=shop / "home")
    assert [path.read_bytes() for path in sorted((shop / "shop").iterdir())] == texts


def test_other_trials_of_the_home_stay_out(shop):
    mmbench.run("VBPR", "classic", "tiny", home=shop / "home", hyperparameters={"epochs": 1})
    assert len(mmbench.publish(shop / "shop", home=shop / "home").records) == 6
    # The other point that was trained is none of it.
    assert len(mmbench.publish(shop / "tuned", home=shop / "home").records) == 2


def test_missing_and_failed_cells_are_shown(shop):
    for path in records(shop, "Pop"):
        path.unlink()
    classic, noise = records(shop, seed=2)
    classic.unlink()
    error = {"type": "Boom", "message": f"no {shop}/x", "traceback": f'File "{shop}/y.py"'}
    change(noise, lambda values: values.update(status="failed", metrics=None, error=error))
    made = mmbench.publish(shop / "shop", home=shop / "home")
    assert [gap.lack for gap in made.gaps] == ["no record of seed 1", "no record of seed 2"]
    text = (shop / "shop" / "leaderboard.md").read_text()
    assert "Not there yet, of 2 of 3 cells:" in text
    assert "- tiny · VBPR: classic: no record of seed 2" in text
    assert "1 of 2" in text
    assert "VBPR noise seed 2: failed, records.jsonl:" in text
    assert str(shop) not in (shop / "shop" / "records.jsonl").read_text()
    assert mmbench.check_published(shop / "shop") == ()


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


def test_what_was_published_stays_where_something_is_refused(shop):
    mmbench.publish(shop / "shop", home=shop / "home")
    before = (shop / "shop" / "records.jsonl").read_bytes()
    path = records(shop)[0]
    change(path, lambda values: values["metrics"]["test"].update({"recall@20": 0.9}))
    assert main(["publish", str(shop / "shop"), "--home", str(shop / "home")]) == 2
    assert (shop / "shop" / "records.jsonl").read_bytes() == before
    assert mmbench.check_published(shop / "shop") == ()


def test_the_command_tells_a_line_each(shop, capsys):
    (shop / "home" / "results" / "half.json").write_text('{"schema": 1, "tri')
    for path in records(shop):
        path.with_suffix(".npz").unlink()
    words = ["publish", str(shop / "shop"), "--home", str(shop / "home")]
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("mmbench: ")]) == 3
    for path in (*records(shop), *records(shop, "Pop")):
        path.unlink()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "3 records, 3 cells not whole" in out
    assert "left out: cannot read the record" in err
    assert "not there yet: tiny · VBPR: classic, noise: no record of seed 1" in err


def test_bad_folders(shop, tmp_path):
    with pytest.raises(UsageError, match="name the folder of a benchmark"):
        mmbench.publish(tmp_path, home=shop / "home")
    with pytest.raises(UsageError, match="no such folder"):
        mmbench.publish(shop / "shop", tmp_path / "none", home=shop / "home")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="run `mmbench sweep` first"):
        mmbench.publish(shop / "shop", tmp_path / "empty", home=shop / "home")
    with pytest.raises(UsageError, match=r"records\.jsonl: not there: `mmbench publish"):
        mmbench.check_published(shop / "shop")


def test_paths_of_a_machine():
    values = {
        "trial": {
            "encoder": "hf:/data/clip",
            "weights": "/data/my models/w.bin",
            "hyperparameters": {"item_graph": "../x/graph.npz", "rate": 0.1},
        },
        "fingerprints": {"trial": "t", "item_graph": "g"},
        "command": "run --weights '/data/my models/w.bin' --set item_graph=../x/graph.npz",
        "error": {"traceback": 'File "/usr/lib/a.py", line 3\n/home/me/b and/or ~/c: 1 / 2'},
        "from": "https://example.org/a/b",
    }
    made = portable(values)
    assert made["trial"]["weights"] == "w.bin"
    assert made["trial"]["hyperparameters"] == {"item_graph": "graph.npz", "rate": 0.1}
    assert made["command"] == "run --weights 'w.bin' --set item_graph=graph.npz"
    assert made["error"]["traceback"] == 'File "a.py", line 3\nb and/or c: 1 / 2'
    assert made["from"] == "https://example.org/a/b"
    assert list(paths(made)) == [("trial.encoder", "/data/clip")]
