"""Models of transformers as encoders: the numbers are those of their own processors and classes."""

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_transformers as tiny
import torch
from huggingface_hub import constants
from tiny_transformers import IMAGES, KINDS, TEXTS, tf
from torch.nn.functional import normalize

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.huggingface import HuggingFace
from mmbench.encoders.huggingface.pixels import divided, read_processor
from mmbench.fingerprint import canonical, file_sha256

CONTENTS = [Content(image, text) for image, text in zip(IMAGES, TEXTS, strict=True)]
COMMIT = "0123456789abcdef" * 2 + "01234567"
# How the model cards call the processor; the others pad to the longest of the batch.
CARD = {kind: {"padding": "max_length", "max_length": 16} for kind in ("siglip", "siglip2")}
CARD |= {"align": {}}
SHORTCUTS = ("clip", "clip-b32", "clip-l14", "siglip", "siglip2", "fashion-clip")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return what writes a model of a kind once: its folder, and the model."""
    root, kept = tmp_path_factory.mktemp("models"), {}

    def build(kind):
        if kind not in kept:
            kept[kind] = root / kind, tiny.make(kind, root / kind)
        return kept[kind]

    return build


def built(modality, model, random_weights=False, weights=None, **options):
    around = Surroundings("cpu", Path("no-such-models"), weights)
    return HuggingFace(modality, random_weights, around, model=str(model), **options)


def loaded(*arguments, **options):
    backend = built(*arguments, **options)
    backend.load()
    return backend


def by_card(kind, folder, model, modality):
    """Return the unit vectors of the model, called as its card says."""
    processor = tf.AutoProcessor.from_pretrained(folder, backend="pil")
    with torch.inference_mode():
        if modality == "image":
            pixels = processor(images=IMAGES, return_tensors="pt")
            return normalize(model.get_image_features(**pixels).pooler_output, dim=1).numpy()
        # SigLIP2 was trained on texts in lower case.
        texts = [text.lower() for text in TEXTS] if kind == "siglip2" else TEXTS
        length = None if kind == "align" else 16
        how = {"padding": True, "max_length": length, **CARD.get(kind, {})}
        told = {key: value for key, value in how.items() if kind != "align"}
        words = processor(text=texts, truncation=True, return_tensors="pt", **told)
        return normalize(model.get_text_features(**words).pooler_output, dim=1).numpy()


@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_the_model_called_as_its_card_says(made, kind, modality):
    folder, model = made(kind)
    state = torch.get_rng_state()
    backend = loaded(modality, folder)
    vectors = backend.encode(CONTENTS)
    assert torch.equal(torch.get_rng_state(), state)

    assert backend.inputs == (modality,)
    assert backend.unit
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, by_card(kind, folder, model, modality), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    alone = np.concatenate([backend.encode([content]) for content in CONTENTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-6)
    assert len(np.unique(vectors.round(4), axis=0)) == len(CONTENTS)
    assert canonical(backend.identity())


@pytest.mark.parametrize("kind", ["clip", "siglip2", "altclip", "align"])
def test_the_first_piece_is_the_cut_text_and_a_second_says_that_it_was_cut(made, kind):
    folder, _ = made(kind)
    texts = [text.lower() for text in TEXTS]
    pieces = loaded("text", folder).chunks(TEXTS)
    length = 64 if kind == "align" else 16
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    cut = tokenizer(texts if kind == "siglip2" else TEXTS, truncation=True, max_length=length)
    assert [list(piece[0]) for piece in pieces] == cut["input_ids"]
    whole = [len(tokenizer(text)["input_ids"]) for text in texts]
    assert [len(piece) > 1 for piece in pieces] == [count > length for count in whole]
    assert all(one.dtype == np.int64 and len(one) <= length for piece in pieces for one in piece)


def test_a_tokenizer_that_pads_on_the_left_is_heeded(made, tmp_path):
    folder = shutil.copytree(made("siglip2")[0], tmp_path / "left")
    tiny.edit(folder / "tokenizer_config.json", padding_side="left")
    vectors = loaded("text", folder).encode(CONTENTS)
    np.testing.assert_allclose(
        vectors, by_card("siglip2", folder, made("siglip2")[1], "text"), atol=1e-6
    )
    assert not np.allclose(vectors, loaded("text", made("siglip2")[0]).encode(CONTENTS), atol=1e-3)


def test_a_tokenizer_in_python_is_cut_alike(tmp_path, made):
    pytest.importorskip("sentencepiece")
    from tiny import spm

    folder = shutil.copytree(made("siglip")[0], tmp_path / "spm")
    (folder / "tokenizer.json").unlink()
    (folder / "spiece.model").write_bytes(spm())
    tokenizer = tf.SiglipTokenizer(
        str(folder / "spiece.model"), model_input_names=["input_ids"], model_max_length=16
    )
    tokenizer.save_pretrained(folder)
    pieces = loaded("text", folder).chunks(TEXTS)
    assert [list(piece[0]) for piece in pieces] == tokenizer(TEXTS, truncation=True)["input_ids"]
    assert [len(piece) > 1 for piece in pieces] == [
        len(tokenizer(text)["input_ids"]) > 16 for text in TEXTS
    ]


@pytest.mark.parametrize("kind", ["clip", "siglip", "align"])
def test_pixels_scaled_on_the_device_are_those_of_the_processor(made, kind):
    folder, _ = made(kind)
    processor = read_processor(folder)
    picture, scaling = divided(processor, folder)
    again = pickle.loads(pickle.dumps(picture))
    for image in IMAGES:
        pixels = again(image)
        assert pixels.dtype == np.uint8
        whole = processor(images=image, return_tensors="np")["pixel_values"]
        scaled = scaling(torch.from_numpy(pixels)[None]).numpy()
        np.testing.assert_allclose(scaled, whole, atol=1e-6)


def test_a_processor_whose_scaling_cannot_be_left_out_does_all_of_it(made, tmp_path):
    folder = shutil.copytree(made("align")[0], tmp_path / "align")
    tiny.edit(folder / "preprocessor_config.json", include_top=True)
    backend = loaded("image", folder)
    assert backend.picture()(IMAGES[0]).dtype == np.float32
    np.testing.assert_allclose(
        backend.encode(CONTENTS), by_card("align", folder, made("align")[1], "image"), atol=1e-6
    )


def test_pixels_are_the_same_where_torchvision_is_not_installed(made):
    folder, _ = made("clip")
    code = f"""
