"""Models of timm: the same vectors as timm's own, from wherever their files are."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import Payload
from tiny_timm import CONTENTS, NAME, PHOTOS, SETTINGS, backend, encoded, timm, written

from mmbench.encoders.base import Surroundings
from mmbench.encoders.cnn.timm_models import TimmModel
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256


def by_timm(model, settings):
    """Return what timm's own transform and pooled features give."""
    model.reset_classifier(0)
    settings = {key: settings[key] for key in SETTINGS}
    transform = timm.data.create_transform(**settings)
    with torch.inference_mode():
        return model(torch.stack([transform(item.image) for item in CONTENTS])).numpy()


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("test_resnet", {}),
        ("test_resnet", {"crop_mode": "border", "crop_pct": 1.0, "interpolation": "bilinear"}),
        ("test_resnet", {"crop_mode": "squash"}),
        ("test_vit", {"input_size": [3, 160, 160], "fixed_input_size": True}),
        ("test_convnext", {}),
    ],
)
def test_the_vectors_are_timms_own(tmp_path, architecture, settings):
    model = written(tmp_path, architecture, **settings)
    made = backend(str(tmp_path))
    found = encoded(made)
    expected = by_timm(model, {**SETTINGS, **settings})
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    assert len(np.unique(found.round(4), axis=0)) == 3


def test_resizing_is_pillows(tmp_path):
    written(tmp_path)
    made = backend(str(tmp_path))
    made.load()
    wide = PHOTOS[0].resize((round(640 * 71 / 427), 71), Image.Resampling.BICUBIC)
    left, top = round((wide.width - 64) / 2), round((71 - 64) / 2)
    cut = wide.crop((left, top, left + 64, top + 64))
    pixels = made.picture()(PHOTOS[0])
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(cut).transpose(2, 0, 1))


def test_a_fresh_process_can_prepare_pictures(tmp_path):
    written(tmp_path / "model")
    made = backend(str(tmp_path / "model"))
    made.load()
    (tmp_path / "picture.pickle").write_bytes(pickle.dumps((made.picture(), PHOTOS[1])))
    code = (
        "import pickle, sys; picture, photo = pickle.load(open(sys.argv[1], 'rb')); "
        "print(int(picture(photo).sum()))"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "picture.pickle")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(done.stdout) == int(made.picture()(PHOTOS[1]).sum())


def test_a_file_of_weights_for_a_name(tmp_path):
    model = written(tmp_path)
    named = tmp_path / "own.safetensors"
    full = timm.create_model(NAME, pretrained=False)
    save_file(full.state_dict(), named)
    made = backend(NAME, named)
    assert made.identity()["sha256"] == file_sha256(named)
    assert made.identity()["model"] == NAME
    assert encoded(made).shape == (3, full.num_features)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    with pytest.raises(UsageError, match="'fc.weight' has shape"):
        backend(NAME, tmp_path / "model.pt").load()


def test_random_weights_need_no_files():
    first, second = (backend(NAME, random_weights=True) for _ in range(2))
    state = torch.get_rng_state()
    np.testing.assert_array_equal(encoded(first), encoded(second))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.identity()["weights"] == "random"
    assert "sha256" not in first.identity()


def test_the_identity_follows_weights_and_settings(tmp_path):
    written(tmp_path / "a")
    written(tmp_path / "b", seed=4)
    written(tmp_path / "c", crop_pct=1.0)
    said = {canonical(backend(str(tmp_path / name)).identity()) for name in "abc"}
    assert len(said) == 3
    (tmp_path / "moved").mkdir()
    (tmp_path / "a").rename(tmp_path / "moved" / "a")
    assert canonical(backend(str(tmp_path / "moved" / "a")).identity()) in said


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("resnet5O", "the nearest is resnet50"),
        ("resnet50.a1_in2k", "the nearest is resnet50.a1_in1k"),
        ("timm/resnet5O", "the nearest is resnet50"),
    ],
)
def test_unknown_names_tell_the_nearest(name, told):
    with pytest.raises(UsageError, match=told):
        backend(name).identity()


def broken(folder, how):
    """Spoil a written model; return the start of what is said of it."""
    weights = folder / "model.safetensors"
    state = timm.create_model("test_resnet", num_classes=7).state_dict()
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "extra key":
        save_file({**state, "more": torch.zeros(2)}, weights)
    elif how == "other size":
        save_file({**state, "fc.weight": torch.zeros(7, 3)}, weights)
    elif how == "other architecture":
        save_file(timm.create_model("test_vit", num_classes=7).state_dict(), weights)
    else:
        weights.unlink()
        if how == "pickle":
            torch.save({"fc.weight": Payload(folder / "ran")}, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("truncated", "no whole .safetensors"),
        ("extra key", "unexpected key 'more'"),
        ("other size", "'fc.weight' has shape [7, 3]"),
        ("other architecture", "is missing (and"),
        ("missing", "no weights there"),
        ("pickle", "holds Python objects"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path, how, told):
    written(tmp_path)
    broken(tmp_path, how)
    with pytest.raises(UsageError) as caught:
        backend(str(tmp_path)).load()
    assert str(tmp_path) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_what_else_is_refused(tmp_path):
    written(tmp_path)
    with pytest.raises(UsageError, match="pinned weights"):
        backend(str(tmp_path), sha256="0" * 64).identity()
    (tmp_path / "config.json").write_text('{"architecture": "no_such_net", "pretrained_cfg": {}}')
    with pytest.raises(UsageError, match="timm cannot build"):
        backend(str(tmp_path)).load()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).unlink()
    with pytest.raises(UsageError, match=r"config\.json and model\.safetensors are missing"):
        backend(str(tmp_path)).identity()
    with pytest.raises(UsageError, match="not 'text'"):
        TimmModel("text", False, Surroundings("cpu", Path()), model=NAME)
