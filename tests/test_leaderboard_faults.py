"""No record, half a record, a foreign file, a metric that is no number: told, and in one line."""

import json

import pytest
from board_records import add

from mmbench import cli
from mmbench.board.leaderboard import leaderboard
from mmbench.errors import UsageError
from mmbench.home import Home


def test_no_record_and_no_metric_are_told(tmp_path):
    with pytest.raises(UsageError, match="mmbench run"):
        leaderboard(home=Home(tmp_path))
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    with pytest.raises(UsageError, match="the nearest is recall@20"):
        leaderboard(tmp_path, metrics=["recal@20"])


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="nowhere: no such folder or file of records"):
        leaderboard(tmp_path / "nowhere")


def test_only_a_foreign_file(tmp_path):
    (tmp_path / "foreign.json").write_text('{"a": 1}')
    with pytest.raises(UsageError, match=r"foreign.json is no record: it lacks the key 'trial'"):
        leaderboard(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot read the record"),
        ('{"schema": 1, "tri', "cannot read the record"),
        ("[1, 2]", "is no record"),
        ("null", "is no record"),
        ("\x00\x01", "cannot read the record"),
        ('{"trial": {}, "schema": 2}', "schema 2, this mmbench reads 1"),
    ],
)
def test_what_is_no_record_is_told_and_hides_nothing(tmp_path, text, told):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    (tmp_path / "bad.json").write_text(text)
    board = leaderboard(tmp_path)
    assert len(board.tables[0].rows) == 1
    (line,) = board.left_out
    assert "bad.json" in line
    assert told in line
    assert "bad.json" in board.markdown()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trial.seed", "1"),
        ("trial.model", None),
        ("fingerprints.trial", ["a"]),
        ("encoder.modalities", "image"),
        ("metrics.test", {"recall@20": "0.2"}),
        ("metrics.test", [0.2]),
        ("status", "done"),
        ("metrics", None),
    ],
)
def test_a_key_of_another_kind_is_named(tmp_path, key, value):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    path = add(tmp_path, "VBPR", "other", 1, 0.2)
    values = json.loads(path.read_text())
    *outer, last = key.split(".")
    part = values[outer[0]] if outer else values
    part[last] = value
    path.write_text(json.dumps(values))
    board = leaderboard(tmp_path)
    assert len(board.tables[0].rows) == 1
    (line,) = board.left_out
    assert path.name in line
    assert last in line
    assert "\n" not in line


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number(tmp_path, value):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "classic", 2, value)
    add(tmp_path, "VBPR", "noise", 1, value)
    board = leaderboard(tmp_path)
    classic, noise = board.tables[0].rows
    assert classic.entries[0].value == 0.2
    assert classic.labels[-1] == "1 of 2"
    assert noise.entries[0].word == "not a number"
    assert f"shop · VBPR classic seed 2: recall@20 is {value}" in board.markdown()
    json.loads(board.json(), parse_constant=pytest.fail)


def test_one_record_in_every_format(tmp_path, capsys):
    path = add(tmp_path, "VBPR", "classic", 1, 0.2)
    for kind in ("md", "latex", "csv", "json"):
        for nouns in ([], ["--by", "dataset, model", "--columns", "encoder", "--costs"]):
            assert cli.main(["leaderboard", str(path), "--format", kind, *nouns]) == 0
            assert "0.2" in capsys.readouterr().out


def test_what_csv_has_no_place_for_is_told_beside_it(tmp_path, capsys):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    add(tmp_path, "VBPR", "noise", 1, 0.2, status="failed")
    assert cli.main(["leaderboard", str(tmp_path), "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert "left out" not in out
    assert err.startswith("left out: shop · VBPR noise seed 1: failed")


def test_wrong_words_are_refused_in_one_line(tmp_path, capsys):
    add(tmp_path, "VBPR", "classic", 1, 0.2)
    for words, told in (
        (["--format", "latx"], "--format latx: the nearest is latex"),
        (["--columns", "encodr"], "the nearest is encoder"),
        (["--metric", " , "], "--metric: name one"),
    ):
        assert cli.main(["leaderboard", str(tmp_path), *words]) == 2
        err = capsys.readouterr().err
        assert told in err
        assert len(err.splitlines()) == 1
