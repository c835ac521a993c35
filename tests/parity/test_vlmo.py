"""VLMo against outputs of the official modules (../shared/golden), and what must hold without."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.encoders.vlmo import SIZES, VLMo, load_vlmo, random_vlmo, read_checkpoint
from mmbench.encoders.vlmo.pixels import pixels
from mmbench.encoders.vlmo.positions import image_index, resized_positions, text_index
from mmbench.encoders.vlmo.shapes import config_of
from mmbench.errors import UsageError

GOLDEN = Path(__file__).parents[3] / "shared" / "golden"
VARIANTS = ("relpos", "abspos")
PASSES = ("infer_text_ft", "infer_image_ft", "infer_text", "infer_image", "infer_vl")
UNIT = ("cls_feats", "cls_vlffn_feats")
FORMS = [(size, form) for size in SIZES for form in ("pretrain_224", "irtr_384")]
TINY = {"dim": 32, "depth": 3, "heads": 4, "vl_start": 1, "image_size": 32, "vocabulary": 100}


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


def run(model, name, given):
    keys = [] if "image" in name else ["text_ids", "text_masks"]
    keys += [] if "text" in name else ["pixel_values"]
    with torch.no_grad():
        return getattr(model, "infer" if name == "infer_vl" else name)(*map(given.get, keys))


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
    found = pixels(Image.fromarray(arrays[f"{case}/image_uint8"]), wanted.shape[-1])
    assert (found.numpy() == wanted).all()


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


# What follows needs no reference.


def config_with(relative):
    return replace(SIZES["base" if relative else "base_plus"], **TINY)


@pytest.fixture(params=VARIANTS)
def tiny(request):
    return random_with_content(config_with(request.param == "relpos"))


def random_with_content(config):
    """Return a model none of whose terms is zero or one."""
    model = random_vlmo(config, 1)
    noise = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return model


def batch(n=3, length=12):
    noise = torch.Generator().manual_seed(3)
    lengths = torch.tensor([[length], [7], [3]])[:n]
    masks = (torch.arange(length) < lengths).long()  # (n, length)
    return {
        "text_ids": torch.randint(3, 100, (n, length), generator=noise) * masks,
        "text_masks": masks,
        "pixel_values": torch.randn(n, 3, 32, 32, generator=noise),
    }


@pytest.mark.parametrize("name", ["infer_text_ft", "infer_text", "infer_vl"])
def test_a_trimmed_text_gives_what_a_padded_one_gives(tiny, name):
    given = batch()
    whole = run(tiny, name, given)
    for row, length in enumerate((12, 7, 3)):
        one = {key: value[row : row + 1] for key, value in given.items()}
        cut = {**one, **{key: one[key][:, :length] for key in ("text_ids", "text_masks")}}
        for key, value in run(tiny, name, cut).items():
            same = whole[key][row : row + 1]
            torch.testing.assert_close(value, same[:, :length] if "text_" in key else same)


def test_image_features_do_not_depend_on_the_batch(tiny):
    given = batch()
    together = run(tiny, "infer_image_ft", given)["cls_feats"]
    alone = [
        run(tiny, "infer_image_ft", {"pixel_values": picture[None]})["cls_feats"]
        for picture in given["pixel_values"]
    ]
    torch.testing.assert_close(torch.cat(alone), together, atol=1e-6, rtol=0)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_a_masked_text_is_not_seen_by_the_joint_pass(tiny):
    given = batch()
    hidden = {**given, "text_masks": torch.zeros_like(given["text_masks"])}
    other = {**hidden, "text_ids": given["text_ids"].roll(1, 1)}
    feats = [run(tiny, "infer_vl", one)["image_feats"] for one in (given, hidden, other)]
    torch.testing.assert_close(feats[1], feats[2], atol=1e-6, rtol=0)
    assert not torch.allclose(feats[0], feats[1], atol=1e-3)


def test_only_absolute_models_add_the_text_positions(tiny):
    before = run(tiny, "infer_text_ft", batch())["cls_feats"]
    with torch.no_grad():
        tiny.text_embeddings.position_embeddings.weight += torch.arange(32.0)
    after = run(tiny, "infer_text_ft", batch())["cls_feats"]
    assert torch.equal(before, after) == tiny.config.relative


def test_half_precision_is_close(tiny):
    given = batch()
    exact = run(tiny, "infer_image_ft", given)["cls_feats"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = run(tiny, "infer_image_ft", given)["cls_feats"]
    assert torch.cosine_similarity(exact, rough.float()).min() > 0.99


def test_a_smaller_picture_or_a_longer_text_is_refused(tiny):
    with pytest.raises(UsageError, match="another image_size"):
        tiny.infer_image_ft(torch.zeros(1, 3, 48, 48))
    with pytest.raises(UsageError, match="41 tokens: this VLMo takes 40"):
        tiny.infer_text_ft(torch.ones(1, 41, dtype=int), torch.ones(1, 41, dtype=int))


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


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_file_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"w": Payload(touched)}, protocol=2))
    torch.save({"model": Payload(touched)}, tmp_path / "zip.pt")
    for name in ("plain.pt", "zip.pt"):
        with pytest.raises(UsageError, match=f"{name}: no file of tensors only") as error:
            read_checkpoint(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not touched.exists()
    pickle.loads((tmp_path / "plain.pt").read_bytes())  # the payload is live: here it does run
    assert touched.exists()


def test_truncated_and_foreign_files_are_refused(tiny, tmp_path):
    path = tmp_path / "vlmo.pt"
    torch.save(tiny.state_dict(), path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="vlmo.pt") as error:
            read_checkpoint(path)
        assert "\n" not in str(error.value)
    torch.save(torch.zeros(2), path)
    with pytest.raises(UsageError, match="holds a Tensor, not a state dict"):
        read_checkpoint(path)
    with pytest.raises(UsageError, match="missing.pt"):
        read_checkpoint(tmp_path / "missing.pt")


def test_a_resized_picture_keeps_its_class_token_and_its_constant():
    positions = torch.cat([torch.full((1, 1, 4), 7.0), torch.full((1, 9, 4), 2.0)], 1)
    resized = resized_positions(positions, 5)  # (1, 26, 4)
    torch.testing.assert_close(resized[:, 1:], torch.full((1, 25, 4), 2.0))
    assert torch.equal(resized[:, :1], positions[:, :1])


def test_a_model_of_either_kind_can_be_built_without_its_weights():
    with torch.device("meta"):
        models = [VLMo(config) for config in SIZES.values()]
    n_parameters = [sum(p.numel() for p in model.parameters()) / 1e6 for model in models]
    assert [round(n) for n in n_parameters] == [202, 185, 599]
