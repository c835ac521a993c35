"""Features are tied to their items and to what made them; nothing else is taken for them."""

import json

import numpy as np
import pytest

from mmbench.errors import UsageError
from mmbench.features import Feature, FeatureSet

IDS = ("b", "a", "ü/1")
META = {"dataset": "shop", "encoder": "mine", "fingerprint": "f" * 64}


@pytest.fixture
def folder(tmp_path):
    matrix = np.arange(6, dtype=np.float32).reshape(3, 2)
    feature = Feature(matrix, np.array([True, False, True]))
    FeatureSet(IDS, {"image": feature}, META).save(tmp_path / "features")
    return tmp_path / "features"


def test_what_was_saved_is_loaded(folder):
    loaded = FeatureSet.load(folder, "f" * 64, IDS)
    assert loaded.ids == IDS
    assert isinstance(loaded.modalities["image"].matrix, np.memmap)
    assert loaded.modalities["image"].matrix.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert loaded.modalities["image"].mask.tolist() == [True, False, True]
    assert loaded.dimensions == {"image": 2}


def test_the_files_are_those_of_the_design(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"image.npy", "image.mask.npy", "items.txt", "meta.json"}


def test_features_of_something_else_are_refused(folder):
    with pytest.raises(UsageError, match="dataset 'shop' by encoder 'mine'"):
        FeatureSet.load(folder, "0" * 64, IDS)


@pytest.mark.parametrize("ids", [("a", "b", "ü/1"), IDS[:2], (*IDS, "c")])
def test_other_items_or_another_order_are_refused(folder, ids):
    with pytest.raises(UsageError, match="not those of the dataset"):
        FeatureSet.load(folder, "f" * 64, ids)


def test_a_matrix_of_another_length_is_refused(folder):
    np.save(folder / "image.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(UsageError, match=r"image.npy: gone or changed"):
        FeatureSet.load(folder, "f" * 64, IDS)


def test_a_pickle_is_never_loaded(folder):
    np.save(folder / "image.npy", np.array([{"a": 1}] * 3, dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match="gone or changed"):
        FeatureSet.load(folder, "f" * 64, IDS)


@pytest.mark.parametrize("name", ["image.npy", "image.mask.npy", "items.txt"])
def test_a_file_of_the_right_shape_but_other_numbers_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[-2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(UsageError, match="delete the folder"):
        FeatureSet.load(folder, "f" * 64, IDS)


def test_a_later_schema_is_refused(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"schema": 99}))
    with pytest.raises(UsageError, match="delete the folder"):
        FeatureSet.load(folder, "f" * 64, IDS)
