"""Rows and columns are what was asked for; what is not asked for is never mixed or dropped."""

import pytest
from board_records import CONTROL, add

from mmbench.board.leaderboard import leaderboard
from mmbench.errors import UsageError

BY = {"by": ["dataset", "model"], "columns": ["encoder"], "metrics": ["recall@20"]}


def grid(board):
    """Return labels of the row → labels of the column → the entry, of the one table."""
    (table,) = board.tables
    return {
        row.labels: {c.labels: e for c, e in zip(table.columns, row.entries, strict=True)}
        for row in table.rows
    }


def test_each_cell_stands_where_it_belongs(tmp_path):
    for dataset, part in (("a", 0.1), ("b", 0.5)):
        for model, more in (("BPR", 0.01), ("VBPR", 0.02)):
            for encoder, most in (("x", 0.001), ("y", 0.002)):
                here = {"dataset": dataset, "version": dataset, "print_": dataset + model + encoder}
                add(tmp_path, model, encoder, 1, part + more + most, **here)
    found = grid(leaderboard(tmp_path, **BY))
    assert list(found) == [("a", "BPR"), ("a", "VBPR"), ("b", "BPR"), ("b", "VBPR")]
    assert found["a", "VBPR"]["x",].value == pytest.approx(0.121)
    assert found["b", "BPR"]["y",].value == pytest.approx(0.512)
    assert [entry.rank for entry in found["a", "BPR"].values()] == [2, 1]
    found = grid(leaderboard(tmp_path, by=["encoder"], columns=["dataset", "model"]))
    assert next(iter(found["x",])) == ("a", "BPR")


def test_a_missing_cell_and_a_failed_one(tmp_path):
    add(tmp_path, "BPR", "x", 1, 0.1)
    add(tmp_path, "VBPR", "x", 1, 0.1)
    add(tmp_path, "VBPR", "y", 1, 0.1, status="failed")
    found = grid(leaderboard(tmp_path, **BY))
    assert found["shop", "BPR"]["y",].word == "–"
    assert found["shop", "VBPR"]["y",].word == "failed"
    assert found["shop", "BPR"]["x",].rank == 0


def test_best_and_second_along_a_row(tmp_path):
    for encoder, recall in (("x", 0.1), ("y", 0.3), ("z", 0.2)):
        add(tmp_path, "VBPR", encoder, 1, recall)
    add(tmp_path, "VBPR", "truth", 1, 0.9, told=CONTROL)
    board = leaderboard(tmp_path, **BY)
    ranks = {labels: entry.rank for labels, entry in grid(board)["shop", "VBPR"].items()}
    assert ranks == {("x",): 0, ("y",): 1, ("z",): 2, ("truth (a)",): 0}
    assert list(ranks)[-1] == ("truth (a)",)
    assert "- (a) control: for comparison only, never marked as best" in board.markdown()
    assert "along each row" in board.markdown()


def test_datasets_are_not_compared_with_each_other(tmp_path):
    for dataset, recalls in (("a", (0.1, 0.2)), ("b", (0.8, 0.7))):
        for model, recall in zip(("BPR", "VBPR"), recalls, strict=True):
            here = {"dataset": dataset, "version": dataset, "print_": dataset + model}
            add(tmp_path, model, "x", 1, recall, **here)
    found = grid(leaderboard(tmp_path, by=["model"], columns=["dataset"], metrics=["recall@20"]))
    assert [e.rank for e in found["BPR",].values()] == [2, 1]
    assert [e.rank for e in found["VBPR",].values()] == [1, 2]
    (table,) = leaderboard(tmp_path, by=["dataset", "model"]).tables
    assert [row.labels[:2] for row in table.rows] == [
        ("a", "VBPR"), ("a", "BPR"), ("b", "BPR"), ("b", "VBPR"),
    ]  # fmt: skip
    assert [row.entries[0].rank for row in table.rows] == [1, 2, 1, 2]


