"""Arrays in files: made once, mapped by all, never wrong."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from mmbench import shared_arrays, trial
from mmbench.plan import plan
from mmbench.progress import Silent
from mmbench.shared_arrays import SharedArrays
from recbole_ext import item_features

SHAPE = (1000, 7)
WHOLE = np.arange(7000, dtype=np.float32).reshape(SHAPE)

MAKER = """
import sys, time
from pathlib import Path
import numpy as np
from mmbench.shared_arrays import SharedArrays

folder, how = Path(sys.argv[1]), sys.argv[2]

def blocks():
    with (folder / "made.txt").open("a") as file:
        file.write("once\\n")
    for start in range(0, 7000, 700):
        print("block", flush=True)
        time.sleep(60 if how == "hang" and start else 0.01)
        yield np.arange(start, start + 700, dtype=np.float32).reshape(100, 7)

found = SharedArrays(folder, print)("prepared x", (1000, 7), np.float32, blocks)
print(found.sum(), flush=True)
"""


def halves():
    yield WHOLE[:400]
    yield WHOLE[400:]


def never():
    raise AssertionError("made again")


@pytest.fixture
def told():
    return []


@pytest.fixture
def share(tmp_path, told):
    return SharedArrays(tmp_path / "shared", told.append)


@pytest.fixture
def path(share):
    share("prepared x", SHAPE, np.float32, halves)
    (found,) = share.folder.iterdir()
    return found


def maker(folder, how=""):
    words = [sys.executable, "-c", MAKER, str(folder), how]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_it_is_made_once_and_found_by_another(share, path, told):
    found = SharedArrays(share.folder, told.append)("prepared x", SHAPE, np.float32, never)
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, WHOLE)
    assert np.array_equal(np.load(path, allow_pickle=False), WHOLE)
    assert path.name.startswith("prepared-")
    assert not told


def test_another_key_is_another_array(share, path):
    other = share("prepared y", SHAPE, np.float32, lambda: [-WHOLE])
    assert np.array_equal(other, -WHOLE)
    assert len(list(share.folder.iterdir())) == 2


def test_torch_takes_it_without_a_word_and_writing_reaches_nobody(share, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tensor = torch.from_numpy(share("prepared x", SHAPE, np.float32, never))
    tensor.fill_(-1)
    assert np.array_equal(share("prepared x", SHAPE, np.float32, never), WHOLE)


def test_rows_of_several_fields_are_kept(share):
    kind = np.dtype([("column", np.int64), ("value", np.float32)])
    rows = np.zeros((3, 2), kind)
    rows["column"], rows["value"] = np.arange(6).reshape(3, 2), 0.5
    for blocks in (lambda: [rows], never):
        assert np.array_equal(share("neighbours", (3, 2), kind, blocks), rows)


@pytest.mark.parametrize("harm", ["short", "empty", "changed", "longer", "no array", "header"])
def test_a_damaged_file_is_made_anew(share, path, harm):
    whole = path.read_bytes()
    at = len(whole) // 2
    path.write_bytes(
        {
            "short": whole[:-9],
            "empty": b"",
            "changed": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
            "longer": whole + b"more",
            "no array": b"\0" * len(whole),
            "header": b"\x93NUMPX" + whole[6:],
        }[harm]
    )
    assert np.array_equal(share("prepared x", SHAPE, np.float32, halves), WHOLE)
    assert path.read_bytes() == whole


def test_a_sound_file_of_another_shape_is_made_anew(share, path):
    found = share("prepared x", (7, 1000), np.float32, lambda: [WHOLE.reshape(7, 1000)])
    assert found.shape == (7, 1000)


def test_processes_at_once_make_it_once(tmp_path):
    running = [maker(tmp_path) for _ in range(4)]
    sums = {each.communicate()[0].splitlines()[-1] for each in running}
    assert sums == {str(WHOLE.sum())}
    assert (tmp_path / "made.txt").read_text() == "once\n"


def test_a_killed_maker_leaves_nothing_that_is_believed(tmp_path, told):
    first = maker(tmp_path, "hang")
    assert first.stdout.readline() == "block\n"
    assert first.stdout.readline() == "block\n"  # the first block was taken
    first.kill()
    first.wait()
    assert list(tmp_path.glob(".*.part"))
    found = SharedArrays(tmp_path, told.append)("prepared x", SHAPE, np.float32, halves)
    assert np.array_equal(found, WHOLE)
    assert not list(tmp_path.glob(".*"))
    assert not told


def test_where_nothing_can_be_written_the_person_hears_it_once(tmp_path, told):
    (tmp_path / "file").write_text("in the way")
    share = SharedArrays(tmp_path / "file" / "shared", told.append)
    for key in ("prepared x", "prepared y"):
        assert share(key, SHAPE, np.float32, halves) is None
    assert len(told) == 1
    assert told[0].startswith("features are not shared between processes: ")


def test_a_full_disk_ends_nothing(tmp_path):
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from mmbench.shared_arrays import SharedArrays

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
share = SharedArrays(Path(sys.argv[1]), print)
print(share("prepared x", (1000, 7), np.float32, lambda: [np.ones((1000, 7), np.float32)]))
"""
    words = [sys.executable, "-c", code, str(tmp_path / "shared")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "features are not shared between processes: cannot write" in done.stdout
    assert done.stdout.splitlines()[-1] == "None"
    assert not list((tmp_path / "shared").iterdir())


def test_what_a_maker_raises_is_raised(share):
    def broken():
        yield WHOLE[:10]
        raise ValueError("not finite")

    with pytest.raises(ValueError, match="not finite"):
        share("prepared x", SHAPE, np.float32, broken)
    assert not list(share.folder.iterdir())


@pytest.fixture
def eager(monkeypatch):
    """Share small features as well."""
    monkeypatch.setattr(item_features, "LEAST_SHARED", 0)
    monkeypatch.setattr(shared_arrays, "LEAST", 0)


def fitted(home, **choices):
    choices = {"hyperparameters": {"epochs": 2}, **choices}
    planned = plan("VBPR", "classic", "toyshop", home=home, **choices)[0]
    return planned, trial.fit(planned, Silent())


def kept(planned):
    folder = planned.features.folder
    return sorted(each.name for each in folder.parent.glob(f".{folder.name}.shared/*.npy"))


@pytest.mark.parametrize("missing", ["mask", "mean"])
def test_a_trial_that_shares_has_the_numbers_of_one_that_does_not(
    toyshop_home, monkeypatch, missing
):
    gaps = {"missing": missing, "inject_missing": {"image": 0.3}}
    planned, alone = fitted(toyshop_home, **gaps)
    before = kept(planned)
    monkeypatch.setattr(item_features, "LEAST_SHARED", 0)
    monkeypatch.setattr(shared_arrays, "LEAST", 0)
    made = [fitted(toyshop_home, **gaps)[1] for _ in range(2)]
    new = set(kept(planned)) - set(before)
    kinds = {name.split("-")[0] for name in new}
    assert kinds == {"prepared"} | ({"completed"} if missing == "mean" else set())
    for one in made:
        assert one.recbole.trained.curve[-1].loss == alone.recbole.trained.curve[-1].loss
        state = alone.recbole.model.state_dict()
        for name, value in one.recbole.model.state_dict().items():
            assert torch.equal(value, state[name]), name


def test_another_policy_does_not_find_the_rows_of_this_one(toyshop_home, eager):
    share = {"inject_missing": {"image": 0.4}}
    rows = {}
    for missing in ("zeros", "mean", "mask"):
        _, one = fitted(toyshop_home, missing=missing, **share)
        rows[missing] = one.recbole.model.f.matrix(0)
    assert not torch.equal(rows["zeros"], rows["mean"])
    assert not torch.equal(rows["mask"], rows["mean"])
