"""Tables never mix protocols or datasets, hide no failure, and mark controls and random weights."""

from statistics import stdev

import pytest

from mmbench.errors import UsageError
from mmbench.home import Home
from mmbench.records import Record
from mmbench.table import leaderboard


def add(folder, model, encoder, seed, recall, **changed):
    told = {"control": False, "weights": "pretrained", "of": None, "modalities": ["image"]}
    print_ = changed.get("print_", f"{model}{encoder}")
    values = {
        "schema": 1,
        "status": changed.get("status", "ok"),
        "trial": {
            "dataset": changed.get("dataset", "shop"),
            "protocol": changed.get("protocol", "random"),
            "model": model,
            "encoder": encoder,
            "seed": seed,
        },
        "fingerprints": {
            "dataset": changed.get("version", "d1"),
            "trial": print_,
            "protocol": changed.get("rule", "p1"),
        },
        "commit": changed.get("commit"),
        "encoder": told | changed.get("told", {}),
        "metrics": {"test": changed.get("metrics", {"recall@20": recall, "ndcg@20": recall / 2})},
    }
    if values["status"] != "ok":
        values["metrics"] = None
    name = f"{model}-{encoder}-{print_}-{changed.get('version', '')}-s{seed}".replace(":", "-")
    Record(folder / f"{name}.json", values).write()


def test_mean_and_deviation_over_the_seeds(tmp_path):
    recalls = [0.1, 0.2, 0.4]
    for seed, recall in enumerate(recalls):
        add(tmp_path, "VBPR", "classic", seed, recall)
    (table,) = leaderboard(tmp_path)
    (row,) = table.rows
    assert row.means == (pytest.approx(0.7 / 3), pytest.approx(0.35 / 3))
    assert row.deviations[0] == pytest.approx(stdev(recalls))
    assert "**0.2333** ± 0.1528" in table.markdown()
    frame = table.frame()
    assert frame.loc[0, "recall@20"] == pytest.approx(0.7 / 3)
    assert frame.loc[0, "seeds"] == 3


def test_one_seed_has_no_deviation(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.25)
    (table,) = leaderboard(tmp_path)
    assert "**0.2500**  |" in table.markdown()
    assert "±" not in table.markdown()


def test_the_best_comes_first_and_controls_are_never_best(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "oracle", 1, 0.9, told={"control": True, "weights": "none"})
    add(tmp_path, "BPR", "id", 1, 0.1, told={"control": True, "weights": "none", "modalities": []})
    (table,) = leaderboard(tmp_path)
    assert [row.encoder for row in table.rows] == ["oracle", "classic", "id"]
    assert [row.notes for row in table.rows] == ["control", "", "no features"]
    assert "**0.2000**" in table.markdown()
    assert "**0.9000**" not in table.markdown()


def test_random_weights_are_marked(tmp_path):
    add(tmp_path, "VBPR", "openclip:ViT-B-32", 1, 0.2, told={"weights": "random"})
    add(tmp_path, "VBPR", "permuted", 1, 0.2, told={"control": True, "of": "classic"})
    notes = {row.encoder: row.notes for row in leaderboard(tmp_path)[0].rows}
    assert notes == {"openclip:ViT-B-32": "random weights", "permuted": "control, of classic"}


@pytest.mark.parametrize(
    "changed", [{"protocol": "global-time"}, {"dataset": "b"}, {"version": "2"}]
)
def test_tables_do_not_mix(tmp_path, changed):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "classic", 2, 0.3, **changed, print_="other")
    tables = leaderboard(tmp_path)
    assert [len(table.rows) for table in tables] == [1, 1]
    assert len({table.dataset + table.protocol for table in tables}) == 2


def test_a_protocol_of_another_content_is_another_table(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, rule="a" * 64)
    add(tmp_path, "VBPR", "classic", 2, 0.3, rule="b" * 64, print_="other")
    assert [len(table.rows) for table in leaderboard(tmp_path)] == [1, 1]


def test_a_copied_record_is_no_further_seed(tmp_path):
    add(tmp_path / "a", "VBPR", "classic", 1, 0.2)
    add(tmp_path / "b", "VBPR", "classic", 1, 0.2)
    for folders in (tmp_path, str(tmp_path), [tmp_path, tmp_path / "a"]):
        assert leaderboard(folders)[0].rows[0].seeds == 1


def test_seeds_of_different_code_are_marked(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, commit="1")
    add(tmp_path, "VBPR", "classic", 2, 0.2, commit="2")
    assert leaderboard(tmp_path)[0].rows[0].notes == "seeds of different code"


def test_a_damaged_record_is_told_and_hides_nothing(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    (tmp_path / "bad.json").write_text("{")
    (table,) = leaderboard(tmp_path)
    assert len(table.rows) == 1
    assert "bad.json" in table.markdown()


def test_a_record_without_the_metric_is_left_out(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "noise", 1, 0.2, metrics={"recall@10": 0.1}, rule="b" * 64)
    tables = leaderboard(tmp_path)
    assert sorted(len(table.rows) for table in tables) == [0, 1]
    assert any("does not measure" in table.markdown() for table in tables)


def test_other_hyperparameters_are_another_row(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, print_="aaaaaaaa")
    add(tmp_path, "VBPR", "classic", 1, 0.3, print_="bbbbbbbb")
    assert [row.notes for row in leaderboard(tmp_path)[0].rows] == ["bbbbbb", "aaaaaa"]


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_what_failed_is_shown(tmp_path, status):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "noise", 7, 0.0, status=status)
    (table,) = leaderboard(tmp_path)
    assert len(table.rows) == 1
    assert f"VBPR noise seed 7: {status}" in table.markdown()


def test_only_failures_still_make_a_table(tmp_path):
    add(tmp_path, "VBPR", "noise", 7, 0.0, status="failed")
    assert "Left out" in leaderboard(tmp_path)[0].markdown()


def test_no_record_and_no_metric_are_told(tmp_path):
    with pytest.raises(UsageError, match="mmbench run"):
        leaderboard(home=Home(tmp_path))
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    with pytest.raises(UsageError, match="the nearest is recall@20"):
        leaderboard(tmp_path, metrics=["recal@20"])
