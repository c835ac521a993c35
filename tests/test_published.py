"""Every benchmark that is published here is sound, and its tables are what its records give."""

from pathlib import Path

import numpy as np
import pytest

import mmbench
from mmbench.cli import main
from mmbench.errors import UsageError
from mmbench.per_user import align
from mmbench.records import Record, read_lines

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FOLDERS = sorted(path.parent for path in BENCHMARKS.rglob("records.jsonl"))


def test_there_are_some():
    assert FOLDERS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(BENCHMARKS)))
def test_it_is_sound(folder):
    assert mmbench.check_published(folder) == ()


@pytest.fixture
def copy(tmp_path):
    """One of them, to be changed."""
    for name in ("benchmark.yaml", "records.jsonl", "leaderboard.md"):
        (tmp_path / name).write_bytes((BENCHMARKS / "lfm2k" / name).read_bytes())
    return tmp_path


def replaced(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_check_reads_only(copy, capsys):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert main(["publish", str(copy), "--check"]) == 0
    assert capsys.readouterr().out == f"{copy}: sound\n"
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def test_a_table_that_was_changed_is_told_with_a_short_diff(copy, capsys):
    replaced(copy / "leaderboard.md", "0.4221", "0.4321")
    assert main(["publish", str(copy), "--check"]) == 1
    told = capsys.readouterr().err
    assert "not what records.jsonl gives" in told
    assert "-| GRCN     | provided  |             | 1       | **0.4321**" in told
    assert "+| GRCN     | provided  |             | 1       | **0.4221**" in told
    assert len(told.splitlines()) < 10


def test_a_line_end_that_was_changed_is_told(copy):
    path = copy / "leaderboard.md"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert mmbench.check_published(copy)


def test_records_that_were_changed_are_told_by_line_and_key(copy):
    path = copy / "records.jsonl"
    first, second, third, *others = path.read_text().splitlines()
    lines = [first.replace('"epochs": 40', '"epochs": 41'), second, second, third[:900]]
    path.write_text("\n".join([*lines, *others]) + "\n")
    told = mmbench.check_published(copy)
    starts = [line.partition(": ")[0] for line in told]
    assert "cannot read the record" in starts[0]
    assert f"{path}:1: fingerprints.trial" in "\n".join(told)
    assert f"{path}:3: the same trial and seed as {path}:2" in "\n".join(told)


def test_a_path_and_a_lost_sum_are_told(copy):
    path = copy / "records.jsonl"
    replaced(path, '"device": "cpu"', '"device": "/home/me"')
    replaced(path, '"users": 18', '"n": 18')
    told = "\n".join(mmbench.check_published(copy))
    assert "device: /home/me is a path of a machine" in told
    assert "per_user: no sum" in told


def test_results_beside_the_check_are_refused(copy, capsys):
    assert main(["publish", str(copy), str(copy), "--check"]) == 2
    assert "leave out the RESULTS" in capsys.readouterr().err


def test_a_leaderboard_reads_it_and_tells_foreign_lines(copy):
    with (copy / "records.jsonl").open("a") as file:
        file.write('{"schema": 1, "half\n\n{"a": 1}\n')
    board = mmbench.leaderboard(copy)
    assert len(board.tables[0].rows) == 14
    assert [line.split(": ")[0].rpartition("/")[2] for line in board.left_out] == [
        "records.jsonl:15",
        "records.jsonl:17 is no record",
    ]


def test_tests_over_users_are_refused_with_the_reason(copy):
    why = "published without its per-user metrics"
    with pytest.raises(UsageError, match=why):
        mmbench.compare(copy, copy / "records.jsonl")
    with pytest.raises(UsageError, match=why):
        mmbench.compare(copy / "records.jsonl", copy)
    one, other, *_ = read_lines(copy / "records.jsonl")
    with pytest.raises(UsageError, match=why):
        align([[one], [other]], "recall@20")
    board = mmbench.leaderboard(copy, compare="BPR")
    assert any(why in line for line in board.left_out)


def test_values_of_users_that_were_changed_are_told(copy, tmp_path):
    """`--check` computes a metric again where its users were published."""
    records = [one for one in read_lines(copy / "records.jsonl") if isinstance(one, Record)]
    sound = {}
    for record in records:
        n, mean = record.values["per_user"]["users"], record.values["metrics"]["test"]["recall@20"]
        sound[f"{record.name}/users"] = np.arange(n).astype(str)
        sound[f"{record.name}/recall@20"] = np.full(n, mean)
    np.savez(copy / "per_user.npz", **sound)
    assert mmbench.check_published(copy) == ()
    first, second, third = (record.name for record in records[:3])
    changed = sound | {f"{first}/recall@20": sound[f"{first}/recall@20"] + 0.01}
    changed |= {f"{second}/users": sound[f"{second}/users"][1:]}
    np.savez(copy / "per_user.npz", **{k: v for k, v in changed.items() if third not in k})
    told = "\n".join(mmbench.check_published(copy))
    assert f"{copy}/records.jsonl:1: metrics.test.recall@20" in told
    assert f"{copy}/records.jsonl:2: per_user.npz: {n - 1} users" in told
    assert f"{copy}/records.jsonl:3: per_user.npz: users: not there" in told
    (copy / "per_user.npz").write_bytes(b"PK half")
    (line,) = mmbench.check_published(copy)
    assert "per_user.npz cannot be read" in line
