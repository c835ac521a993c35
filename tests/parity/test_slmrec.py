"""SLMRec against a dense re-derivation of its terms, under a draw that is read back."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.models import SLMRec

BATCH = {"user_id": [1, 2, 2, 9], "item_id": [3, 4, 5, 3], "neg_item_id": [6, 7, 8, 1]}
USER, ITEM = BATCH["user_id"], BATCH["item_id"]
D = 64


def build(make, features=("image", "text"), **settings):
    config, dataset = make("SLMRec", features, **settings)
    torch.manual_seed(0)
    model = SLMRec(config, dataset.build()[0])
    for name, value in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(value, std=0.1)  # a bias of zero would prove nothing
    return model


def objective(model, draw=None, **changed):
    rows = {name: torch.tensor(ids) for name, ids in {**BATCH, **changed}.items()}
    return model.objective(Interaction(rows), draw)


def loss(model, draw=None, **changed):
    return objective(model, draw, **changed).item()


def number(tensor):
    return tensor.detach().numpy().astype(np.float64)


def linear(layer, x):
    return x @ number(layer.weight).T + number(layer.bias)


def signals(model):
    content = [
        number(matrix) @ number(layer.weight).T
        for matrix, layer in zip(model.features.matrices(), model.projection, strict=True)
    ]
    return [number(model.item_embedding.weight), *content]


def propagated(model, signal):
    """Users and items after the mean of the layers, of one signal on its own graph."""
    n = model.n_users + model.n_items
    a = np.zeros((n, n))
    a[model.graph.rows.numpy(), model.graph.columns.numpy()] = 1
    degree = np.maximum(a.sum(1), 1)
    a /= np.sqrt(np.outer(degree, degree))
    nodes = np.concatenate([number(model.user_embedding.weight), signal])
    layers = [np.linalg.matrix_power(a, layer) @ nodes for layer in range(model.n_layers + 1)]
    return np.split(np.mean(layers, axis=0), [model.n_users])


def vectors(model, found):
    """Users and items: the signals side by side, through a linear layer each."""
    users = linear(model.fuse_user, np.concatenate([part[0] for part in found], axis=1))
    items = linear(model.fuse_item, np.concatenate([part[1] for part in found], axis=1))
    return users, items


def whole(model):
    return [propagated(model, signal) for signal in signals(model)]


def info_nce(one, other, tau):
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    scores = np.exp(one @ other.T / tau)
    return -np.log(np.diag(scores) / scores.sum(1)).mean()


def main_loss(model):
    users, items = vectors(model, whole(model))
    return info_nce(users[USER], items[ITEM], model.temperature)


def two_views(model, views):
    (u, i), (other_u, other_i) = (vectors(model, view) for view in views)
    tau = model.ssl_temperature
    return info_nce(u[USER], other_u[USER], tau) + info_nce(i[ITEM], other_i[ITEM], tau)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_vectors_are_the_fused_means_of_the_layers(make, n_layers):
    model = build(make, n_layers=n_layers)
    for ours, expected in zip(model.vectors(), vectors(model, whole(model)), strict=True):
        assert np.allclose(number(ours), expected, atol=1e-5)


@pytest.mark.parametrize("features", [(), ("image",), ("image", "text", "audio")])
def test_fine_and_coarse(make, features):
    model = build(make, features, ssl_weight=0.7, ssl_temperature=0.3)
    assert loss(model) == pytest.approx(fine_and_coarse(model), abs=1e-5)


def fine_and_coarse(model):
    """The main loss and the contrasts of each modality with those before it."""
    first, *others = (items[ITEM] for _, items in whole(model))
    expected = main_loss(model)
    for joint, single, other in zip(model.joint, model.single, others, strict=True):
        first = linear(joint, first)
        expected += 0.7 * info_nce(first, linear(single, other), 0.3)
    return expected


def test_only_the_last_of_several_spaces_is_coarse(make):
    for features, sizes in ((("a",), [D]), (("a", "b", "c"), [D, D, D // 2])):
        model = build(make, features)
        assert [layer.out_features for layer in model.joint] == sizes
        assert [layer.out_features for layer in model.single] == sizes


def test_feature_masking(make):
    model = build(make, ssl_task="FM", ssl_weight=0.7)
    assert loss(model, MASKED) == pytest.approx(feature_masking(model), abs=1e-5)


MASKED = torch.tensor([2, 0])


def feature_masking(model):
    """The main loss and the contrast of two views, each without the signal that is masked."""
    views = []
    for place in MASKED.tolist():
        view = signals(model)
        view[place] = np.zeros_like(view[place])
        views.append([propagated(model, signal) for signal in view])
    return main_loss(model) + 0.7 * two_views(model, views)


def test_two_views_never_mask_the_same_signal(make):
    model = build(make, ssl_task="FM")
    drawn = [tuple(model.draw().tolist()) for _ in range(60)]
    assert set(drawn) == {(a, b) for a in range(3) for b in range(3) if a != b}


def test_feature_dropout(make):
    model = build(make, ssl_task="FD", ssl_weight=0.7, feature_dropout=0.4)
    draw = model.draw()
    assert loss(model, draw) == pytest.approx(feature_dropout(model, draw), abs=1e-5)


def feature_dropout(model, draw):
    """The main loss and the contrast of two views, each without the numbers that are dropped."""
    views = []
    for factors in draw:
        parts = zip(signals(model), np.split(number(factors), 3, axis=1), strict=True)
        views.append([propagated(model, signal * factor) for signal, factor in parts])
    return main_loss(model) + 0.7 * two_views(model, views)


TASKS = {
    "FAC": (lambda _model: None, lambda model, _draw: fine_and_coarse(model)),
    "FM": (lambda _model: MASKED, lambda model, _draw: feature_masking(model)),
    "FD": (lambda model: model.draw(), feature_dropout),
}


@pytest.mark.parametrize("task", TASKS)
def test_both_sides_of_every_contrast_learn(make, task):
    model = build(make, ssl_task=task, ssl_weight=0.7, ssl_temperature=0.3, n_layers=1)
    drawn, written = TASKS[task]
    draw = drawn(model)
    assert wrong_slopes(model, lambda: objective(model, draw), lambda: written(model, draw)) == []


def test_what_is_not_dropped_is_scaled_up(make):
    drawn = build(make, ssl_task="FD", feature_dropout=0.4).draw()
    assert np.allclose(drawn.unique().numpy(), [0, 1 / 0.6])
    assert drawn.mean().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(drawn[0], drawn[1])


def test_masking_needs_a_modality(make):
    with pytest.raises(ValueError, match="ssl_task FM needs at least one modality"):
        build(make, (), ssl_task="FM")


def test_an_item_without_a_modality_gets_nothing_from_it(make):
    model = build(make, ("image",))
    missing = (~model.features.mask(0)).nonzero().squeeze(1)
    assert len(missing) > 1
    assert model.signals()[missing, D:].abs().sum() == 0


def test_sampled_negatives_are_not_read(make):
    model = build(make)
    assert loss(model) == loss(model, neg_item_id=[1, 1, 1, 2])
