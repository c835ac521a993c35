"""Homes that cannot be written, and runs that are stopped, killed or fail."""

import json
import resource
import shutil
import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from mmbench.cli import main

FAILED = 1
RUN = ("run", "--dataset", "tiny", "--model", "BPR", "--set", "epochs=1")
CROWD = 1200  # items, in shards of 256
SLOW = ("--set", "epochs=6", "--set", "train_batch_size=8")


def record(home, pattern="*"):
    """Return the one record of a home."""
    (path,) = (home / "results").rglob(f"{pattern}.json")
    return json.loads(path.read_text())


# Homes


@pytest.mark.parametrize("below", ["file", "file/home", "file/deeper/home"])
@pytest.mark.parametrize("verb", ["run", "prepare toyshop", "prepare toyshop --name other"])
def test_a_home_that_is_a_file(refused, tmp_path, below, verb):
    (tmp_path / "file").write_text("kept")
    line = refused(*verb.split(), "--home", tmp_path / below)
    assert f"cannot write to the home {tmp_path / below}" in line
    assert "name another folder with --home" in line
    assert (tmp_path / "file").read_text() == "kept"


def test_a_home_that_is_read_only(refused):
    # The superuser of a test machine may write everywhere but to a kernel's file system.
    assert "cannot write to the home /proc/home" in refused("run", "--home", "/proc/home")
    assert "cannot write to the home /sys/home" in refused(
        "prepare", "toyshop", "--home", "/sys/home"
    )