import sys, hashlib
sys.modules["torchvision"] = None  # as where it is not installed
from pathlib import Path
import numpy as np
from PIL import Image
from mmbench.encoders.huggingface.pixels import divided, read_processor
picture, _ = divided(read_processor(Path({str(folder)!r})), Path())
noise = np.random.RandomState(0).randint(0, 256, (51, 40, 3), dtype=np.uint8)
print(hashlib.sha256(picture(Image.fromarray(noise)).tobytes()).hexdigest())
"""
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sys.modules.get("torchvision") is not None  # the guard made it importable here
    picture, _ = divided(read_processor(folder), folder)
    assert there.stdout.split()[-1] == hashlib.sha256(picture(IMAGES[0]).tobytes()).hexdigest()


@pytest.mark.parametrize("modality", ["image", "text"])
def test_random_weights_need_no_weights_and_leave_no_trace(made, tmp_path, modality):
    folder = shutil.copytree(made("clip")[0], tmp_path / "clip")
    (folder / "model.safetensors").unlink()
    state = torch.get_rng_state()
    backend = loaded(modality, folder, True)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(
        backend.encode(CONTENTS), loaded(modality, folder, True).encode(CONTENTS)
    )
    assert backend.identity()["weights"] == "random"
    assert "sha256" not in backend.identity()


@pytest.mark.parametrize("safe", [True, False])
def test_the_cache_of_the_hub_is_used_without_a_network(made, tmp_path, monkeypatch, safe):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source, model = made("clip")
    folder = tiny.in_cache(tmp_path, "org/tiny", COMMIT)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    if not safe:
        (folder / "model.safetensors").unlink()
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    wanted = by_card("clip", source, model, "image")
    for name in ("org/tiny", f"org/tiny@{COMMIT}", "org/tiny@main"):
        backend = loaded("image", name)
        np.testing.assert_allclose(backend.encode(CONTENTS), wanted, atol=1e-6)
        said = backend.identity()
        assert (said["repo"], said["revision"]) == ("org/tiny", COMMIT)
        assert said["weights"] == "pretrained"
    weights = folder / ("model.safetensors" if safe else "pytorch_model.bin")
    assert said["sha256"] == file_sha256(weights)
    assert built("text", "org/tiny", revision=COMMIT, sha256=said["sha256"]).identity()


def test_a_folder_in_place_of_the_hub(made, tmp_path):
    folder, model = made("clip")
    backend = loaded("image", "org/not-here", weights=folder)
    np.testing.assert_allclose(
        backend.encode(CONTENTS), by_card("clip", folder, model, "image"), atol=1e-6
    )
    assert "repo" not in backend.identity()


def test_weights_in_several_parts(made, tmp_path):
    source, model = made("clip")
    folder = shutil.copytree(source, tmp_path / "parts")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="40KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    wanted = loaded("text", source).encode(CONTENTS)
    np.testing.assert_array_equal(loaded("text", folder).encode(CONTENTS), wanted)
    next(folder.glob("model-*.safetensors")).unlink()
    with pytest.raises(ValueError, match="or not all parts"):
        built("text", folder).identity()
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ValueError, match="no index of the parts"):
        built("text", folder).identity()


def test_the_identity_changes_with_what_changes_the_vectors(made, tmp_path):
    source, _ = made("clip")
    said = [built(modality, source).identity() for modality in ("image", "text")]
    said.append(built("image", source, True).identity())
    changes = {
        "model.safetensors": lambda path: tiny.make("clip", path.parent, seed=8),
        "config.json": lambda path: tiny.edit(path, logit_scale_init_value=1.0),
        "preprocessor_config.json": lambda path: tiny.edit(path, resample=2),
        "tokenizer.json": lambda path: path.write_text(path.read_text() + " "),
    }
    for file, change in changes.items():
        folder = shutil.copytree(source, tmp_path / file)
        change(folder / file)
        modality = "text" if file == "tokenizer.json" else "image"
        said.append(built(modality, folder).identity())
    assert len({canonical(one) for one in said}) == len(said)
    moved = shutil.copytree(source, tmp_path / "moved")
    assert built("image", moved).identity() == said[0]


def test_a_checkpoint_in_half_precision_is_computed_in_full(made, tmp_path):
    source, model = made("siglip")
    folder = shutil.copytree(source, tmp_path / "half")
    model.to(torch.float16).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    wanted = by_card("siglip", source, model.float(), "image")  # of the rounded weights
    np.testing.assert_allclose(loaded("image", folder).encode(CONTENTS), wanted, atol=1e-6)


@pytest.mark.parametrize("name", SHORTCUTS)
def test_shortcuts_are_pinned_and_say_what_they_are(name):
    spec = encoder_spec(name)
    assert set(spec.modalities) == set(spec.about.dimension) == {"image", "text"}
    for modality, options in spec.modalities.items():
        given = {key: value for key, value in options.items() if key != "backend"}
        assert BACKENDS.resolve(options["backend"]) is HuggingFace
        backend = built(modality, **given)
        need = spec.about.needs[0]
        assert (need.hub, need.revision) == (backend.repo, backend.revision)
        assert len(backend.revision) == 40


def test_the_argument_of_hf_is_a_repository_at_a_revision_or_a_folder(made):
    folder, _ = made("clip")
    for argument in ("org/name@v1", str(folder)):
        options = encoder_spec(f"hf:{argument}").modalities["text"]
        assert options == {"backend": "huggingface", "model": argument}
    backend = built("text", "org/name@v1")
    assert (backend.repo, backend.revision, backend.folder) == ("org/name", "v1", None)
    assert built("text", folder).folder == folder
