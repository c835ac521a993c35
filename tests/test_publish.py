"""What is published is whole, made of its records alone, and stays where something is refused."""

import json
import shutil

import numpy as np
import pytest
from published_shop import change, records, swept_shop

import mmbench
from mmbench.cli import main
from mmbench.errors import UsageError
from mmbench.publication.portable import paths, portable
from mmbench.records import read_lines, read_records


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return swept_shop(tmp_path_factory.mktemp("swept"))


@pytest.fixture
def shop(swept, tmp_path):
    """A copy of all of it, to be changed."""
    return shutil.copytree(swept, tmp_path / "copy")


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


def test_metrics_of_every_user_are_published_where_that_is_asked(shop, capsys, monkeypatch):
    said = "recall@20,ndcg@20"
    words = ("publish", str(shop / "shop"), "--home", str(shop / "home"))
    assert main([*words, "--per-user", said]) == 0
    found = {record.path.stem: record for record in read_records(shop / "home" / "results")}
    published = list(read_lines(shop / "shop" / "records.jsonl"))
    for record in published:
        arrays = record.per_user()
        assert set(arrays) == {"users", *said.split(",")}
        for name, values in arrays.items():
            assert np.array_equal(values, found[record.name].per_user()[name])
    capsys.readouterr()
    assert main([*words, "--check"]) == 0
    assert main([*words, "--check", "--per-user", said]) == 2
    place, one, other = shop / "shop", "VBPR/classic", "VBPR/noise"
    there = mmbench.compare(place / one, place / other, metric="ndcg@20")
    here = mmbench.compare(one, other, metric="ndcg@20", home=shop / "home")
    assert there.json_values() == here.json_values()
    monkeypatch.chdir(place)  # where a name alone is still one of the home
    (place / "per_user.npz").rename(place / "away")
    assert mmbench.compare(one, other, home=shop / "home").users == here.users
    (place / "away").rename(place / "per_user.npz")
    with pytest.raises(UsageError, match="name one of its systems"):
        mmbench.compare(place, place / one)
    with pytest.raises(UsageError, match=r"no record of .*VBPR/clasic.*nearest is VBPR/classic"):
        mmbench.compare(place / "VBPR/clasic", place / one)
    assert main(words) == 0  # and no longer where it is not
    assert not (shop / "shop" / "per_user.npz").exists()


def test_a_metric_that_no_user_has_is_refused_before_anything_is_written(shop):
    with pytest.raises(UsageError, match=r"no recall@21, the nearest is recall@20"):
        mmbench.publish(shop / "shop", home=shop / "home", per_user=["recall@21"])
    assert {path.name for path in (shop / "shop").iterdir()} == {"benchmark.yaml"}
