"""What `--json` prints, and what happens to a run that is asked for again."""

import json
import os
import pty
import shutil
import sys
import threading

import pytest

RUN = ("run", "--dataset", "tiny", "--model", "BPR", "--set", "epochs=1")


@pytest.mark.parametrize(("seeds", "kind"), [(1, dict), (3, list)])
def test_json_alone_on_standard_output(cli, tiny, seeds, kind):
    words = (*RUN, "--seeds", seeds, "--json")
    code, out, err = cli(*words)
    assert code == 0
    assert "train BPR seed 1 1/1" in err
    printed = json.loads(out)
    assert isinstance(printed, kind)
    written = [json.loads(path.read_text()) for path in (tiny / "results").rglob("*.json")]
    each = printed if kind is list else [printed]
    assert sorted(value["trial"]["seed"] for value in each) == list(range(1, seeds + 1))
    assert all(value in written for value in each)
    assert json.loads(cli(*words)[1]) == printed


def test_json_alone_beside_bars(cli, tiny, monkeypatch):
    leader, follower = pty.openpty()
    shown = []
    reader = threading.Thread(target=lambda: shown.extend(iter(lambda: _read(leader), b"")))
    reader.start()
    with os.fdopen(follower, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        code, out, _ = cli(*RUN, "--json")
    reader.join()
    os.close(leader)
    assert code == 0
    assert json.loads(out)["status"] == "ok"
    assert "━" in b"".join(shown).decode()


def _read(terminal):
    try:
        return os.read(terminal, 1024)
    except OSError:  # how Linux tells that the other end was closed
        return b""


def test_a_run_that_is_recorded_does_nothing(cli, listing, tiny):
    assert cli(*RUN, "--seeds", "2")[0] == 0
    before = listing()
    code, out, err = cli(*RUN, "--seeds", "2")
    assert code == 0
    assert err.count("already recorded, see --force: ") == 2
    assert "train" not in err
    assert out.count("recall@20") == 2
    assert listing() == before


def test_a_run_again_gives_the_same_numbers(cli, listing, tiny, tmp_path):
    words = ("run", "--dataset", "tiny", "--encoder", "classic", "--set", "epochs=2")
    first = json.loads(cli(*words, "--json")[1])
    before = listing()
    (path,) = (tiny / "results").rglob("*.json")
    code, out, err = cli(*words, "--force", "--json")
    assert (code, "train VBPR" in err) == (0, True)
    forced = json.loads(out)
    assert listing() != before
    kept = shutil.copy(path, tmp_path / "kept.json")
    shutil.rmtree(tiny / "results")
    code, out, err = cli("run", "--from", kept, "--json")
    assert (code, "train VBPR" in err) == (0, True)
    repeated = json.loads(out)
    for other in (forced, repeated):
        assert other["metrics"] == first["metrics"]
        assert other["epochs"] == first["epochs"]
        assert other["trial"] == first["trial"]
    assert path.is_file()
    assert "already recorded" in cli("run", "--from", kept)[2]


def test_the_line_that_repeats_a_record_does(cli, tiny):
    first = json.loads(cli(*RUN, "--json")[1])
    name, *words = first["command"].split()
    assert name == "mmbench"
    code, _, err = cli(*words)
    assert (code, "already recorded" in err) == (0, True)
