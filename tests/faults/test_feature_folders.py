"""Features of something else are refused, whether mmbench made them or a person did."""

import json
import shutil

import numpy as np
import pytest
import torch

RUN = ("run", "--dataset", "tiny", "--set", "epochs=1")
ENCODE = ("encode", "--dataset", "tiny", "--encoder")


@pytest.fixture
def encoded(tiny, cli):
    """The feature folder of `tiny` under `classic`."""
    assert cli(*ENCODE, "classic")[0] == 0
    return next((tiny / "features" / "tiny").glob("classic-*"))


def move_into(folder, other):
    shutil.rmtree(folder)
    other.rename(folder)


def test_features_of_another_dataset(tiny, cli, refused, encoded):
    words = ("prepare", "toyshop", "--users", "60", "--items", "40", "--seed", "2")
    assert cli(*words, "--name", "other")[0] == 0
    assert cli("encode", "--dataset", "other", "--encoder", "classic")[0] == 0
    move_into(encoded, next((tiny / "features" / "other").glob("classic-*")))
    for words in ((*RUN, "--encoder", "classic"), (*ENCODE, "classic")):
        line = refused(*words)
        assert f"{encoded}: these are features of dataset 'other' by encoder 'classic'" in line
        assert "delete the folder" in line


def test_features_of_another_encoder(tiny, cli, refused, encoded):
    assert cli(*ENCODE, "noise")[0] == 0
    move_into(encoded, next((tiny / "features" / "tiny").glob("noise-*")))
    for words in ((*RUN, "--encoder", "classic"), (*ENCODE, "classic")):
        assert "of dataset 'tiny' by encoder 'noise'" in refused(*words)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("items.txt", b"i0001\n", "its items are not those of the dataset"),
        ("items.txt", None, "its items are not those of the dataset"),
        ("meta.json", b"{", "cannot read"),
        ("meta.json", b"\xff", "cannot read"),
        ("meta.json", b"[]", "not of what was asked for"),
        ("image.npy", b"none", "image.npy"),
        ("image.npy", None, "image.npy"),
        ("image.mask.npy", None, "image"),
    ],
)
def test_a_folder_that_was_damaged(tiny, refused, encoded, file, content, told):
    (encoded / file).unlink()
    if content is not None:
        (encoded / file).write_bytes(content)
    line = refused(*RUN, "--encoder", "classic")
    assert str(encoded) in line
    assert told in line
    assert "delete" in line


def test_a_folder_without_its_meta_is_made_again(tiny, cli, encoded):
    whole = {path.name: path.read_bytes() for path in encoded.glob("*.npy")}
    (encoded / "meta.json").unlink()
    (encoded / "image.npy").unlink()
    assert cli(*ENCODE, "classic")[0] == 0
    assert {path.name: path.read_bytes() for path in encoded.glob("*.npy")} == whole
    assert json.loads((encoded / "meta.json").read_text())["encoder"] == "classic"


def given(folder, ids, **arrays):
    """Write ready features."""
    folder.mkdir()
    (folder / "items.txt").write_text("".join(f"{item}\n" for item in ids))
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return f"file:{folder}"


def bare(folder, rows):
    """Write a matrix of torch without item ids."""
    folder.mkdir()
    torch.save(torch.from_numpy(rows), folder / "image.pt")
    return f"file:{folder / 'image.pt'}"


def test_shuffled_rows_change_nothing(tiny, cli, encoded, tmp_path):
    ids = np.array((encoded / "items.txt").read_text().splitlines())
    image, text = np.load(encoded / "image.npy"), np.load(encoded / "text.npy")
    order = np.random.RandomState(3).permutation(len(ids))
    written = given(tmp_path / "written", ids, image=image, text=text)
    shuffled = given(tmp_path / "shuffled", ids[order], image=image[order], text=text[order])
    moved = given(tmp_path / "moved", ids, image=image[order], text=text[order])
    tests = []
    for encoder in (written, shuffled, moved):
        code, out, _ = cli(*RUN, "--encoder", encoder, "--json")
        assert code == 0
        tests.append(json.loads(out)["metrics"]["test"])
    assert tests[0] == tests[1]
    assert tests[0] != tests[2]


def test_ready_features_that_cannot_be_used(tiny, refused, encoded, tmp_path):
    ids = (encoded / "items.txt").read_text().splitlines()
    rows = np.ones((len(ids), 3), np.float32)
    hole = rows.copy()
    hole[4] = np.nan
    objects = np.array([{}] * len(ids), dtype=object)
    cases = {
        "stranger": (given(tmp_path / "a", ["x", "y"], image=rows[:2]), "no item of the dataset"),
        "short": (given(tmp_path / "b", ids, image=rows[1:]), f"39 rows for {len(ids)} item ids"),
        "hole": (given(tmp_path / "c", ids, image=hole), f"first for item '{ids[4]}'"),
        "twice": (given(tmp_path / "d", [*ids[1:], ids[1]], image=rows), f"'{ids[1]}' stands"),
        "pickle": (given(tmp_path / "e", ids, image=objects), "no plain array of numbers"),
        "flat": (given(tmp_path / "f", ids, image=rows[:, 0]), "expected numbers, (items, dim)"),
        "none": (given(tmp_path / "g", ids), "holds no features"),
        "path": (f"file:{tmp_path / 'nowhere'}", "there is nothing at"),
        "text": (f"file:{encoded / 'items.txt'}", "neither a folder nor a .npz"),
        "ids": (bare(tmp_path / "h", rows), "write one item id a line"),
    }
    for case, (encoder, told) in cases.items():
        assert told in refused(*RUN, "--encoder", encoder), case


def test_items_that_the_features_lack_are_masked(tiny, cli, encoded, tmp_path):
    ids = (encoded / "items.txt").read_text().splitlines()
    some = given(tmp_path / "some", ["a stranger", *ids[5:]], image=np.ones((36, 3), np.float32))
    assert cli(*RUN, "--encoder", some)[0] == 0
    folder = next((tiny / "features" / "tiny").glob("file-*"))
    assert np.load(folder / "image.mask.npy").tolist() == [False] * 5 + [True] * 35
