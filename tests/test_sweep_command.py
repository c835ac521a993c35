"""`mmbench sweep` as a person calls it: what goes to which stream, and what is refused."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import mmbench
from mmbench import cli
from mmbench.sweeps.memory import expected_mb
from mmbench.sweeps.tracking import TRACKERS

GRID = ("--model", "BPR,VBPR", "--encoder", "classic", "--dataset", "tiny", "--seeds", "1")
FEW = ("--trials", "2", "--set", "epochs=3", "--cpus", "2", "--log", "tensorboard", "--json")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with the dataset `tiny`."""
    folder = tmp_path_factory.mktemp("home")
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert cli.main([*words, "--home", str(folder)]) == 0
    return folder


def sweep(home, *words):
    """Run a sweep as a process in a folder of its own."""
    work = home / "work"
    work.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "mmbench", "sweep", *words, "--home", str(home)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert list(work.iterdir()) == []  # only the home is written to
    return done


@pytest.fixture(scope="module")
def first(home):
    """A sweep of two cells, two points each."""
    return sweep(home, *GRID, *FEW)


def test_a_pipe_gets_json_and_a_line_a_training(first):
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout)
    assert [record["trial"]["model"] for record in told["records"]] == ["BPR", "VBPR"]
    assert all(record["search"]["trials"] == 2 for record in told["records"])
    assert told["failed"] == []
    lines = first.stderr.splitlines()
    assert "6 trainings in 2 cells" in lines
    over = [line for line in lines if " · point " in line or " · seed " in line]
    assert [line.partition(" ")[0] for line in over] == [f"{n}/6" for n in range(1, 7)]
    assert all("recall@20 0." in line for line in over)
    encoding = [line for line in lines if line.startswith("tiny · classic: encode ")]
    assert len(encoding) + 1 + len(over) == len(lines)  # nothing of Ray's


def test_tensorboard_has_loss_score_and_hyperparameters_of_every_training(first, home):
    assert first.returncode == 0
    folders = list(home.glob("sweeps/*/tensorboard"))
    assert len(folders) == 2
    for folder in folders:
        assert {run.name for run in folder.iterdir()} == {"point-0", "point-1", "seed-1"}
        for number in (0, 1):
            events = EventAccumulator(str(folder / f"point-{number}"))
            events.Reload()
            point = json.loads((folder.parent / f"point-{number}.json").read_text())
            # The last report tells the best score again.
            assert scalars(events, "validation")[:3] == [
                (n, score) for n, _, score in point["curve"]
            ]
            assert scalars(events, "loss")[:3] == [(n, loss) for n, loss, _ in point["curve"]]
            (text,) = events.Tensors("hyperparameters/text_summary")
            (told,) = text.tensor_proto.string_val
            assert json.loads(told.decode().strip("`\n")) == point["hyperparameters"]


def scalars(events, name):
    """Return the steps and values of a run; TensorBoard keeps 32 bits."""
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(name)]


def test_the_same_command_trains_nothing_again(first, home, capsys):
    words = [word for word in FEW if word != "--json"]
    assert cli.main(["sweep", *GRID, *words, "--home", str(home)]) == 0
    out, err = capsys.readouterr()
    assert err == "6 trainings in 2 cells, 6 of them known\n"
    assert out == f"2 records in {home / 'results'}: see `mmbench leaderboard`\n"
    assert first.returncode == 0


def test_memory_is_expected_from_records_of_the_same_kind(first, home):
    from mmbench.benchmark import of_flags
    from mmbench.cells import cells
    from mmbench.home import Home

    records = json.loads(first.stdout)["records"]
    where, peaks = Home(home), [record["memory"]["host_peak_mb"] for record in records]
    names = dict(zip(GRID[0:6:2], GRID[1:6:2], strict=True))
    asked = {flag.removeprefix("--"): said for flag, said in names.items()}
    made = cells(of_flags(asked), where)
    assert expected_mb(made, where) == pytest.approx(max(peaks), abs=1)
    assert expected_mb([], where) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "VBRP"], "the nearest is VBPR"),
        (["--encoder", "clasic"], "classic"),
        (["--dataset", "tinny"], "the nearest is tiny"),
        (["--set", "epochs"], "--set KEY=VALUE"),
        (["--search", "tpee"], "algorithm"),
        (["--trials", "3", "--no-search"], "--no-search"),
        (["--device", "cuda:1"], "a sweep shares the GPUs out itself"),
        (["--log", "tensorbord"], "the nearest is tensorboard"),
        (["--address", "127.0.0.1:1"], "nobody answers"),
        (["gone.yaml"], "gone.yaml"),
    ],
)
def test_wrong_usage_is_one_line_and_2(home, capsys, words, told):
    assert cli.main(["sweep", "--dataset", "tiny", *words, "--home", str(home)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.count("\n") == 1
    assert err.startswith("mmbench: ")


@pytest.mark.parametrize("name", sorted(TRACKERS))
def test_a_tracker_that_is_not_installed_is_named(home, capsys, name):
    package, _ = TRACKERS[name]
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    assert cli.main(["sweep", "--dataset", "tiny", "--log", name, "--home", str(home)]) == 2
    assert f"pip install {package}" in capsys.readouterr().err


def test_a_trial_that_no_machine_has_room_for_is_refused(home, capsys):
    words = ["--model", "BPR", "--dataset", "tiny", "--cpus-per-trial", "1000"]
    assert cli.main(["sweep", *words, "--home", str(home)]) == 2
    assert "--cpus-per-trial 1000: no machine has that much" in capsys.readouterr().err


def test_the_python_verb_is_the_same(first, home):
    outcome = mmbench.sweep(
        model=["BPR", "VBPR"],
        encoder="classic",
        dataset="tiny",
        seeds=1,
        search={"trials": 2},
        hyperparameters={"epochs": 3},
        cpus=2,
        home=home,
    )
    told = json.loads(first.stdout)["records"]
    assert [record.values for record in outcome.records] == told
    assert outcome.failed == ()


def test_what_failed_is_trained_again_where_one_asks(tmp_path):
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--name", "tiny")
    assert cli.main([*words, "--home", str(tmp_path)]) == 0
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "datasets: [tiny]\nseeds: 1\nsearch: {algorithm: grid}\n"
        "set: {epochs: 6, train_batch_size: 64, embedding_size: 8, "
        "learner: sgd, learning_rate: 1.0}\n"
        "recommenders: {BPR: {space: {reg_weight: {choice: [0.001, 1.0e+6]}}}}\n"
    )
    way = {"home": tmp_path, "cpus": 2, "retries": 0}
    assert len(mmbench.sweep(grid, **way).failed) == 1
    good, bad = sorted(
        tmp_path.glob("sweeps/*/point-*.json"), key=lambda path: '"failed"' in path.read_text()
    )
    bad.write_text(bad.read_text().replace("Traceback", "Yesterday"))
    kept = good.read_bytes()
    assert len(mmbench.sweep(grid, **way).failed) == 1
    assert "Yesterday" in bad.read_text()
    assert len(mmbench.sweep(grid, **way, retry_failed=True).failed) == 1
    assert "Traceback" in bad.read_text()
    assert good.read_bytes() == kept