def test_what_was_not_asked_for_and_varies_becomes_a_row(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    add(tmp_path, "VBPR", "y", 1, 0.3)
    (table,) = leaderboard(tmp_path, by=["model"]).tables
    assert table.heads == ("model", "encoder", "notes", "seeds")
    assert [row.labels[:2] for row in table.rows] == [("VBPR", "y"), ("VBPR", "x")]


def test_what_was_not_asked_for_and_is_the_same_is_told(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    add(tmp_path, "BPR", "x", 1, 0.3)
    (table,) = leaderboard(tmp_path, by=["model"]).tables
    assert table.heads == ("model", "notes", "seeds")
    assert table.title == "shop · protocol random · test · encoder x"


def test_trials_in_one_place_are_told_apart_and_never_averaged(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1, print_="aaaaaaaa")
    add(tmp_path, "VBPR", "x", 1, 0.3, print_="bbbbbbbb")
    add(tmp_path, "VBPR", "y", 1, 0.2, trial={"fuse": "concat"})
    found = grid(leaderboard(tmp_path, **BY))
    assert {labels: [e.value for e in row.values()] for labels, row in found.items()} == {
        ("shop", "VBPR", "aaaaaa"): [0.1, None],
        ("shop", "VBPR", "bbbbbb"): [0.3, None],
        ("shop", "VBPR", "fused: concat"): [None, 0.2],
    }


def test_trials_are_told_apart_by_their_settings(tmp_path):
    for encoder in ("x", "y"):
        for epochs in (40, 300):
            set_ = {"hyperparameters": {"epochs": epochs, "learner": "adam"}}
            add(
                tmp_path, "VBPR", encoder, 1, epochs / 1000, print_=f"{encoder}{epochs}", trial=set_
            )
    found = grid(leaderboard(tmp_path, **BY))
    assert {labels: [e.value for e in row.values()] for labels, row in found.items()} == {
        ("shop", "VBPR", "epochs 300"): [0.3, 0.3],
        ("shop", "VBPR", "epochs 40"): [0.04, 0.04],
    }


def test_the_chosen_point_of_a_search_and_the_defaults_are_rows(tmp_path):
    search = {"algorithm": "tpe", "trials": 20}
    for encoder in ("x", "y"):
        add(tmp_path, "VBPR", encoder, 1, 0.3, print_=f"t{encoder}", search=search)
        add(tmp_path, "VBPR", encoder, 1, 0.2, print_=f"d{encoder}")
    found = grid(leaderboard(tmp_path, **BY))
    assert {labels: [e.value for e in row.values()] for labels, row in found.items()} == {
        ("shop", "VBPR", ""): [0.2, 0.2],
        ("shop", "VBPR", "tuned: tpe, 20 points"): [0.3, 0.3],
    }


def test_paradigms(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    add(tmp_path, "VBPR", "x@finetuned:0123456789ab", 1, 0.2, paradigm="finetuned")
    add(tmp_path, "VBPR", "x", 1, 0.3, paradigm="end2end", print_="joint")
    found = grid(leaderboard(tmp_path, by=["model", "encoder"], columns=["paradigm"]))
    (row,) = found.values()
    assert list(row) == [("end2end",), ("finetuned",), ("frozen",)]
    found = grid(leaderboard(tmp_path, **BY))
    assert found["shop", "VBPR", "end2end"]["x",].value == 0.3
    assert found["shop", "VBPR", ""]["x",].value == 0.1


def test_fine_tunings_of_one_encoder_are_told_apart(tmp_path):
    for key, recall in (("0" * 12, 0.1), ("1" * 12, 0.2)):
        add(tmp_path, "VBPR", f"x@finetuned:{key}", 1, recall, paradigm="finetuned")
    found = grid(leaderboard(tmp_path, by=["model", "encoder"], columns=["paradigm"]))
    assert [labels[2] for labels in found] == ["0" * 12, "1" * 12]


def test_versions_of_a_dataset_share_no_table(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1, version="a" * 64)
    add(tmp_path, "BPR", "x", 1, 0.1, version="a" * 64)
    add(tmp_path, "VBPR", "x", 1, 0.2, version="b" * 64, print_="new")
    add(tmp_path, "VBPR", "x", 1, 0.3, dataset="other", version="c" * 64, print_="other")
    tables = leaderboard(tmp_path, **BY).tables
    assert [[row.labels for row in table.rows] for table in tables] == [
        [("other", "VBPR"), ("shop (aaaaaa)", "BPR"), ("shop (aaaaaa)", "VBPR")],
        [("shop (bbbbbb)", "VBPR")],
    ]


def test_protocols_share_no_table(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    add(tmp_path, "VBPR", "x", 1, 0.2, protocol="global-time", rule="p2", print_="time")
    for nouns in (BY, {"by": ["protocol", "dataset"], "columns": ["encoder"]}):
        assert [len(table.rows) for table in leaderboard(tmp_path, **nouns).tables] == [1, 1]
    with pytest.raises(UsageError, match="a table has one protocol"):
        leaderboard(tmp_path, columns=["protocol"])


def test_names_of_rows_and_columns_are_checked(tmp_path):
    add(tmp_path, "VBPR", "x", 1, 0.1)
    with pytest.raises(UsageError, match="--by modle: the nearest is model"):
        leaderboard(tmp_path, by=["modle"])
    with pytest.raises(UsageError, match="--columns encodr: the nearest is encoder"):
        leaderboard(tmp_path, columns=["encodr"])
    with pytest.raises(UsageError, match="'model' stands there twice"):
        leaderboard(tmp_path, by=["model"], columns=["model"])
    with pytest.raises(UsageError, match="--metric"):
        leaderboard(tmp_path, metrics=[])
