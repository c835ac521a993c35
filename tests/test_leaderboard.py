"""Tables never mix protocols or datasets, hide no failure, and mark controls and random weights."""

from statistics import stdev

import pytest
from board_records import CONTROL, add

from mmbench.board.leaderboard import leaderboard


def rows(board):
    """Return the labels of each row of the one table, by their heads."""
    (table,) = board.tables
    return [dict(zip(table.heads, row.labels, strict=True)) for row in table.rows]


def test_mean_and_deviation_over_the_seeds(tmp_path):
    recalls = [0.1, 0.2, 0.4]
    for seed, recall in enumerate(recalls):
        add(tmp_path, "VBPR", "classic", seed, recall)
    board = leaderboard(tmp_path)
    recall, ndcg = board.tables[0].rows[0].entries
    assert recall.value == pytest.approx(0.7 / 3)
    assert ndcg.value == pytest.approx(0.35 / 3)
    assert recall.deviation == pytest.approx(stdev(recalls))
    assert "0.2333 ± 0.1528" in board.markdown()
    assert "mean ± standard deviation over 3 seeds" in board.markdown()
    assert rows(board) == [{"model": "VBPR", "encoder": "classic", "notes": "", "seeds": "3"}]


def test_one_seed_has_no_deviation(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.25)
    text = leaderboard(tmp_path).markdown()
    assert "0.2500" in text
    assert "±" not in text


def test_the_best_comes_first_and_controls_are_never_best(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "oracle", 1, 0.9, told=CONTROL)
    add(tmp_path, "BPR", "id", 1, 0.1, told=CONTROL | {"modalities": []})
    board = leaderboard(tmp_path)
    assert [row["encoder"] for row in rows(board)] == ["oracle", "classic", "id"]
    assert [row["notes"] for row in rows(board)] == ["control", "", "no features"]
    text = board.markdown()
    assert "**0.2000**" in text
    assert "<u>0.1000</u>" in text
    assert "| 0.9000 " in text
    assert "- control: for comparison only, never marked as best" in text


def test_one_alone_is_not_the_best_of_anything(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    assert "**" not in leaderboard(tmp_path).markdown()


def test_equal_values_share_their_rank(tmp_path):
    for encoder, recall in (("a", 0.3), ("b", 0.3), ("c", 0.2), ("d", 0.1)):
        add(tmp_path, "VBPR", encoder, 1, recall)
    text = leaderboard(tmp_path, metrics=["recall@20"]).markdown()
    assert text.count("**0.3000**") == 2
    assert text.count("<u>0.2000</u>") == 1
    assert "| 0.1000 " in text


def test_the_least_gini_index_is_the_best(tmp_path):
    add(tmp_path, "VBPR", "a", 1, 0, metrics={"giniindex@20": 0.9})
    add(tmp_path, "VBPR", "b", 1, 0, metrics={"giniindex@20": 0.4})
    board = leaderboard(tmp_path, metrics=["giniindex@20"])
    assert [row["encoder"] for row in rows(board)] == ["b", "a"]
    assert "**0.4000**" in board.markdown()


def test_random_weights_are_marked(tmp_path):
    add(tmp_path, "VBPR", "openclip:ViT-B-32", 1, 0.2, told={"weights": "random"})
    add(tmp_path, "VBPR", "permuted", 1, 0.2, told={"control": True, "of": "classic"})
    tuned = {"base_weights": "random", "same_dataset": False, "dataset": "other"}
    add(tmp_path, "VBPR", "tuned", 1, 0.2, told={"finetuned": tuned})
    board = leaderboard(tmp_path)
    assert {row["encoder"]: row["notes"] for row in rows(board)} == {
        "openclip:ViT-B-32": "random weights",
        "permuted": "control, of classic",
        "tuned": "fine-tuned from random weights, fine-tuned on other",
    }
    assert "- random weights: the encoder is untrained" in board.markdown()


@pytest.mark.parametrize(
    "changed", [{"protocol": "global-time"}, {"dataset": "b"}, {"version": "2"}]
)
def test_tables_do_not_mix(tmp_path, changed):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "classic", 2, 0.3, **changed, print_="other")
    board = leaderboard(tmp_path)
    assert [len(table.rows) for table in board.tables] == [1, 1]
    assert len({table.title for table in board.tables}) == 2


def test_a_protocol_of_another_content_is_another_table(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, rule="a" * 64)
    add(tmp_path, "VBPR", "classic", 2, 0.3, rule="b" * 64, print_="other")
    tables = leaderboard(tmp_path).tables
    assert [len(table.rows) for table in tables] == [1, 1]
    assert [table.protocol for table in tables] == ["random (aaaaaa)", "random (bbbbbb)"]


