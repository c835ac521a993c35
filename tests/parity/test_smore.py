"""SMORE against a dense re-derivation from the paper, and what its spectra do."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.models import SMORE

BATCH = {"user_id": [1, 2, 2], "item_id": [3, 4, 5], "neg_item_id": [6, 7, 8]}


def build(make, features=("image", "text"), **settings):
    settings = {"knn_k": 4, "embedding_size": 6, "dropout": 0.0, **settings}
    config, dataset = make("SMORE", features, **settings)
    torch.manual_seed(0)
    model = SMORE(config, dataset.build()[0])
    with torch.no_grad():  # as after some training
        for layer in model.W:
            layer.bias.normal_()
    return model, dataset


def weights(model):
    state = model.state_dict().items()
    return {name: value.detach().numpy().astype(np.float64) for name, value in state}


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0.0)


def prepared(dataset):
    for features in dataset.features.values():
        e, real = features.matrix.numpy().astype(np.float64), features.mask.numpy()
        yield unit((e - e[real].mean(0)) * real[:, None]), real


def nearest(e, real, k=4):
    cosine = e @ e.T
    graph = np.zeros_like(cosine)
    for i in np.flatnonzero(real):
        candidates = sorted(np.flatnonzero(real), key=lambda j: -cosine[i, j])[:k]
        graph[i, candidates] = np.maximum(cosine[i, candidates], 0)
    degree = np.maximum(graph.sum(1), 1e-12)
    return graph / np.sqrt(degree[:, None] * degree[None, :])


def spectra(w, dataset):
    """The filtered modalities, then their fusion."""
    filters = w["filters"][..., 0] + 1j * w["filters"][..., 1]
    found, fusion, some = [], 1.0, False
    for m, (e, real) in enumerate(prepared(dataset)):
        projected = linear(w, f"W.{m}", e) * real[:, None]
        found.append(np.fft.rfft(projected, norm="ortho"))
        fusion = fusion * np.where(real[:, None], found[m], 1.0)
        some = some | real
    found.append(fusion * some[:, None])
    dim = w["user_embedding.weight"].shape[1]
    pairs = zip(found, filters, strict=True)
    return [np.fft.irfft(each * c, n=dim, norm="ortho") for each, c in pairs]


def normalised_interactions(w, dataset):
    users, items = len(w["user_embedding.weight"]), len(w["item_embedding.weight"])
    r, feat = np.zeros((users, items)), dataset.build()[0].inter_feat
    r[feat["user_id"].numpy(), feat["item_id"].numpy()] = 1
    degrees = np.maximum(r.sum(1), 1)[:, None] * np.maximum(r.sum(0), 1)[None, :]
    return r / np.sqrt(degrees)


def expected(w, dataset, n_layers=4):
    """Return what behaviour and what the views say of all nodes, users first."""
    r, x = normalised_interactions(w, dataset), w["item_embedding.weight"]
    users = len(r)
    a = np.block([[np.zeros((users, users)), r], [r.T, np.zeros((len(x), len(x)))]])
    layers = [np.concatenate([w["user_embedding.weight"], x])]
    for _ in range(n_layers):
        layers.append(a @ layers[-1])
    behaviour = np.mean(layers, axis=0)
    graphs = [nearest(*each) for each in prepared(dataset)]
    graphs.append(np.maximum.reduce(graphs))
    views = []
    for v, spectrum in enumerate(spectra(w, dataset)):
        h = graphs[v] @ (x * sigmoid(linear(w, f"gates.{v}", spectrum)))
        views.append(np.concatenate([r @ h, h]))
    side = 0
    for v, view in enumerate(views):
        preference = sigmoid(linear(w, f"preferences.{v}", behaviour))
        if v < len(views) - 1:
            hidden = np.tanh(linear(w, f"attention.{v}.0", views[-1]))
            query = np.exp(linear(w, f"attention.{v}.2", hidden))
            preference = preference * query / query.sum(1, keepdims=True)
        side = side + preference * view / len(views)
    return behaviour, side


def info_nce(one, other, temperature):
    logits = unit(one) @ unit(other).T / temperature
    return np.mean(np.log(np.exp(logits).sum(1)) - np.diag(logits))


@pytest.mark.parametrize("features", [("text",), ("image", "text"), ("a", "b", "c")])
def test_vectors_are_the_papers(make, features):
    model, dataset = build(make, features)
    with torch.no_grad():
        found = torch.cat(model.eval().vectors()).numpy()
    assert np.allclose(found, sum(expected(weights(model), dataset)), atol=1e-5)


WEIGHTS = {"cl_weight": 0.5, "temperature": 0.3, "reg_weight": 0.2}


def batch():
    return Interaction({name: torch.tensor(numbers) for name, numbers in BATCH.items()})


def written(model, dataset):
    """L_BPR + lambda_1 L_CL + lambda_2 |E|^2 of the batch."""
    behaviour, side = expected(weights(model), dataset)
    rows = [np.array(BATCH["user_id"])]
    rows += [np.array(BATCH[name]) + model.n_users for name in ("item_id", "neg_item_id")]
    u, i, j = ((behaviour + side)[part] for part in rows)
    loss = np.log1p(np.exp(-(u * (i - j)).sum(1))).mean()
    loss += 0.5 * sum(info_nce(side[part], behaviour[part], 0.3) for part in rows[:2])
    loss += 0.2 / 2 * sum((part**2).sum() for part in (u, i, j)) / 3
    return loss


def test_the_loss_is_the_papers(make):
    model, dataset = build(make, **WEIGHTS)
    assert model.calculate_loss(batch()).item() == pytest.approx(written(model, dataset), abs=1e-5)


def test_both_sides_of_the_contrast_learn(make):
    model, dataset = build(make, **WEIGHTS)
    loss = model.calculate_loss
    assert wrong_slopes(model, lambda: loss(batch()), lambda: written(model, dataset)) == []


def test_fusion_is_a_circular_convolution(make):
    model, _ = build(make)
    with torch.no_grad():
        model.filters.copy_(torch.tensor([1.0, 0.0]))  # let everything through
        one, other, fusion = (each.numpy() for each in model.spectrum_fusion())
    both = (model.features.mask(0) & model.features.mask(1)).nonzero().squeeze(1).tolist()
    for item in both:
        turns = [np.roll(one[item][::-1], shift + 1) for shift in range(6)]
        assert np.allclose(fusion[item], np.array(turns) @ other[item] / np.sqrt(6), atol=1e-5)


def test_a_missing_modality_leaves_the_fusion_to_the_others(make):
    model, _ = build(make)
    with torch.no_grad():
        model.filters[2] = model.filters[0]
        image, text, fusion = model.spectrum_fusion()
    only_image = model.features.mask(0) & ~model.features.mask(1)
    nothing = ~model.features.mask(0) & ~model.features.mask(1)
    assert only_image.any()
    assert torch.allclose(fusion[only_image], image[only_image], atol=1e-6)
    assert not text[only_image].any()
    assert not fusion[nothing].any()


def test_an_item_without_features_gets_only_what_behaviour_says(make):
    model, dataset = build(make, ("image",))
    missing = (~dataset.features["image"].mask).nonzero().squeeze(1)[1:]  # without the padding
    behaviour, _ = expected(weights(model), dataset)
    with torch.no_grad():
        _, items = model.eval().vectors()
    assert len(missing)
    assert np.allclose(items[missing].numpy(), behaviour[missing + model.n_users], atol=1e-5)


def test_a_ranking_drops_nothing(make):
    one, _ = build(make, dropout=0.0)
    other, _ = build(make, dropout=0.9)
    with torch.no_grad():
        assert not torch.equal(one.vectors()[0], other.vectors()[0])
        assert torch.equal(one.eval().vectors()[0], other.eval().vectors()[0])


def test_too_many_neighbours_are_refused(make):
    config, dataset = make("SMORE", knn_k=28)
    with pytest.raises(ValueError, match="knn_k"):
        SMORE(config, dataset.build()[0])
