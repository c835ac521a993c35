"""BEiT-3 as an encoder: its files, its words, its two modalities, small but real."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.convert_slow_tokenizer import import_protobuf

from mmbench import extract
from mmbench.datasets.dataset import Dataset
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.beit3 import SIZES, Beit3, random_beit3
from mmbench.encoders.beit3.vocabulary import tokenizer, vocabulary
from mmbench.encoders.vlmo.pixels import pixels
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256
from mmbench.home import Home
from mmbench.progress import Silent
from mmbench.specs import encoder_spec

NAME = "beit3_tiny.pth"
SMALL = {"dim": 128, "depth": 2, "image_size": 32}
OPTIONS = {**SMALL, "model": "base", "file": NAME}
NOISE = np.random.RandomState(0).randint(0, 255, (4, 40, 50, 3), dtype=np.uint8)
WORDS = ("a red shoe", "", "😀 Crème BRÛLÉE", "shoe " * 2000)
CONTENTS = [Content(Image.fromarray(p), text) for p, text in zip(NOISE, WORDS, strict=True)]
MODALITIES = ("image", "text")
# Ids of the words of `spm`: a piece's place, one higher for the <pad> that XLM-RoBERTa has at 1.
RED_SHOE = [0, 4, 5, 6, 7, 2]  # <s> ▁a ▁red ▁sh oe </s>


def spm(words=("▁a", "▁red", "▁sh", "oe", "▁", *"abcdehorsBmr")):
    """Return a SentencePiece model of a few words."""
    model = import_protobuf().ModelProto()
    for place, word in enumerate(("<unk>", "<s>", "</s>", *dict.fromkeys(words))):
        kind = 2 if place == 0 else 3 if place < 3 else 1
        model.pieces.add(piece=word, score=-float(place), type=kind)
    model.trainer_spec.model_type = 1
    return model.SerializeToString()


@pytest.fixture
def models(tmp_path):
    """A models folder that holds the words."""
    (tmp_path / "beit3").mkdir()
    (tmp_path / "beit3" / "beit3.spm").write_bytes(spm())
    return tmp_path


@pytest.fixture
def trained(models):
    """A models folder that holds a checkpoint of the small model too, and that model."""
    model = random_beit3(replace(SIZES["base"], **SMALL), 7)
    torch.save({"model": model.state_dict()}, models / "beit3" / NAME)
    return models, model


def built(modality, models, random_weights=True, **options):
    return Beit3(modality, random_weights, Surroundings("cpu", models), **{**OPTIONS, **options})


def loaded(*arguments, **options):
    made = built(*arguments, **options)
    made.load()
    return made


@pytest.mark.parametrize("modality", MODALITIES)
def test_contract(modality, models):
    state = torch.get_rng_state()
    encoder = loaded(modality, models)
    assert torch.equal(torch.get_rng_state(), state)
    vectors = encoder.encode(CONTENTS)
    alone = np.concatenate([encoder.encode([content]) for content in CONTENTS])

    assert encoder.inputs == (modality,)
    assert vectors.shape == (4, 128)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(alone, vectors, atol=1e-6)
    np.testing.assert_array_equal(loaded(modality, models).encode(CONTENTS), vectors)
    assert len(np.unique(vectors.round(4), axis=0)) == 4
    assert encoder.identity()["weights"] == "random"
    assert canonical(encoder.identity())


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_local_file_gives_what_the_model_gives(trained, modality):
    models, model = trained
    encoder = loaded(modality, models, False)
    with torch.inference_mode():
        if modality == "image":
            given = torch.stack([pixels(content.image, 32) for content in CONTENTS])
            wanted = model.encode_image(given)["cls_feats"]
        else:
            ids = torch.tensor([[*RED_SHOE, 1, 1, 1]])  # padded with <pad>
            wanted = model.encode_text(ids, ids == 1)["cls_feats"]
    found = encoder.encode(CONTENTS[: len(wanted)])
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert encoder.identity()["weights"] == "pretrained"
    assert encoder.identity()["sha256"] == file_sha256(models / "beit3" / NAME)


def test_a_file_of_one_resolution_serves_another(models):
    stored = random_beit3(replace(SIZES["base"], **{**SMALL, "image_size": 64}), 7)
    torch.save(stored.state_dict(), models / "beit3" / NAME)
    vectors = loaded("image", models, False, image_size=96).encode(CONTENTS)
    assert vectors.shape == (4, 128)
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize(
    ("name", "model", "size", "file"),
    [
        ("beit3", "base", 224, "beit3_base_itc_patch16_224.pth"),
        ("beit3:large", "large", 224, "beit3_large_itc_patch16_224.pth"),
        ("beit3:coco", "base", 384, "beit3_base_patch16_384_coco_retrieval.pth"),
        ("beit3:f30k", "base", 384, "beit3_base_patch16_384_f30k_retrieval.pth"),
        ("beit3:large-coco", "large", 384, "beit3_large_patch16_384_coco_retrieval.pth"),
        ("beit3:large-f30k", "large", 384, "beit3_large_patch16_384_f30k_retrieval.pth"),
    ],
)
def test_without_weights_it_is_told_what_to_fetch_and_where_to_put_it(
    models, name, model, size, file
):
    assert set(encoder_spec(name).modalities) == set(MODALITIES)
    for modality, options in encoder_spec(name).modalities.items():
        assert BACKENDS.resolve(options["backend"]) is Beit3
        given = {key: value for key, value in options.items() if key != "backend"}
        encoder = Beit3(modality, False, Surroundings("cpu", models), **given)
        assert encoder.config == replace(SIZES[model], image_size=size)
        for refused in (encoder.identity, encoder.load):
            with pytest.raises(UsageError, match="--random-weights") as error:
                refused()
            assert f"releases/download/beit3/{file} " in str(error.value)
            assert str(models / "beit3" / file) in str(error.value)
            assert "\n" not in str(error.value)


def test_a_checkpoint_of_another_size_or_broken_names_its_file(trained):
    models, model = trained
    with pytest.raises(UsageError, match=f"{NAME}: a BEiT-3 of dimension 128, 2 layers") as error:
        loaded("image", models, False, depth=3)
    assert "'base' is one of dimension 128, 3 layers" in str(error.value)
    torch.save({**model.state_dict(), "extra": torch.zeros(1)}, models / "beit3" / NAME)
    with pytest.raises(UsageError, match=f"{NAME}: .*unexpected key 'extra'"):
        loaded("image", models, False)
    torch.save(torch.nn.Linear(2, 2).state_dict(), models / "beit3" / NAME)
    with pytest.raises(UsageError, match=f"{NAME}: no BEiT-3 checkpoint"):
        loaded("image", models, False)


def test_a_truncated_file_is_refused(trained):
    path = trained[0] / "beit3" / NAME
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=NAME) as error:
            loaded("image", trained[0], False)
        assert "\n" not in str(error.value)


def test_the_identity_changes_with_what_changes_the_vectors(trained):
    models, _ = trained
    made = [
        *(built(modality, models) for modality in MODALITIES),
        *(built("image", models, **{key: value}) for key, value in (("image_size", 48),)),
        built("image", models, depth=3),
        built("image", models, model="large"),
        *(built(modality, models, False) for modality in MODALITIES),
    ]
    assert len({canonical(one.identity()) for one in made}) == len(made)
    before = built("text", models).identity()
    assert built("text", models).identity() == before
    (models / "beit3" / "beit3.spm").write_bytes(spm(("▁a", "▁shoe")))
    assert built("text", models).identity() != before


def test_a_text_has_the_ids_of_xlm_roberta(models):
    cut = tokenizer(vocabulary(models / "beit3"))
    assert cut("a red shoe")["input_ids"] == RED_SHOE
    assert cut("  a  red   shoe ")["input_ids"] == RED_SHOE
    assert cut("")["input_ids"] == [0, 2]
    assert cut("a 😀😀")["input_ids"] == [0, 4, 8, 3, 2]  # ▁ and one <unk> for what is unknown
    both = cut(["a red shoe", "a"], padding=True)
    assert both["input_ids"] == [RED_SHOE, [0, 4, 2, 1, 1, 1]]
    assert both["attention_mask"] == [[1] * 6, [1, 1, 1, 0, 0, 0]]
    long = cut(WORDS[3], truncation=True, max_length=64)["input_ids"]
    assert long == [0, *[6, 7] * 31, 2]


def test_a_long_text_is_cut_at_64_tokens(models):
    encoder = loaded("text", models)
    texts = ["shoe " * 31, "shoe " * 32, "shoe " * 31 + "red", "shoe " * 30 + "red"]
    vectors = encoder.encode([Content(None, text) for text in texts])
    np.testing.assert_allclose(vectors[1:3], vectors[[0, 0]], atol=1e-6)
    assert not np.allclose(vectors[3], vectors[0], atol=1e-4)


def test_a_missing_vocabulary_is_told(tmp_path):
    for refused in (built("text", tmp_path).identity, built("text", tmp_path).load):
        with pytest.raises(
            UsageError, match=r"releases/download/beit3/beit3\.spm and put"
        ) as error:
            refused()
        assert str(tmp_path / "beit3" / "beit3.spm") in str(error.value)
        assert "\n" not in str(error.value)
    assert built("image", tmp_path).identity()["weights"] == "random"


@pytest.mark.parametrize(
    "content",
    [b"", b"no vocabulary", spm()[:-7], spm(()), spm(f"w{number}" for number in range(64010))],
    ids=["empty", "words", "truncated", "bare", "more"],
)
def test_another_vocabulary_is_refused(models, content):
    (models / "beit3" / "beit3.spm").write_bytes(content)
    with pytest.raises(UsageError, match=r"beit3\.spm: .*fetch https.* again") as error:
        loaded("text", models)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("modality", "options", "told"),
    [
        ("joint", {}, "not 'joint'"),
        ("image", {"model": "bsae"}, "the nearest is base"),
        ("image", {"image_size": 100}, "no multiple of 16"),
        ("image", {"image_size": 0}, "no multiple of 16"),
        ("image", {"dim": 100}, "multiple of 64"),
        ("image", {"depth": 0}, "there is a layer"),
    ],
)
def test_wrong_options_are_refused_at_once(modality, options, told):
    with pytest.raises(UsageError) as error:
        built(modality, Path("no-such-models"), **options)
    assert told in str(error.value)


def test_a_catalogue_gets_features_from_random_weights_marked_so(toyshop_home, tmp_path):
    shop = Dataset.load(toyshop_home, "toyshop")
    home = Home(tmp_path / "home")
    (home.models / "beit3").mkdir(parents=True)
    (home.models / "beit3" / "beit3.spm").write_bytes(spm())
    plan = extract.plan(shop, "beit3", True, "cpu", home)
    small = replace(plan, members={m: built(m, home.models) for m in MODALITIES})
    features = extract.extract(small, shop, Silent())

    assert list(plan.members) == list(features.modalities) == list(MODALITIES)
    assert extract.weights(plan) == "random"
    for modality, (matrix, mask) in features.modalities.items():
        np.testing.assert_array_equal(mask, shop.catalog.present[modality])
        np.testing.assert_allclose(np.linalg.norm(matrix[mask], axis=1), 1, atol=1e-4)