def test_a_copied_record_is_no_further_seed(tmp_path):
    add(tmp_path / "a", "VBPR", "classic", 1, 0.2)
    path = add(tmp_path / "b", "VBPR", "classic", 1, 0.2)
    for places in (tmp_path, str(tmp_path), [tmp_path, tmp_path / "a"], [path, str(tmp_path)]):
        assert rows(leaderboard(places))[0]["seeds"] == "1"


def test_of_two_records_of_a_seed_the_one_that_went_well_counts(tmp_path):
    add(tmp_path / "a", "VBPR", "classic", 1, 0.0, status="failed", ended="2026-02-02")
    add(tmp_path / "b", "VBPR", "classic", 1, 0.2, ended="2026-01-01")
    add(tmp_path / "c", "VBPR", "classic", 1, 0.3, ended="2026-01-02")
    board = leaderboard(tmp_path)
    assert board.tables[0].rows[0].entries[0].value == 0.3
    assert board.left_out == ()


def test_seeds_of_different_code_are_marked(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, commit="1")
    add(tmp_path, "VBPR", "classic", 2, 0.2, commit="2")
    assert rows(leaderboard(tmp_path))[0]["notes"] == "seeds of different code"


def test_a_metric_that_one_protocol_lacks(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "noise", 1, 0.2, metrics={"recall@10": 0.1})
    add(tmp_path, "VBPR", "half", 1, 0.2, metrics={"recall@20": 0.1})
    board = leaderboard(tmp_path)
    assert [row["encoder"] for row in rows(board)] == ["classic", "half"]
    assert board.tables[0].rows[1].entries[1].word == "–"
    assert board.left_out == (
        "shop · VBPR noise seed 1: its protocol does not measure recall@20, ndcg@20",
    )


def test_other_hyperparameters_are_another_row(tmp_path):
    add(tmp_path, "VBPR", "classic", 1, 0.2, print_="aaaaaaaa")
    add(tmp_path, "VBPR", "classic", 1, 0.3, print_="bbbbbbbb")
    assert [row["notes"] for row in rows(leaderboard(tmp_path))] == ["bbbbbb", "aaaaaa"]


def test_what_a_search_chose_is_told_from_the_defaults(tmp_path):
    search = {"algorithm": "tpe", "trials": 20}
    add(tmp_path, "VBPR", "classic", 1, 0.3, print_="tuned", search=search)
    add(tmp_path, "VBPR", "classic", 2, 0.3, print_="tuned", search=search)
    add(tmp_path, "VBPR", "classic", 1, 0.2, print_="default")
    told = [(row["notes"], row["seeds"]) for row in rows(leaderboard(tmp_path))]
    assert told == [("tuned: tpe, 20 points", "2"), ("", "1")]


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_what_failed_is_shown(tmp_path, status):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "noise", 7, 0.0, status=status)
    add(tmp_path, "BPR", "id", 1, 0.1)
    add(tmp_path, "BPR", "id", 2, 0.1, status=status)
    board = leaderboard(tmp_path)
    assert [row["seeds"] for row in rows(board)] == ["1", "1 of 2", "0 of 1"]
    assert [entry.word for entry in board.tables[0].rows[2].entries] == [status, status]
    assert f"VBPR noise seed 7: {status}" in board.markdown()


def test_only_failures_still_make_a_table(tmp_path):
    add(tmp_path, "VBPR", "noise", 7, 0.0, status="failed")
    text = leaderboard(tmp_path).markdown()
    assert "| failed " in text
    assert "Left out" in text


def test_costs(tmp_path):
    told = {"finetuned": {"seconds": 60.0}}
    for seed, train, memory in ((1, 10.0, 500.0), (2, 20.0, 800.0)):
        add(
            tmp_path, "VBPR", "tuned", seed, 0.2, told=told, parameters={"all": 1234567},
            seconds={"encode": 2.5, "train": train},
            memory={"host_peak_mb": memory, "gpu_peak_mb": None}, energy_wh=None,
        )  # fmt: skip
    add(tmp_path, "BPR", "id", 1, 0.1)
    (table,) = leaderboard(tmp_path, costs=True).tables
    found = {
        column.measure.head: entry.value
        for column, entry in zip(table.columns, table.rows[0].entries, strict=True)
        if column.measure.cost
    }
    assert found == {
        "encode s": 2.5,
        "fine-tune s": 60,
        "train s": 15,
        "memory MiB": 800,
        "parameters": 1234567,
        "energy Wh": None,
    }
    text = leaderboard(tmp_path, costs=True).markdown()
    assert "1,234,567" in text
    assert [entry.word for entry in table.rows[1].entries[2:]] == ["–"] * 6
