"""What is no model of open_clip, or not the one that was asked for: one line, nothing run."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from tiny import Payload
from tiny_openclip import CONFIG, TEXT, TINY, VISION, backend, loaded, network, open_clip, save

from mmbench.encoder_spec import encoder_spec
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)


def refused(path, told, modality="image"):
    with pytest.raises(UsageError) as caught:
        loaded(modality, weights=path)
    said = str(caught.value)
    assert told in said
    assert str(path) in said
    assert "\n" not in said


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_files_that_hold_other_weights(tmp_path, suffix):
    state = network().state_dict()
    cases = {
        "another architecture": torch.nn.TransformerEncoderLayer(8, 2).state_dict(),
        "nothing": {},
        "an unexpected key 'extra'": {**state, "extra": torch.zeros(1)},
        "a missing key": {key: value for key, value in state.items() if key != "visual.proj"},
        "wider towers": network(text_cfg={**TEXT, "width": 64}).state_dict(),
        "more pixels": network(vision_cfg={**VISION, "image_size": 64}).state_dict(),
        "fewer tokens": network(text_cfg={**TEXT, "context_length": 32}).state_dict(),
        "more layers": network(vision_cfg={**VISION, "layers": 2}).state_dict(),
    }
    told = {
        "another architecture": f"no state dict of {TINY}: key 'positional_embedding' is missing",
        "nothing": "is missing",
        "an unexpected key 'extra'": "unexpected key 'extra'",
        "a missing key": "key 'visual.proj' is missing",
        "wider towers": f"has shape [77, 64], {TINY} has [77, 32] there",
        "more pixels": f"'visual.positional_embedding' has shape [65, 32], {TINY} has [17, 32]",
        "fewer tokens": f"'positional_embedding' has shape [32, 32], {TINY} has [77, 32] there",
        "more layers": "unexpected key 'visual.transformer.resblocks.1.",
    }
    path = tmp_path / f"weights{suffix}"
    for case, state in cases.items():
        held = {key: value.contiguous() for key, value in state.items()}
        save_file(held, path) if suffix == ".safetensors" else torch.save(held, path)
        refused(path, told[case])


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
def test_files_that_are_cut_off_or_no_weights(tmp_path, suffix):
    path = save(network(), tmp_path / f"weights{suffix}")
    if suffix != ".safetensors":
        torch.save(network().state_dict(), path)
    whole = path.read_bytes()
    for held in (whole[: len(whole) // 2], b"", b"<html>not found</html>"):
        path.write_bytes(held)
        refused(path, "fetch it again")
    if suffix != ".safetensors":
        torch.save({"state_dict": {"epoch": 3}}, path)
        refused(path, "'epoch' is a int")


def test_code_in_a_file_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    plain, zipped = tmp_path / "plain.pt", tmp_path / "zipped.bin"
    plain.write_bytes(pickle.dumps({"weight": Payload(touched)}, protocol=2))
    torch.save({"state_dict": Payload(touched)}, zipped)
    for path in (plain, zipped):
        refused(path, "holds Python objects beside tensors")
    assert not touched.exists()
    pickle.loads(plain.read_bytes())  # the payload is live: here it does run
    assert touched.exists()


def test_weights_that_are_not_the_pinned_ones(tmp_path):
    path = save(network(), tmp_path / "weights.safetensors")
    found = file_sha256(path)
    assert backend("image", weights=path, sha256=found).identity()["sha256"] == found
    with pytest.raises(UsageError, match=f"sha256 begins with {found[:12]}.* with 000000000000"):
        backend("image", weights=path, sha256="0" * 64).identity()


def test_a_place_without_weights(tmp_path):
    with pytest.raises(UsageError, match="--weights .*absent: there is nothing"):
        backend("image", weights=tmp_path / "absent").identity()
    with pytest.raises(UsageError, match="holds no open_clip_model.safetensors or open_clip_py"):
        backend("image", weights=tmp_path).identity()
    with pytest.raises(UsageError, match="holds no open_clip_config.json: bring the whole"):
        backend("image", "hf-hub:org/shop", weights=tmp_path).identity()


@pytest.mark.parametrize(
    "held",
    ['{"model_cfg"', "{}", "[]", '{"model_cfg": {"vision_cfg": {}}}',
     '{"model_cfg": {"vision_cfg": {}, "text_cfg": 3}}'],
)  # fmt: skip
def test_a_repository_whose_configuration_is_none(tmp_path, held):
    (tmp_path / "open_clip_config.json").write_text(held)
    with pytest.raises(UsageError, match="open_clip_config.json: no configuration") as caught:
        backend("image", "hf-hub:org/shop", weights=tmp_path).identity()
    assert "\n" not in str(caught.value)


def test_a_configuration_that_open_clip_cannot_build(tmp_path):
    config = {**CONFIG, "vision_cfg": {**VISION, "wings": 2}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    with pytest.raises(UsageError, match="builds no such model: .*wings"):
        loaded("image", "hf-hub:org/shop", random=True, weights=tmp_path)


@pytest.mark.parametrize(
    ("modality", "model", "told"),
    [
        ("audio", "ViT-B-32", "encodes image and text, not 'audio'"),
        ("image", "ViT-B32", "no model 'ViT-B32': the nearest is ViT-B-32"),
        ("image", "ViT-B-32/opena", "no weights 'opena' of ViT-B-32: the nearest is openai"),
        ("image", "ViT-B-32/", "no weights '' of ViT-B-32"),
        (
            "image",
            "ViT-B-32-quickgelu/laion2b_s34b_b79k",
            "no weights 'laion2b_s34b_b79k' of ViT-B-32-quickgelu: ViT-B-32/laion2b_s34b_b79k",
        ),
        ("image", "ViT-B-32@main", "is read from a file: leave @main out"),
        ("image", "hf-hub:shop", "'shop' is no repository of the hub: write hf-hub:ORG/REPO"),
        ("image", "hf-hub:../..", "is no repository of the hub"),
    ],
)
def test_names_that_mean_nothing(modality, model, told):
    with pytest.raises(UsageError) as caught:
        backend(modality, model)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "width"), [("marqo-ecommerce", 768), ("marqo-ecommerce:large", 1024)]
)
def test_a_named_model_of_the_hub_is_not_another_one(tmp_path, name, width):
    options = dict(encoder_spec(name).modalities["image"])
    assert options.pop("backend") == "openclip"
    for found in (16, width):
        config = {"model_cfg": {**CONFIG, "embed_dim": found}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        save(network(), tmp_path / "open_clip_model.safetensors")
        made = backend("image", weights=tmp_path, **options)
        if found == width:
            assert made.identity()["weights"] == "pretrained"
            continue
        with pytest.raises(UsageError, match=f"embed_dim is 16, .* model is {width}") as caught:
            made.identity()
        assert str(tmp_path) in str(caught.value)
        assert "\n" not in str(caught.value)
