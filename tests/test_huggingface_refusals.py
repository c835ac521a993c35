"""What a model of transformers is refused for: one line each, that names file, key and remedy."""

import pickle
import shutil
import warnings
from pathlib import Path

import pytest
import tiny_transformers as tiny
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny_transformers import tf

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders.base import Surroundings
from mmbench.encoders.huggingface import HuggingFace
from mmbench.errors import UsageError

WEIGHTS = "model.safetensors"
NORM = "vision_model.post_layernorm.weight"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder that holds a whole CLIP."""
    folder = tmp_path_factory.mktemp("good") / "clip"
    tiny.make("clip", folder)
    return folder


@pytest.fixture
def folder(good, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(good, tmp_path / "clip")


def built(folder, modality="image", random_weights=False, **options):
    around = Surroundings("cpu", Path("no-such-models"))
    return HuggingFace(modality, random_weights, around, model=str(folder), **options)


def refused(work, *told):
    """Return the one line of a refusal, which holds some words."""
    with pytest.raises(UsageError) as caught:
        work()
    line = str(caught.value)
    assert "\n" not in line
    assert "See https" not in line
    for word in told:
        assert str(word) in line
    return line


def change(folder, edit):
    """Write the weights of a folder anew, with some tensors changed."""
    held = load_file(folder / WEIGHTS)
    edit(held)
    save_file(held, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_missing_key_is_named_and_not_drawn_at_random(folder, capfd):
    change(folder, lambda held: held.pop(NORM))
    refused(built(folder).load, folder / WEIGHTS, "CLIPModel", f"key '{NORM}' is missing")
    assert capfd.readouterr().err == ""  # no table and no progress bar beside the line


def test_extra_keys_are_named_but_for_the_positions_of_old_files(folder):
    old = {"text_model.embeddings.position_ids": torch.arange(16)[None]}
    change(folder, lambda held: held.update(old))
    built(folder).load()
    extra = {"classifier.weight": torch.zeros(2), "classifier.bias": torch.zeros(2)}
    change(folder, lambda held: held.update(extra))
    refused(built(folder).load, "unexpected key 'classifier.bias' (and 1 more)")


def test_another_size_is_told_with_both_shapes(folder):
    change(folder, lambda held: held.update({NORM: held[NORM][:16].clone()}))
    refused(built(folder).load, f"'{NORM}' has shape [16], the model has [32] there")


def test_a_checkpoint_of_another_architecture(folder, tmp_path):
    tiny.make("siglip", tmp_path / "siglip")
    shutil.copy(tmp_path / "siglip" / WEIGHTS, folder / WEIGHTS)
    refused(built(folder).load, folder / WEIGHTS, "is missing (and", "unexpected key 'logit_bias'")


@pytest.mark.parametrize("left", [0, 5, 4000, 40_000])
def test_a_truncated_file(folder, left):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:left])
    refused(built(folder).load, path, "fetch the file again")


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_with_code_in_it_does_not_run(folder, tmp_path):
    touched = tmp_path / "touched"
    pickle.loads(pickle.dumps(Payload(touched)))
    assert touched.exists()  # so it would, if it ran
    touched.unlink()

    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    path = folder / "pytorch_model.bin"
    torch.save(state, path)
    built(folder).load()
    torch.save({**state, "payload": Payload(touched)}, path)
    refused(built(folder).load, path, "holds Python objects beside tensors", "as .safetensors")
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps(Payload(touched), protocol=protocol))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no warning of torch comes before the line
            refused(built(folder).load, path, "holds Python objects beside tensors")
    path.write_bytes(b"<html>")
    refused(built(folder).load, path, "no file that torch can read")
    assert not touched.exists()


@pytest.mark.parametrize("modality", ["identity", "load"])
def test_without_tokenizer_texts_are_refused_and_pictures_are_not(folder, modality):
    (folder / "tokenizer.json").unlink()
    backend = built(folder, "text")
    refused(getattr(backend, modality), folder, "tokenizer", "tokenizer.json or vocab.json")
    built(folder, "image").load()


def test_a_tokenizer_of_another_model(folder, tmp_path):
    vocab = {letter: place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz ")}
    vocab |= {"<|startoftext|>": 9000, "<|endoftext|>": 9001}
    made = tf.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=16)
    made.save_pretrained(folder)
    refused(built(folder, "text").load, "9001", "517", "another model")


def test_a_tokenizer_that_cannot_be_read(folder):
    (folder / "tokenizer.json").write_text("{")
    refused(built(folder, "text").load, folder, "no tokenizer can be made of it")


def test_without_settings_of_pictures(folder):
    (folder / "preprocessor_config.json").unlink()
    refused(built(folder).identity, folder, "preprocessor_config.json")
    (folder / "preprocessor_config.json").write_text("{")
    refused(built(folder).identity, folder, "no image processor")


def test_a_sha256_that_is_not_the_pin(folder):
    refused(built(folder, sha256="0" * 64).identity, folder / WEIGHTS, "000000000000")


def test_without_weights_random_ones_must_be_asked_for(folder):
    (folder / WEIGHTS).unlink()
    for work in (built(folder).identity, built(folder).load):
        refused(work, folder, "--random-weights")
    built(folder, random_weights=True).load()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_model_without_a_text_tower(tmp_path, modality):
    tiny.vit(tmp_path)
    for work in (built(tmp_path, modality).identity, built(tmp_path, modality).load):
        refused(work, tmp_path, f"ViTModel has no {modality} features", "image and text")


def test_a_model_with_a_resolution_of_its_own_for_each_picture(tmp_path):
    tiny.naflex(tmp_path)
    refused(built(tmp_path).identity, tmp_path, "Siglip2", "spatial_shapes", "one resolution")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"model_type": "clap2"}, "no model_type 'clap2': the nearest is clap"),
        ({"model_type": None}, "no model_type 'None'"),
        ({"text_config": {"hidden_size": "wide"}}, "no configuration of a clip"),
        (
            {"auto_map": {"AutoModel": "made.Mine"}, "architectures": ["Mine"]},
            "never run here: load it through another backend",
        ),
    ],
)
def test_configurations_that_name_no_model(folder, values, told):
    tiny.edit(folder / "config.json", **values)
    refused(built(folder).identity, folder / "config.json", told)


def test_code_of_a_repository_is_not_run_where_the_class_is_known(folder, tmp_path):
    (folder / "made.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    tiny.edit(
        folder / "config.json",
        auto_map={"AutoConfig": "made.Config", "AutoModel": "made.Mine"},
    )
    built(folder).load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("held", [None, "{", "[]"])
def test_a_folder_that_is_no_model(tmp_path, held):
    if held is not None:
        (tmp_path / "config.json").write_text(held)
    refused(built(tmp_path).identity, tmp_path, "config.json")


def test_what_can_be_refused_at_once(tmp_path, good):
    refused(lambda: built(tmp_path / "nowhere"), tmp_path / "nowhere", "config.json")
    refused(lambda: built("nonsense"), "'nonsense'", "write ORG/NAME or the path of a folder")
    refused(lambda: built(good, "audio"), "not 'audio'")
    weights = Surroundings("cpu", tmp_path, good / WEIGHTS)
    refused(lambda: HuggingFace("image", False, weights, model="org/name"), WEIGHTS, "folder")


def test_pictures_of_different_sizes(folder):
    tiny.edit(folder / "preprocessor_config.json", do_center_crop=False)
    refused(built(folder).load, folder, "different sizes")


def test_the_processor_of_another_size(folder):
    side = {"height": 48, "width": 48}
    tiny.edit(folder / "preprocessor_config.json", size={"shortest_edge": 48}, crop_size=side)
    refused(built(folder).load, folder, "do not fit", "48", "32")


def test_a_vector_that_depends_on_the_other_items(tmp_path):
    tiny.aimv2(tmp_path)
    refused(built(tmp_path, "text").load, tmp_path, "Aimv2Model", "beside other items")


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_model_that_is_not_the_expected_one(folder, modality):
    told = "model_type=clip projection_dim=24 vision_config.patch_size=8 text_config.hidden_size={}"
    built(folder, modality, expected=told.format(32)).identity()
    work = built(folder, modality, expected=told.format(512)).identity
    refused(work, folder / "config.json", "text_config.hidden_size is 32", "model is 512")
    refused(built(folder, modality, expected="no.such.key=1").identity, "no.such.key is None")


SIZES = {"clip": tf.CLIPConfig(vision_config={"patch_size": 16}), "clip-b32": tf.CLIPConfig()}
SIZES |= {"fashion-clip": tf.CLIPConfig(), "siglip": tf.SiglipConfig()}
SIZES["siglip2"] = tf.SiglipConfig(text_config={"vocab_size": 256_000})
SIZES["clip-l14"] = tf.CLIPConfig(
    projection_dim=768,
    text_config={"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072},
    vision_config={
        "patch_size": 14,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
)
OTHERS = {"clip": "clip-b32", "clip-b32": "clip-l14", "clip-l14": "siglip", "siglip": "siglip2"}
OTHERS |= {"siglip2": "siglip", "fashion-clip": "clip"}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("source", ["hub", "folder"])
def test_a_named_encoder_takes_its_own_model_only(tmp_path, monkeypatch, good, name, source):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    options = dict(encoder_spec(name).modalities["image"])
    assert options.pop("backend") == "huggingface"
    held = tiny.in_cache(tmp_path / "hub", options["model"], options["revision"])
    for file in good.iterdir():
        shutil.copy(file, held)
    named = None if source == "hub" else held

    def identity():
        around = Surroundings("cpu", Path("no-such-models"), named)
        return HuggingFace("image", False, around, **options).identity()

    refused(identity, held / "config.json", "that of this encoder's model is")  # a tiny CLIP
    SIZES[OTHERS[name]].save_pretrained(held)
    refused(identity, held / "config.json", "that of this encoder's model is")
    SIZES[name].save_pretrained(held)
    assert identity()["weights"] == "pretrained"
