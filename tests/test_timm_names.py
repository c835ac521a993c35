"""Names of timm's models: which repository, file or folder they mean, and which they refuse."""

import json

import numpy as np
import pytest
from huggingface_hub import constants
from tiny_timm import NAME, SETTINGS, backend, encoded, timm, written
from tiny_transformers import in_cache

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders.cnn import timm_source
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

CLIP = "vit_base_patch16_clip_quickgelu_224.openai"
CLIPS_HOME = "timm/vit_base_patch16_clip_224.openai"
IJEPA = ("vit_huge_patch14_gap_224.in1k_ijepa", "/IN1K-vit.h.14-300e.pth.tar")
COMMIT = "c" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the hub that holds the tiny model, on a machine that is off line."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = in_cache(tmp_path / "hub", f"timm/{NAME}", COMMIT)
    written(folder)
    return folder


@pytest.mark.parametrize(
    "name", ["test_resnet", NAME, f"timm/{NAME}", f"{NAME}@main", f"timm/{NAME}@{COMMIT}"]
)
def test_names_of_the_hub(cache, name):
    options = dict(encoder_spec(f"cnn:{name}").modalities["image"])
    assert options.pop("backend") == "timm"
    said = backend(**options).identity()
    assert said["revision"] == COMMIT
    assert said["sha256"] == file_sha256(cache / "model.safetensors")
    expected = encoded(backend(str(cache)))
    np.testing.assert_array_equal(encoded(backend(**options)), expected)


def test_a_model_of_another_owner_and_one_that_is_not_here(cache, tmp_path):
    written(in_cache(tmp_path / "hub", "someone/tiny", COMMIT))
    assert backend("someone/tiny").identity()["revision"] == COMMIT
    with pytest.raises(UsageError, match="hf download timm/test_vit.r160_in1k --local-dir FOLDER"):
        backend("test_vit").identity()


def test_names_whose_weights_lie_elsewhere(cache, tmp_path):
    for name, repo in (("rdnet_tiny", "naver-ai/rdnet_tiny.nv_in1k"), (CLIP, CLIPS_HOME)):
        with pytest.raises(UsageError, match=f"hf download {repo} .* FOLDER/image"):
            backend(name).identity()
        (in_cache(tmp_path / "hub", repo, COMMIT) / "pytorch_model.bin").write_bytes(b"weights")
        said = backend(name).identity()
        assert (said["model"].partition(".")[0], said["revision"]) == (
            name.partition(".")[0],
            COMMIT,
        )
    for name, address in (("gcvit_tiny", "/gcvit_tiny_224_nvidia-ac783954.pth"), IJEPA):
        with pytest.raises(UsageError, match=f"fetch https://.*{address} and add --weights FILE"):
            backend(name).identity()
    with pytest.raises(UsageError, match="timm knows no weights of 'botnet50ts_256.untrained'"):
        backend("botnet50ts_256").identity()


def test_every_published_name_is_found_on_the_hub_or_told_its_address():
    told = []
    for name in timm.list_pretrained():
        try:
            assert timm_source._repository(name).count("/") == 1
        except UsageError as error:
            told.append(str(error))
    assert told
    assert all(": fetch https://" in line and "\n" not in line for line in told)


@pytest.mark.parametrize(
    ("name", "found", "tag"),
    [
        ("resnet34", "resnet18", ""),
        ("timm/resnet34", "resnet18", "a1_in1k"),
        ("resnet34.a1_in1k", "resnet34", "tv_in1k"),
        (CLIP, "vit_base_patch32_clip_224", "openai"),
        (CLIP, "vit_base_patch16_clip_224", "laion2b"),
    ],
)
def test_a_folder_of_another_model_is_refused(tmp_path, name, found, tag):
    written(tmp_path)
    config = {"architecture": found, "pretrained_cfg": {**SETTINGS, "tag": tag}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError) as caught:
        backend(name, tmp_path).identity()
    line = str(caught.value)
    other = f"{found}.{tag}" if tag else found
    assert line.startswith(f"{tmp_path / 'config.json'}: it is of '{other}', not of '{name}'")
    assert "\n" not in line


def test_a_folder_of_the_named_model_is_taken(tmp_path):
    written(tmp_path, tag="own")
    for name in ("test_resnet", "timm/test_resnet", "someone/tiny"):
        np.testing.assert_array_equal(
            encoded(backend(name, tmp_path)), encoded(backend(str(tmp_path)))
        )
    # One repository serves both activations: its own settings say the other one.
    config = {"architecture": "vit_base_patch16_clip_224", "pretrained_cfg": SETTINGS}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert backend(CLIP, tmp_path)._source.builds == CLIP
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(UsageError, match=r"config\.json: no settings of a model of timm"):
        backend("test_resnet", tmp_path).identity()
