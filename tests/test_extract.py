"""Catalogue × encoder: aligned, resumable, and identified by everything that made it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mmbench.datasets.dataset import Dataset
from mmbench.errors import UsageError
from mmbench.extract import encode, extract
from mmbench.extraction import modality
from mmbench.feature_plan import file_name, plan_features, weights
from mmbench.machine import Machine
from mmbench.progress import Silent
from mmbench.specs import Encoding


@pytest.fixture(scope="module")
def shop(toyshop_home):
    return Dataset.load(toyshop_home, "toyshop")


def planned(shop, home, encoder="classic", batch_size="auto", **encoding):
    machine = Machine.of("cpu", batch_size, workers=0)
    return plan_features(shop, encoder, Encoding(**encoding), machine, home)


def test_every_row_is_its_items_own(shop, toyshop_home):
    features = encode("toyshop", "classic", home=toyshop_home, device="cpu")
    catalog = shop.catalog
    assert features.ids == catalog.ids
    from mmbench.encoders.base import Content

    member = planned(shop, toyshop_home).members["image"]
    member.load()
    for row in (0, 7, len(catalog.ids) - 1):
        picture = catalog.picture(row)
        if picture is not None:
            alone = member.encode([Content(picture, None)])[0]
            assert np.allclose(features.modalities["image"].matrix[row], alone, atol=1e-6)


def test_missing_content_is_masked_and_zero(shop, toyshop_home):
    features = encode(shop, "classic", home=toyshop_home, device="cpu")
    for name, feature in features.modalities.items():
        present = shop.catalog.present[name]
        assert (feature.mask == present).all()
        assert not present.all()
        assert (feature.matrix[~present] == 0).all()
        assert (np.abs(feature.matrix[present]).sum(axis=1) > 0).all()


def test_an_interrupted_extraction_goes_on(shop, toyshop_home, monkeypatch):
    monkeypatch.setattr(modality, "FLUSH", 0.0)
    whole = extract(planned(shop, toyshop_home), shop, Silent())
    plan = planned(shop, type(toyshop_home)(toyshop_home.root / "again"), batch_size=8)

    class StopAt(Silent):
        def advance(self, task, done, total, note=""):
            if done >= 16:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(plan, shop, StopAt())
    assert not plan.folder.exists()
    shards = sorted(plan.folder.parent.glob(".*.shards/image/*.npz"))
    assert len(shards) == 2
    before = [shard.stat().st_mtime_ns for shard in shards]
    seen = []

    class Note(Silent):
        def advance(self, task, done, total, note=""):
            seen.append((task, done))
            if task == "encode image":
                assert [shard.stat().st_mtime_ns for shard in shards] == before

    resumed = extract(plan, shop, Note())
    assert ("encode image", 8) not in seen
    for name in whole.modalities:
        assert (resumed.modalities[name].matrix == whole.modalities[name].matrix).all()
        assert (resumed.modalities[name].mask == whole.modalities[name].mask).all()
    assert not list(plan.folder.parent.glob(".*"))


def test_the_fingerprint_changes_with_what_made_the_features(shop, toyshop_home):
    prints = {
        planned(shop, toyshop_home, name).fingerprint
        for name in ("classic", "noise", "permuted", "permuted:noise", "efficientnet+minilm")
    }
    prints.add(planned(shop, toyshop_home, "efficientnet+minilm", random_weights=True).fingerprint)
    assert len(prints) == 6
    same = planned(shop, toyshop_home).fingerprint
    assert same == planned(shop, toyshop_home).fingerprint


def test_the_meta_says_what_made_them(shop, toyshop_home):
    plan = planned(shop, toyshop_home)
    extract(plan, shop, Silent())
    meta = json.loads((plan.folder / "meta.json").read_text())
    assert meta["encoder"] == "classic"
    assert meta["weights"] == "none"
    assert meta["dataset_fingerprint"] == shop.fingerprint
    assert meta["seconds"] > 0
    assert meta["versions"]["numpy"] == np.__version__
    assert meta["unreadable_pictures"] == []


@pytest.mark.parametrize(
    ("encoder", "random_weights", "kind"),
    [
        ("noise", False, "none"),
        ("efficientnet+minilm", False, "pretrained"),
        ("efficientnet+minilm", True, "random"),
        ("permuted:efficientnet+minilm", True, "random"),
    ],
)
def test_weights_are_named(shop, toyshop_home, encoder, random_weights, kind):
    assert weights(planned(shop, toyshop_home, encoder, random_weights=random_weights)) == kind


def test_weights_of_another_model_are_known_by_their_length(shop, toyshop_home):
    plan = planned(shop, toyshop_home, "classic")
    about = plan.spec.about.model_copy(update={"dimension": {"image": 512}})
    wrong = replace(plan, spec=plan.spec.model_copy(update={"about": about}))
    wrong = replace(wrong, folder=plan.folder.with_name("other"))
    with pytest.raises(UsageError, match="gives 512 numbers an image, these weights 893"):
        extract(wrong, shop, Silent())
    assert not wrong.folder.exists()


def test_few_items_with_a_vector_are_told(shop, toyshop_home, tmp_path):
    said = []

    class Note(Silent):
        def say(self, line):
            said.append(line)

    np.savez(tmp_path / "one.npz", items=np.array(shop.catalog.ids[:1]), image=np.ones((1, 2)))
    extract(planned(shop, toyshop_home, f"file:{tmp_path / 'one.npz'}"), shop, Note())
    assert said == ["image: 39 of 40 items have no vector, and are masked"]


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(UsageError, match=device):
        Machine.of(device)


def test_names_of_encoders_as_paths():
    assert file_name("openclip:ViT-B-32/openai") == "openclip-ViT-B-32-openai"
    assert file_name("file:../../etc") == "file-..-..-etc"
    assert file_name("...") == "encoder"
