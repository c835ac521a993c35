"""Checkpoints of VLMo in the forms they come in, and those that are none."""

from dataclasses import replace

import pytest
import torch
from tiny_vlmo import VARIANTS, batch, config_with, random_with_content, run

from mmbench.encoders.vlmo import load_vlmo, random_vlmo
from mmbench.errors import UsageError


@pytest.fixture(params=VARIANTS)
def tiny(request):
    return random_with_content(config_with(request.param == "relpos"))


@pytest.mark.parametrize("wrapper", ["state_dict", "module", "model", None])
def test_wrappers_are_taken_off_and_the_derived_buffers_dropped(tiny, wrapper):
    inner = {**tiny.state_dict(), "text_embeddings.position_ids": torch.arange(40)[None]}
    if wrapper == "module":
        inner = {f"module.{key}": value for key, value in inner.items()}
    model = load_vlmo({wrapper: inner, "epoch": 3} if wrapper else inner, heads=4)
    same, given = run(model, "infer_vl", batch()), run(tiny, "infer_vl", batch())
    assert all(torch.equal(same[key], given[key]) for key in given)
    assert model.config == tiny.config


def test_the_tensors_are_copied_and_made_float32(tiny):
    state = {key: value.bfloat16() for key, value in tiny.state_dict().items()}
    model = load_vlmo(state, heads=4)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    again = load_vlmo(model.state_dict(), heads=4)
    with torch.no_grad():
        again.transformer.cls_token += 1
    assert not torch.equal(again.transformer.cls_token, model.transformer.cls_token)


@pytest.mark.parametrize("key", list(random_vlmo(config_with(True), 0).state_dict()))
def test_no_key_may_be_missing(key):
    state = random_vlmo(config_with(True), 0).state_dict()
    del state[key]
    with pytest.raises(UsageError, match=key.replace(".", r"\.")) as error:
        load_vlmo(state, heads=4)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("transformer.blocks.0.mlp_vl.fc1.weigth", torch.zeros(1), "fc1.weigth"),
        ("transformer.blocks.9.norm1.weight", torch.zeros(32), "unexpected key 'transformer.blo"),
        ("visual.proj", torch.zeros(3, 3), "unexpected key 'visual.proj'"),
        ("transformer.norm.weight", torch.zeros(31), "'transformer.norm.weight' has shape [31]"),
        ("logit_scale", torch.zeros(1), "'logit_scale' has shape [1]"),
        ("transformer.cls_token", torch.zeros(32), "'transformer.cls_token' has shape [32]"),
        ("pooler.dense.bias", [0.0], "'pooler.dense.bias' is a list, not a tensor"),
    ],
)
def test_extra_keys_and_wrong_shapes_are_refused_by_name(tiny, key, value, told):
    with pytest.raises(UsageError) as error:
        load_vlmo({**tiny.state_dict(), key: value}, heads=4)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"heads": 5}, "heads"),
        ({"heads": 4, "image_size": 40}, "multiple of the patch, 16"),
        ({"heads": 4, "text_length": 0}, "1 token or more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(tiny, options, told):
    with pytest.raises(UsageError, match=told):
        load_vlmo(tiny.state_dict(), **options)


def test_four_patches_are_too_few_for_a_cubic():
    state = random_vlmo(config_with(relative=True), 0).state_dict()
    with pytest.raises(UsageError, match="2 × 2 patches are too few to fit 3 × 3"):
        load_vlmo(state, image_size=48)


def test_heads_that_nothing_tells_are_asked_for():
    state = random_vlmo(config_with(relative=False), 0).state_dict()
    with pytest.raises(UsageError, match="give heads=N"):
        load_vlmo(state)


def test_a_stage_2_checkpoint_says_what_it_lacks():
    config = replace(config_with(True), vl_start=3, text_length=196, tasks=frozenset({"mlm"}))
    model = load_vlmo(random_vlmo(config, 0).state_dict())
    assert model.config == replace(config, text_length=40)
    for name, told in (
        ("infer_vl", "no vision-language experts"),
        ("infer_text_ft", "pretrained, coco or f30k"),
        ("infer_image", "needs a pretrained checkpoint"),
    ):
        with pytest.raises(UsageError, match=told):
            run(model, name, batch())


def test_vqa_and_nlvr2_checkpoints_are_loaded():
    for tasks, types in (({"vqa"}, 2), ({"nlvr2"}, 3)):
        config = replace(config_with(True), tasks=frozenset(tasks), modality_types=types)
        model = load_vlmo(random_with_content(config).state_dict())
        assert model.config == config
        assert run(model, "infer_vl", batch())["cls_feats"].shape == (3, 32)


def test_a_stored_index_tells_the_grid():
    config = replace(config_with(True), image_size=64, initial_text_length=60)
    stored = {"relative_position_index": torch.zeros(17, 17)}
    state = {**random_vlmo(config, 0).state_dict(), **stored}
    assert load_vlmo(state).config == config


def test_a_checkpoint_of_another_architecture_is_refused():
    layer = torch.nn.TransformerEncoderLayer(8, 2)
    with pytest.raises(UsageError, match=r"no VLMo checkpoint: key 'transformer\.cls_token'"):
        load_vlmo(layer.state_dict())
