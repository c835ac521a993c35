"""What VLMo and BEiT-3 share as encoders: their files, what they read, what they refuse."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import Payload, spm

from mmbench.datasets.dataset import Dataset
from mmbench.encoder_spec import About, encoder_spec
from mmbench.encoders import BACKENDS
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.beit3 import SIZES as BEIT3S
from mmbench.encoders.beit3 import Beit3, random_beit3
from mmbench.encoders.vlmo import SIZES as VLMOS
from mmbench.encoders.vlmo import Vlmo, random_vlmo
from mmbench.errors import UsageError
from mmbench.extract import extract
from mmbench.feature_plan import plan_features, weights
from mmbench.fingerprint import canonical, file_sha256
from mmbench.home import Home
from mmbench.machine import Machine
from mmbench.progress import Silent
from mmbench.specs import Encoding

FILE = "tiny.pt"
NOISE = np.random.RandomState(0).randint(0, 255, (3, 40, 50, 3), dtype=np.uint8)
WORDS = ("a red shoe", "", "shoe " * 2000)
CONTENTS = [Content(Image.fromarray(p), text) for p, text in zip(NOISE, WORDS, strict=True)]
SMALL = {
    Vlmo: {"dim": 32, "depth": 3, "heads": 4, "vl_start": 1, "image_size": 32},
    Beit3: {"dim": 128, "depth": 2, "image_size": 32},
}
MAKE = {Vlmo: (VLMOS, random_vlmo), Beit3: (BEIT3S, random_beit3)}
BOTH = pytest.mark.parametrize("backend", [Vlmo, Beit3])


def built(backend, modality, models, random_weights=True, named=None, **options):
    given = {**SMALL[backend], "model": "base", "file": FILE, **options}
    return backend(modality, random_weights, Surroundings("cpu", models, named), **given)


def loaded(*arguments, **options):
    made = built(*arguments, **options)
    made.load()
    return made


def stored(backend, seed=7, **sizes):
    known, make = MAKE[backend]
    return make(replace(known["base"], **{**SMALL[backend], **sizes}), seed).state_dict()


@pytest.fixture
def models(tmp_path):
    """A models folder that holds a checkpoint of each small model, and the words of BEiT-3."""
    for backend in MAKE:
        (tmp_path / backend.name).mkdir()
        torch.save({"model": stored(backend)}, tmp_path / backend.name / FILE)
    (tmp_path / "beit3" / "beit3.spm").write_bytes(spm())
    return tmp_path


@BOTH
def test_a_file_of_one_resolution_serves_another(backend, models):
    for model in ("base", "base_plus") if backend is Vlmo else ("base",):
        config = replace(MAKE[backend][0][model], **{**SMALL[backend], "image_size": 64})
        held = MAKE[backend][1](config, 7).state_dict()
        torch.save(held, models / backend.name / FILE)
        vectors = loaded(backend, "image", models, False, model=model, image_size=96).encode(
            CONTENTS
        )
        assert vectors.shape == (3, config.dim)
        assert np.isfinite(vectors).all()


@BOTH
def test_weights_that_were_named_go_before_the_usual_ones(backend, models, tmp_path):
    folder, usual = tmp_path / "mine", models / backend.name
    folder.mkdir()
    torch.save(stored(backend, seed=8), folder / FILE)
    (folder / "beit3.spm").write_bytes(spm(("▁a", "▁shoe")))
    said = [
        built(backend, "text", models, False, named).identity()
        for named in (None, folder / FILE, folder)
    ]
    assert said[0]["sha256"] == file_sha256(usual / FILE)
    assert said[1]["sha256"] == said[2]["sha256"] == file_sha256(folder / FILE)
    assert said[0]["tokenizer"] == said[1]["tokenizer"]
    assert (said[2]["tokenizer"] == said[1]["tokenizer"]) == (backend is Vlmo)
    vectors = [loaded(backend, "image", models, False, n).encode(CONTENTS) for n in (None, folder)]
    assert not np.allclose(*vectors, atol=1e-3)


def test_a_checkpoint_alone_is_told_where_its_vocabulary_goes(models, tmp_path):
    usual = models / "beit3"
    named = (usual / FILE).rename(tmp_path / "mine.pt")
    (usual / "beit3.spm").unlink()
    for given in (named, usual):
        with pytest.raises(UsageError, match="vocabulary of BEiT-3 is missing: fetch") as error:
            built(Beit3, "text", models, False, given).identity()
        assert str(error.value).endswith(f"beit3.spm and put it at {usual / 'beit3.spm'}")
    assert built(Beit3, "image", models, False, named).identity()["weights"] == "pretrained"


@BOTH
def test_weights_that_were_named_must_be_there(backend, models, tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    for named, told in ((tmp_path / "no.pt", "no.pt: there is nothing"), (folder, f"no {FILE}")):
        with pytest.raises(UsageError, match=told) as error:
            built(backend, "image", models, False, named).identity()
        assert "\n" not in str(error.value)


@BOTH
def test_a_file_that_is_not_the_pinned_one_is_refused(backend, models):
    good = file_sha256(models / backend.name / FILE)
    assert built(backend, "image", models, False, sha256=good).identity()["sha256"] == good
    with pytest.raises(UsageError, match="that of the pinned weights with 0000") as error:
        built(backend, "image", models, False, sha256="0" * 64).identity()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "size", "file"),
    [
        ("vlmo", 224, "vlmo_base_plus_patch16_224.pt"),
        ("vlmo:joint", 224, "vlmo_base_plus_patch16_224.pt"),
        ("vlmo:base", 224, "vlmo_base_patch16_224.pt"),
        ("vlmo:large", 224, "vlmo_large_patch16_224.pt"),
        ("beit3", 224, "beit3_base_itc_patch16_224.pth"),
        ("beit3:large", 224, "beit3_large_itc_patch16_224.pth"),
        ("beit3:coco", 384, "beit3_base_patch16_384_coco_retrieval.pth"),
        ("beit3:f30k", 384, "beit3_base_patch16_384_f30k_retrieval.pth"),
        ("beit3:large-coco", 384, "beit3_large_patch16_384_coco_retrieval.pth"),
        ("beit3:large-f30k", 384, "beit3_large_patch16_384_f30k_retrieval.pth"),
    ],
)
def test_without_weights_it_is_told_what_to_fetch_and_where_to_put_it(models, name, size, file):
    for modality, options in encoder_spec(name).modalities.items():
        backend = BACKENDS.resolve(options["backend"])
        given = {key: value for key, value in options.items() if key != "backend"}
        encoder = backend(modality, False, Surroundings("cpu", models), **given)
        assert encoder.config == replace(MAKE[backend][0][options["model"]], image_size=size)
        for refused in (encoder.identity, encoder.load):
            with pytest.raises(UsageError, match="--random-weights") as error:
                refused()
            assert f"releases/download/{backend.name}/{file} " in str(error.value)
            assert str(models / backend.name / file) in str(error.value)
            assert "\n" not in str(error.value)


@BOTH
def test_a_checkpoint_of_another_size_or_architecture_names_its_file(backend, models):
    depth = SMALL[backend]["depth"]
    dim = SMALL[backend]["dim"]
    told = f"{FILE}: {backend.article} of dimension {dim}, {depth} layers"
    with pytest.raises(UsageError, match=told) as error:
        loaded(backend, "image", models, False, depth=depth + 1)
    assert f"'base' is one of dimension {dim}, {depth + 1} layers" in str(error.value)
    held = {**stored(backend), "extra": torch.zeros(1)}
    torch.save(held, models / backend.name / FILE)
    with pytest.raises(UsageError, match=f"{FILE}: .*unexpected key 'extra'"):
        loaded(backend, "image", models, False)
    torch.save(torch.nn.Linear(2, 2).state_dict(), models / backend.name / FILE)
    with pytest.raises(UsageError, match=f"{FILE}: no (VLMo|BEiT-3) checkpoint"):
        loaded(backend, "image", models, False)


@BOTH
def test_a_truncated_file_is_refused(backend, models):
    path = models / backend.name / FILE
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:10], b"", b"no checkpoint"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=FILE) as error:
            loaded(backend, "image", models, False)
        assert "\n" not in str(error.value)


@BOTH
def test_code_in_a_file_does_not_run(backend, models, tmp_path):
    touched = tmp_path / "touched"
    plain = pickle.dumps({"model": Payload(touched)}, protocol=2)
    (models / backend.name / FILE).write_bytes(plain)
    with pytest.raises(UsageError, match=f"{FILE}: holds Python objects"):
        loaded(backend, "image", models, False)
    assert not touched.exists()


@BOTH
def test_the_identity_changes_with_what_changes_the_vectors(backend, models):
    other = {"heads": 8} if backend is Vlmo else {"depth": 3}
    made = [
        *(built(backend, modality, models) for modality in backend.reads),
        *(built(backend, modality, models, False) for modality in backend.reads),
        built(backend, "image", models, image_size=48),
        built(backend, "image", models, model="large"),
        built(backend, "image", models, **other),
    ]
    assert len({canonical(one.identity()) for one in made}) == len(made)


@BOTH
def test_a_long_text_comes_in_pieces(backend, models):
    encoder = loaded(backend, "text", models)
    short, empty, long = encoder.chunks(WORDS)
    assert [len(short), len(empty)] == [1, 1]
    first, last = long[0][0], long[0][-1]  # [CLS] and [SEP], or <s> and </s>
    assert list(empty[0]) == [first, last]
    assert all(piece[0] == first and piece[-1] == last for piece in long)
    assert {len(piece) for piece in long[:-1]} == {encoder.text_length}
    inner = np.concatenate([piece[1:-1] for piece in long])
    a_shoe = encoder.chunks(["shoe"])[0][0][1:-1]
    np.testing.assert_array_equal(inner, np.tile(a_shoe, 2000))


@pytest.mark.parametrize(
    ("backend", "modality", "options", "told"),
    [
        (Vlmo, "audio", {}, "not 'audio'"),
        (Vlmo, "image", {"model": "base-plus"}, "the nearest is base_plus or base"),
        (Vlmo, "image", {"image_size": 100}, "no multiple of 16"),
        (Vlmo, "image", {"heads": 5}, "heads must divide"),
        (Vlmo, "image", {"heads": 0}, "heads must divide"),
        (Vlmo, "joint", {"vl_start": 3}, "start below the depth"),
        (Beit3, "joint", {}, "not 'joint'"),
        (Beit3, "image", {"model": "bsae"}, "the nearest is base"),
        (Beit3, "image", {"image_size": 100}, "no multiple of 16"),
        (Beit3, "image", {"image_size": 0}, "no multiple of 16"),
        (Beit3, "image", {"dim": 100}, "multiple of 64"),
        (Beit3, "image", {"depth": 0}, "there is a layer"),
    ],
)
def test_wrong_options_are_refused_at_once(backend, modality, options, told):
    with pytest.raises(UsageError) as error:
        built(backend, modality, Path("no-such-models"), **options)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("name", "backend"), [("vlmo", Vlmo), ("vlmo:joint", Vlmo), ("beit3", Beit3)]
)
def test_a_catalogue_gets_features_of_items_that_have_what_is_read(
    toyshop_home, models, tmp_path, name, backend
):
    shop, home = Dataset.load(toyshop_home, "toyshop"), Home(tmp_path / "home")
    home.models.mkdir(parents=True)
    (models / "beit3").rename(home.models / "beit3")
    plan = plan_features(
        shop, name, Encoding(random_weights=True), Machine.of("cpu", workers=0), home
    )
    small = {m: built(backend, m, home.models) for m in encoder_spec(name).modalities}
    spec = plan.spec.model_copy(update={"about": About()})  # the small ones have other dimensions
    features = extract(replace(plan, spec=spec, members=small), shop, Silent())

    assert list(plan.members) == list(features.modalities) == list(small)
    assert weights(plan) == "random"
    for modality, (matrix, mask) in features.modalities.items():
        present = [shop.catalog.present[need] for need in small[modality].inputs]
        np.testing.assert_array_equal(mask, np.logical_and.reduce(present))
        row = int(np.flatnonzero(mask)[-1])
        one = Content(shop.catalog.picture(row), shop.catalog.text(row))
        wanted = loaded(backend, modality, home.models).encode([one])[0]
        np.testing.assert_allclose(matrix[row], wanted, atol=1e-5)