def test_an_empty_home_is_the_usual_one(cli, home, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert cli("prepare", "toyshop", "--users", "30", "--items", "24", "--home", "")[0] == 0
    assert (home / "datasets" / "toyshop").is_dir()
    assert list((tmp_path / "here").iterdir()) == []


@contextmanager
def room(size):
    """Let no file grow beyond some bytes, as a full disk would (pytest's own are files, too)."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@pytest.mark.parametrize("size", [4, 2_000, 9_000, 11_000])
def test_no_room_for_a_dataset(refused, tiny, size):
    with room(size):
        line = refused("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "new")
    assert "--home" in line
    assert [path.name for path in (tiny / "datasets").iterdir()] == ["tiny"]


@pytest.mark.parametrize("encoder", ["classic", "noise"])
def test_no_room_for_features(cli, refused, listing, tiny, encoder):
    before = listing()
    for words in (("encode",), ("run", "--set", "epochs=1")):
        with room(3_000):
            line = refused(*words, "--dataset", "tiny", "--encoder", encoder)
        assert f"cannot write {tiny / 'features' / 'tiny'}" in line
        assert "make room, or name another folder with --home" in line
    assert cli("encode", "--dataset", "tiny", "--encoder", encoder)[0] == 0
    assert listing().keys() > before.keys()


@pytest.mark.parametrize("size", [100, 1_000, 3_500])
def test_no_room_for_a_record(cli, refused, tiny, size):
    assert cli("encode", "--encoder", "id", "--dataset", "tiny")[0] == 0
    with room(size):
        line = refused(*RUN)
    assert f"cannot write {tiny / 'results'}" in line
    assert cli(*RUN)[0] == 0
    assert record(tiny)["status"] == "ok"


# Stops


@pytest.fixture(scope="module")
def crowd_template(tmp_path_factory):
    """A home with the dataset `crowd`, whose pictures take a few shards; and the tables."""
    folder = tmp_path_factory.mktemp("crowd")
    (folder / "pictures").mkdir()
    rng = np.random.RandomState(0)
    pixels = rng.randint(0, 256, (CROWD, 8, 8, 3)).astype(np.uint8)
    for item in range(CROWD):
        Image.fromarray(pixels[item]).save(folder / "pictures" / f"{item}.png")
    items = "".join(f"{item},a toy of {item % 50}\n" for item in range(CROWD))
    (folder / "items.csv").write_text("item_id,title\n" + items)
    visits = "".join(f"u{item % 40},{item}\n" for item in range(CROWD))
    (folder / "visits.csv").write_text("user_id,item_id\n" + visits)
    words = ["--interactions", "visits.csv", "--items", "items.csv", "--images", "pictures"]
    words = [word if word.startswith("--") else str(folder / word) for word in words]
    words += ["--name", "crowd", "--k-core", "0", "--home", str(folder / "home")]
    assert main(["prepare", "folder", *words]) == 0
    return folder / "home"


@pytest.fixture(scope="module")
def uninterrupted(crowd_template, tmp_path_factory):
    """The feature files of `crowd`, encoded without a stop."""
    home = tmp_path_factory.mktemp("uninterrupted") / "home"
    shutil.copytree(crowd_template, home)
    assert main(["encode", "--dataset", "crowd", "--encoder", "classic", "--home", str(home)]) == 0
    return feature_files(home)


@pytest.fixture
def crowd(crowd_template, home):
    """The home, with the dataset `crowd` in it."""
    shutil.copytree(crowd_template, home)
    return home


CLASSIC = ("--dataset", "crowd", "--encoder", "classic")


def feature_files(home):
    """Return the features of `crowd` as bytes; there is nothing else beside them."""
    (folder,) = (home / "features" / "crowd").iterdir()
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "meta.json" in files
    del files["meta.json"]  # it holds the seconds
    return files


def shards(home):
    return sorted((home / "features" / "crowd").glob(".classic-*.shards/image/[!.]*.npz"))


def wait_until(true, process):
    """Wait for a process to get somewhere."""
    while not true():
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def stop_encoding(process, home, how):
    """Stop a process between two shards of pictures; return the finished ones."""
    wait_until(lambda: shards(home), process)
    process.send_signal(how)
    out, err = process.communicate()
    kept = {path.name: path.read_bytes() for path in shards(home)}
    assert 0 < len(kept) < -(-CROWD // 256)
    assert out == ""
    assert "Traceback" not in err
    assert list((home / "features" / "crowd").glob("[!.]*")) == []
    return kept, err


def first_encoded(err):
    """Return how many pictures were ready when the first line of progress was written."""
    line = next(line for line in err.splitlines() if line.startswith("encode image"))
    return int(line.split()[2].partition("/")[0])


def test_ctrl_c_during_encoding(cli, crowd, start, uninterrupted):
    words = ("run", *CLASSIC, "--set", "epochs=1")
    process = start(*words)
    kept, err = stop_encoding(process, crowd, signal.SIGINT)
    assert process.returncode == FAILED
    assert err.splitlines()[-1].startswith("mmbench: stopped")
    stopped = record(crowd)
    assert (stopped["status"], stopped["error"]["type"]) == ("stopped", "KeyboardInterrupt")
    assert "stopped" in cli("leaderboard")[1]
    code, _, err = cli(*words)
    assert code == 0
    assert first_encoded(err) == 256 * len(kept) + 32
    assert feature_files(crowd) == uninterrupted
    assert record(crowd)["status"] == "ok"


def test_kill_during_encoding(cli, crowd, start, uninterrupted):
    process = start("encode", *CLASSIC)
    stop_encoding(process, crowd, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    shards(crowd)[0].write_bytes(b"PK")  # what a lost power supply may leave
    code, _, err = cli("encode", *CLASSIC)
    assert (code, first_encoded(err)) == (0, 32)
    assert feature_files(crowd) == uninterrupted


def test_ctrl_c_during_training(cli, tiny, start):
    words = ("run", "--dataset", "tiny", "--model", "BPR", *SLOW)
    process = start(*words)
    lines = iter(process.stderr.readline, "")
    assert any(line.startswith("train BPR seed 1 1/6") for line in lines)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (FAILED, "")
    assert err.splitlines()[-1].startswith("mmbench: stopped")
    assert "Traceback" not in err
    stopped = record(tiny)
    assert (stopped["status"], stopped["metrics"]) == ("stopped", None)
    assert list((tiny / "results").rglob("*.npz")) == []
    code, _, err = cli(*words)
    assert (code, "already recorded" in err) == (0, False)
    again = record(tiny)
    assert again["status"] == "ok"
    assert again["fingerprints"] == stopped["fingerprints"]


def test_ctrl_c_during_preparation(home, start):
    process = start("prepare", "toyshop", "--items", "4000")
    assert process.stderr.readline().startswith("drawing")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (FAILED, "")
    assert err.splitlines()[-1].startswith("mmbench: stopped")
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_a_trial_that_fails(cli, tiny):
    words = ["run", "--dataset", "tiny", "--model", "BPR", "--set", "train_batch_size=64"]
    for setting in ("learner=sgd", "learning_rate=10", "weight_decay=10", "epochs=9"):
        words += ["--set", setting]
    code, out, err = cli(*words)
    assert (code, out) == (FAILED, "")
    assert "failed: FloatingPointError" in err
    assert "lower learning_rate" in err
    assert "Traceback" not in err
    failed = record(tiny)
    assert (failed["status"], failed["metrics"]) == ("failed", None)
    assert failed["error"]["type"] == "FloatingPointError"
    assert failed["error"]["traceback"].startswith("Traceback")
    for _ in range(2):  # alone, then beside one that went well
        code, out, _ = cli("leaderboard")
        assert code == 0
        assert "BPR id seed 1: failed" in out
        assert cli(*RUN)[0] == 0
    assert json.loads(cli(*words, "--json")[1])["status"] == "failed"
