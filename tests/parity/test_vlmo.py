"""VLMo against outputs of the official modules (../shared/golden)."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_vlmo import VARIANTS, config_with, run

from mmbench.encoders.squash import Squash, centred
from mmbench.encoders.vlmo import SIZES, VLMo, load_vlmo, random_vlmo
from mmbench.encoders.vlmo.positions import image_index, text_index
from mmbench.encoders.vlmo.shapes import config_of

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
PASSES = ("infer_text_ft", "infer_image_ft", "infer_text", "infer_image", "infer_vl")
UNIT = ("cls_feats", "cls_vlffn_feats")
FORMS = [(size, form) for size in SIZES for form in ("pretrain_224", "irtr_384")]


def golden(name):
    path = GOLDEN / name
    if not path.is_file():
        pytest.skip(f"the reference outputs (../shared/golden/{name}) are not on this machine")
    if path.suffix == ".json":
        return json.loads(path.read_text())
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def under(arrays, prefix):
    return {
        key.removeprefix(prefix): torch.from_numpy(value)
        for key, value in arrays.items()
        if key.startswith(prefix)
    }


def official(variant):
    """Return the reference's arrays and our model with its weights."""
    arrays = golden(f"vlmo_tiny_{variant}.npz")
    model = load_vlmo(under(arrays, "state_dict/"), heads=4, initial_text_length=20)
    return arrays, model


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", PASSES)
def test_every_pass_gives_what_the_official_modules_give(variant, name):
    arrays, model = official(variant)
    wanted = under(arrays, f"output/{name}/")
    found = run(model, name, under(arrays, "input/"))
    if name == "infer_vl":
        with torch.no_grad():
            found["itm_logits"] = model.itm_score(found["cls_feats"])
            found["mlm_logits"] = model.mlm_score(found["text_feats"])
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        unit = key in UNIT and name != "infer_vl"
        atol, rtol = (1e-6, 0) if unit else (1e-5, 1e-4)
        torch.testing.assert_close(found[key], value, atol=atol, rtol=rtol, msg=f"{name}/{key}")


def test_the_indices_are_the_official_ones():
    arrays, model = official("relpos")
    wanted = under(arrays, "index/")
    assert torch.equal(image_index(2), wanted["relative_position_index"])
    assert torch.equal(text_index(model.config), wanted["text_relative_position_index"])
    assert torch.equal(model.joint_index, wanted["text_imag_relative_position_index"])


@pytest.mark.parametrize("hint", [{"initial_text_length": 20}, {}])
def test_the_shapes_tell_the_configuration(hint):
    arrays = golden("vlmo_tiny_relpos.npz")
    said = json.loads(str(arrays["meta/json"]))
    config = config_of(under(arrays, "state_dict/"), **hint)
    assert (config.dim, config.depth, config.heads) == (32, 3, 4)
    assert (config.image_size, config.vl_start) == (32, said["vlffn_start_layer_index"])
    assert config.initial_text_length == said["max_text_len_of_initckpt"]


@pytest.mark.parametrize(
    "case", ["relpos_64_to_96", "relpos_96_to_64", "relpos_224_to_384", "abspos_224_to_384"]
)
def test_another_resolution_is_loaded_as_the_official_code_does(case):
    arrays = golden("vlmo_tiny_interp.npz")
    said = json.loads(str(arrays["meta/json"]))["cases"][case]
    source, wanted = under(arrays, f"{case}/src/"), under(arrays, f"{case}/dst/")
    config = replace(
        config_with(relative="relpos" in case),
        **{"dim": 8, "depth": 1, "heads": 2, "vl_start": 0},
        image_size=said["src_image"],
        text_length=said["max_text_len_src"],
        initial_text_length=said["max_text_len_of_initckpt"],
    )
    model = load_vlmo(
        {**random_vlmo(config, 0).state_dict(), **source},
        heads=2,
        image_size=said["dst_image"],
        text_length=said["max_text_len_dst"],
        initial_text_length=said["max_text_len_of_initckpt"],
    )
    for key, value in wanted.items():
        torch.testing.assert_close(model.state_dict()[key], value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("case", ["down", "up"])
def test_the_pixels_are_the_official_ones_bit_for_bit(case):
    arrays = golden("vlmo_tiny_preprocess.npz")
    wanted = arrays[f"{case}/pixel_values"]
    squashed = Squash(wanted.shape[-1])(Image.fromarray(arrays[f"{case}/image_uint8"]))
    assert squashed.dtype == np.uint8
    assert (centred(torch.from_numpy(squashed)[None])[0].numpy() == wanted).all()


@pytest.mark.parametrize(("size", "form"), FORMS)
def test_the_keys_and_shapes_are_those_of_the_checkpoints(size, form):
    said = golden("vlmo_state_dict_keys.json")[f"vlmo_{size}_patch16/{form}"]
    shapes = {key: tuple(shape) for key, (shape, _) in said["keys"].items()}
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    model = load_vlmo(state)

    del shapes["text_embeddings.position_ids"]
    assert {key: tuple(value.shape) for key, value in model.state_dict().items()} == shapes
    assert sum(parameter.numel() for parameter in model.parameters()) == said["n_params"]
    irtr = {"image_size": 384, "tasks": frozenset({"itc"})} if form == "irtr_384" else {}
    assert model.config == replace(SIZES[size], **irtr)


def test_a_model_of_either_kind_can_be_built_without_its_weights():
    with torch.device("meta"):
        models = [VLMo(config) for config in SIZES.values()]
    n_parameters = [sum(p.numel() for p in model.parameters()) / 1e6 for model in models]
    assert [round(n) for n in n_parameters] == [202, 185, 599]
