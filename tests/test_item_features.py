"""Features prepared in blocks of rows and columns, kept by whoever can share them."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from recbole_ext import item_features, item_graphs
from recbole_ext.dataset import MultimodalDataset
from recbole_ext.item_features import Features
from recbole_ext.models import resolve as model_class
from recbole_ext.run import evaluate, fit

IDS = [f"i{item}" for item in range(30)]


class Kept:
    """Keeps arrays in memory, and counts how often each was asked for and made."""

    def __init__(self):
        self.arrays, self.asked = {}, []

    def __call__(self, key, shape, dtype, blocks):
        self.asked.append(key)
        if key not in self.arrays:
            self.arrays[key] = np.concatenate(list(blocks()))
        assert (self.arrays[key].shape, self.arrays[key].dtype) == (shape, dtype)
        return self.arrays[key].copy()


@pytest.fixture
def sharing(make, monkeypatch):
    """Return what makes a recommender's configuration and a dataset that shares its features."""
    monkeypatch.setattr(item_features, "LEAST_SHARED", 0)
    monkeypatch.setattr(item_graphs, "LEAST_KEPT", 0)

    def made(model, share, contents=("one", "two"), **settings):
        config, plain = make(model, **settings)
        dataset = MultimodalDataset(config, share=share)
        for (name, features), content in zip(plain.features.items(), contents, strict=True):
            tokens = dataset.field2id_token["item_id"][1:]
            matrix, mask = features.matrix[1:].numpy(), features.mask[1:].numpy()
            dataset.add_features(name, tokens, matrix, mask, content)
        return config, dataset, plain

    return made


@pytest.mark.parametrize("dim", [3, 384, 1030])
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_give_the_numbers_of_the_whole(make, dim, threads):
    _, dataset = make("VBPR", ())
    matrix = np.random.RandomState(0).randn(30, dim).astype(np.float32) * 3 + 1
    mask = np.arange(30) % 4 > 0
    matrix[5] = 0  # there, and says nothing
    dataset.add_features("image", IDS, matrix, mask)
    raw, real = dataset.features["image"].matrix, dataset.features["image"].mask
    torch.set_num_threads(threads)
    try:
        told = real & (raw != 0).any(1)
        expected = normalize((raw - raw[told].mean(0)) * told[:, None])
        assert torch.equal(Features(dataset, "centred").matrix(0), expected)
        assert torch.equal(Features(dataset, "l2").matrix(0), normalize(raw))
        assert torch.equal(Features(dataset, "none").matrix(0), raw)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("norm", ["centred", "l2", "none"])
def test_what_is_kept_is_what_is_prepared_alone(sharing, norm):
    share = Kept()
    _, dataset, plain = sharing("VBPR", share)
    alone = Features(plain, norm)
    for _ in range(2):
        found = Features(dataset, norm)
        for place in range(2):
            assert torch.equal(found.matrix(place), alone.matrix(place))
            assert torch.equal(found.mask(place), alone.mask(place))
            raw = torch.rand(3, found.dims[place])
            assert torch.equal(found.scaled(place, raw), alone.scaled(place, raw))
    assert len(share.arrays) == 2
    assert len(share.asked) == 4


def test_another_norm_order_or_content_is_another_key(sharing):
    share = Kept()
    for norm, contents in (("l2", ("a", "b")), ("none", ("a", "b")), ("l2", ("a", "c"))):
        Features(sharing("VBPR", share, contents)[1], norm)
    _, dataset, _ = sharing("VBPR", share, ("a", "b"))
    ids = dataset.field2id_token["item_id"][1:]
    dataset.add_features("image", ids, np.ones((30, 4)), np.arange(30) > 1, "a")
    Features(dataset, "l2")
    assert len(share.arrays) == 2 + 2 + 1 + 1


def test_the_raw_matrix_is_not_copied(sharing):
    _, dataset, plain = sharing("VBPR", Kept())
    for name, features in dataset.features.items():
        assert not any(
            isinstance(each, torch.Tensor) and each.dim() == 2 for each in vars(features).values()
        )
        assert torch.equal(features.matrix, plain.features[name].matrix)


def test_a_number_that_is_not_finite_is_found_by_whoever_prepares(sharing):
    _, dataset, _ = sharing("VBPR", Kept())
    ids = dataset.field2id_token["item_id"][1:]
    matrix = np.ones((30, 4))
    matrix[7, 2] = np.nan
    dataset.add_features("image", ids, matrix, None, "broken")
    with pytest.raises(ValueError, match=f"image: .* item '{ids[7]}'"):
        Features(dataset, "centred")


def test_features_that_train_are_nobody_elses(sharing):
    share = Kept()
    _, dataset, plain = sharing("VBPR", share)
    features = Features(dataset, "centred", trainable=True)
    assert torch.equal(features.matrix(0), Features(plain, "centred", trainable=True).matrix(0))
    assert features.keep(0) is None
    assert not share.asked


def test_small_features_and_short_searches_are_not_kept(sharing, monkeypatch):
    monkeypatch.undo()
    share = Kept()
    config, dataset, _ = sharing("FREEDOM", share)
    model_class("FREEDOM")(config, dataset.build()[0])
    assert not share.asked


def test_where_nothing_can_be_kept_it_is_made_alone(sharing):
    config, dataset, plain = sharing("FREEDOM", lambda *_: None, epochs=1)
    scores = [evaluate(fit(config, each), "valid").values for each in (dataset, plain)]
    assert scores[0].keys() == scores[1].keys()
    assert all(np.array_equal(scores[0][name], scores[1][name]) for name in scores[0])


@pytest.mark.parametrize("model", ["FREEDOM", "LATTICE", "MGCN", "SMORE", "PGL", "ContentKNN"])
def test_neighbours_that_are_found_give_the_same_scores(sharing, model):
    share, scores, made = Kept(), [], []
    for _ in range(2):
        config, dataset, plain = sharing(model, share, epochs=2)
        scores.append(evaluate(fit(config, dataset), "valid").values)
        made.append(len(share.arrays))
    scores.append(evaluate(fit(config, plain), "valid").values)
    assert made[0] == made[1]
    assert any(key.startswith("neighbours") for key in share.arrays)
    for name in scores[0]:
        assert np.array_equal(scores[0][name], scores[1][name])
        assert np.array_equal(scores[0][name], scores[2][name])


def test_what_was_made_of_the_matrix_first_is_part_of_the_key(sharing):
    share = Kept()
    features = Features(sharing("VBPR", share)[1], "centred")
    for made in ("the matrix", "something else"):
        features.keep(0, made=made)(
            "neighbours", (1, 1), np.float32, lambda: [np.ones((1, 1), "f4")]
        )
    assert sum(key.startswith("neighbours") for key in share.arrays) == 2


def test_another_number_of_neighbours_is_another_search(sharing):
    share = Kept()
    for k in (3, 4):
        config, dataset, _ = sharing("FREEDOM", share, knn_k=k)
        model_class("FREEDOM")(config, dataset.build()[0])
    assert sum(key.startswith("neighbours") for key in share.arrays) == 4
