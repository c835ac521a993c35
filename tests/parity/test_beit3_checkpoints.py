"""Checkpoints of BEiT-3 in the forms they come in, and those that are none."""

from dataclasses import replace

import pytest
import torch
from tiny_beit3 import TINY, batch, image, random_with_content, text
from torch.nn.functional import interpolate

from mmbench.encoders.beit3 import load_beit3, random_beit3
from mmbench.encoders.beit3.config import IMAGE_POSITIONS
from mmbench.errors import UsageError


@pytest.fixture
def tiny():
    return random_with_content(TINY)


def test_the_same_resolution_keeps_every_tensor(tiny):
    for size in (None, 48):
        state = load_beit3(tiny.state_dict(), image_size=size).state_dict()
        assert all(torch.equal(state[key], value) for key, value in tiny.state_dict().items())


@pytest.mark.parametrize("size", [32, 80])
def test_another_resolution_fits_the_patches_alone(tiny, size):
    table, grid = tiny.state_dict()[IMAGE_POSITIONS], size // 16
    model = load_beit3(tiny.state_dict(), image_size=size)
    found = model.state_dict()[IMAGE_POSITIONS]
    plane = table[3:].T.reshape(1, 128, 3, 3)
    plane = interpolate(plane, size=(grid, grid), mode="bicubic", align_corners=False)
    assert found.shape == (3 + grid**2, 128)
    assert torch.equal(found[:3], table[:3])
    torch.testing.assert_close(found[3:], plane.reshape(128, grid**2).T)
    assert model.config == replace(TINY, image_size=size)
    assert image(model, batch(image_size=size))["image_feats"].shape == (3, grid**2 + 1, 128)


@pytest.mark.parametrize("wrapper", ["module", "model", None])
def test_wrappers_are_taken_off(tiny, wrapper):
    inner = tiny.state_dict()
    if wrapper == "module":
        inner = {f"module.{key}": value for key, value in inner.items()}
    model = load_beit3({wrapper: inner, "epoch": 3} if wrapper else inner)
    assert torch.equal(text(model, batch())["cls_feats"], text(tiny, batch())["cls_feats"])
    assert model.config == TINY
    assert not model.training


def test_the_tensors_are_copied_and_made_float32(tiny):
    state = {key: value.bfloat16() for key, value in tiny.state_dict().items()}
    model = load_beit3(state)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    again = load_beit3(model.state_dict())
    with torch.no_grad():
        again.vision_head.weight += 1
        again.beit3.encoder.embed_positions.A.weight += 1
    for key in ("vision_head.weight", IMAGE_POSITIONS):
        assert not torch.equal(again.state_dict()[key], model.state_dict()[key])


@pytest.mark.parametrize("key", list(random_beit3(replace(TINY, depth=1), 0).state_dict()))
def test_no_key_may_be_missing(key):
    state = random_beit3(replace(TINY, depth=1), 0).state_dict()
    del state[key]
    with pytest.raises(UsageError, match=key.replace(".", r"\.")) as error:
        load_beit3(state)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("vision_head.weigth", torch.zeros(1), "unexpected key 'vision_head.weigth', the nearest"),
        ("beit3.encoder.layers.9.ffn.A.fc1.bias", torch.zeros(512), "layers.9.ffn.A.fc1.bias'"),
        ("mlm_head.weight", torch.zeros(3, 3), "unexpected key 'mlm_head.weight'"),
        ("beit3.encoder.layer_norm.A.weight", torch.zeros(9), "layer_norm.A.weight' has shape [9]"),
        ("beit3.vision_embed.cls_token", torch.zeros(128), "cls_token' has shape [128]"),
        ("beit3.text_embed.weight", torch.zeros(100), "has shape [100], not 2 axes"),
        ("beit3.text_embed.weight", torch.zeros(100, 96), "dimension 96, no multiple of 64"),
        (IMAGE_POSITIONS, torch.zeros(13, 128), "13 rows, which is no square"),
        ("logit_scale", 2.6, "'logit_scale' is a float, not a tensor"),
    ],
)
def test_extra_keys_and_wrong_shapes_are_refused_by_name(tiny, key, value, told):
    with pytest.raises(UsageError) as error:
        load_beit3({**tiny.state_dict(), key: value})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_fusion_checkpoint_says_what_it_lacks(tiny):
    heads = ("vision_head.weight", "language_head.weight", "logit_scale")
    state = {key: value for key, value in tiny.state_dict().items() if key not in heads}
    with pytest.raises(UsageError, match="no BEiT-3 retrieval or itc .*'logit_scale' is missing"):
        load_beit3(state)


@pytest.mark.parametrize("size", [40, 0, -16])
def test_sizes_that_do_not_fit_are_refused(tiny, size):
    with pytest.raises(UsageError, match="multiple of the patch, 16"):
        load_beit3(tiny.state_dict(), image_size=size)


def test_a_checkpoint_of_another_architecture_is_refused():
    layer = torch.nn.TransformerEncoderLayer(8, 2)
    for state in (layer.state_dict(), {}):
        with pytest.raises(UsageError, match="no BEiT-3 checkpoint: key 'beit3.text_embed.weight'"):
            load_beit3(state)
