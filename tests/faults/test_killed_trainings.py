"""Trainings that are killed at any moment go on to the numbers of those that were not."""

import json
import shutil
import time

import pytest

from mmbench.cli import main

RUN = ("run", "--dataset", "tiny", "--model", "BPR", "--json")
SLOW = ("--set", "epochs=25", "--set", "train_batch_size=4", "--set", "stopping_step=25")
NUMBERS = ("metrics", "fingerprints", "trial")


def checkpoints(home):
    return list((home / "results").rglob("*.safetensors"))


def killed(start, home, pause):
    """Start a training and kill it some time after its first checkpoint."""
    process = start(*RUN, *SLOW)
    while not checkpoints(home):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    time.sleep(pause)
    assert process.poll() is None
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def uninterrupted(tiny_template, tmp_path_factory):
    """The record of the training that nobody kills."""
    home = tmp_path_factory.mktemp("whole") / "home"
    shutil.copytree(tiny_template, home)
    assert main([*RUN, *SLOW, "--home", str(home)]) == 0
    (path,) = (home / "results").rglob("*.json")
    return json.loads(path.read_text())


def test_a_killed_training_goes_on(start, cli, tiny, uninterrupted):
    killed(start, tiny, pause=0.2)
    code, out, _ = cli(*RUN, *SLOW, "--resume")
    record = json.loads(out)
    assert code == 0
    assert record["resumed"] is True
    assert {key: record[key] for key in NUMBERS} == {key: uninterrupted[key] for key in NUMBERS}
    assert record["epochs"] == uninterrupted["epochs"]
    assert "resumed" not in uninterrupted
    assert checkpoints(tiny) == []
    assert not list((tiny / "results").rglob("*.scratch"))


def test_what_cannot_be_gone_on_with_is_refused_and_begins_anew_without_the_option(
    start, cli, refused, tiny, uninterrupted
):
    killed(start, tiny, pause=0)
    (path,) = checkpoints(tiny)
    other = path.parent.with_name(path.parent.name.replace("-s1.", "-s2."))
    path.parent.rename(other)
    assert "is of another training" in refused(*RUN, *SLOW, "--seed", "2", "--resume")
    other.rename(path.parent)
    path.write_bytes(path.read_bytes()[:-9])
    line = refused(*RUN, *SLOW, "--resume")
    assert "cannot be read" in line
    assert "leave out --resume to begin anew" in line
    code, out, err = cli(*RUN, *SLOW)
    assert code == 0
    assert "--resume would have gone on from" in err
    assert json.loads(out)["metrics"] == uninterrupted["metrics"]
    assert "resumed" not in json.loads(out)
    assert checkpoints(tiny) == []


def test_there_may_be_nothing_to_go_on_with(cli, tiny):
    code, out, err = cli(*RUN, "--set", "epochs=2", "--resume")
    assert code == 0
    assert "no training was stopped on its way" in err
    assert "resumed" not in json.loads(out)
