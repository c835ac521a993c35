"""MMGCL against a dense re-derivation of its terms, under a draw that is read back."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.models import MMGCL

BATCH = {"user_id": [1, 2, 2, 9], "item_id": [3, 4, 5, 3], "neg_item_id": [6, 7, 8, 1]}
D = 64


def build(make, features=("image", "text"), **settings):
    config, dataset = make("MMGCL", features, **settings)
    torch.manual_seed(0)
    model = MMGCL(config, dataset.build()[0])
    for layer in (model.fuse_user, model.fuse_item):
        torch.nn.init.normal_(layer.bias, std=0.1)  # a bias of zero would prove nothing
    return model


def batch():
    return Interaction({name: torch.tensor(ids) for name, ids in BATCH.items()})


def number(tensor):
    return tensor.detach().numpy().astype(np.float64)


def interactions(model, weights=None):
    """The dense user-item matrix of the edges that have a weight, (n_users, n_items)."""
    graph, found = model.graph, np.zeros((model.n_users, model.n_items))
    kept = graph.weights if weights is None else weights
    for row, column, weight in zip(graph.rows, graph.columns, kept, strict=True):
        if row < model.n_users and weight > 0:
            found[row, column - model.n_users] = 1
    return found


def adjacency(between):
    """D^-1/2 A D^-1/2 of a user-item matrix, (n_nodes, n_nodes)."""
    n_users, n_items = between.shape
    a = np.block([[np.zeros((n_users, n_users)), between], [between.T, np.zeros((n_items,) * 2)]])
    degree = np.maximum(a.sum(1), 1)
    return a / np.sqrt(np.outer(degree, degree))


def propagated(model, between, signal):
    """Users and items after the mean of the layers 0 to L, of one signal."""
    a = adjacency(between)
    nodes = np.concatenate([number(model.user_embedding.weight), signal])
    layers = [np.linalg.matrix_power(a, layer) @ nodes for layer in range(model.n_layers + 1)]
    mean = np.mean(layers, axis=0)
    return mean[: model.n_users], mean[model.n_users :]


def signals(model):
    content = [
        number(matrix) @ number(layer.weight).T
        for matrix, layer in zip(model.features.matrices(), model.projection, strict=True)
    ]
    return [number(model.item_embedding.weight), *content]


def fused(layer, parts):
    return np.concatenate(parts, axis=1) @ number(layer.weight).T + number(layer.bias)


def whole(model):
    return [propagated(model, interactions(model), signal) for signal in signals(model)]


def cosine(one, other):
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    return one @ other.T


def info_nce(one, other, tau, hard=None):
    scores = np.exp(cosine(one, other) / tau)
    below = scores.sum(1)
    if hard is not None:
        below = below + np.exp(np.diag(cosine(one, hard)) / tau)
    return -np.log(np.diag(scores) / below).mean()


def contrast(model, draw):
    """The two views, the challenging negatives and both anchors, one by one."""
    u, i, j = BATCH.values()
    dropped = [
        propagated(model, interactions(model, weights), signal)
        for weights, signal in zip(draw.weights, signals(model), strict=True)
    ]
    noise = number(draw.noise) * model.features.mask(draw.masked).numpy()[:, None]
    masked = whole(model)
    masked[1 + draw.masked] = propagated(model, interactions(model), noise)
    hard = [items[i] for _, items in dropped]
    hard[1 + draw.perturbed] = dropped[1 + draw.perturbed][1][j]
    users = fused(model.fuse_user, [part[u] for part, _ in masked])
    items = fused(model.fuse_item, [part[i] for _, part in masked])
    other_users = fused(model.fuse_user, [part[u] for part, _ in dropped])
    other_items = fused(model.fuse_item, [part[i] for _, part in dropped])
    tau = model.temperature
    of_users = info_nce(users, other_items, tau, fused(model.fuse_item, hard))
    return of_users + info_nce(items, other_users, tau)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_vectors_are_the_fused_means_of_the_layers(make, n_layers):
    model = build(make, n_layers=n_layers)
    parts = whole(model)
    users, items = (number(each) for each in model.vectors())
    assert np.allclose(users, fused(model.fuse_user, [part for part, _ in parts]), atol=1e-5)
    assert np.allclose(items, fused(model.fuse_item, [part for _, part in parts]), atol=1e-5)


WEIGHTS = {"edge_dropout": 0.3, "ssl_weight": 0.7, "reg_weight": 0.2}


def written(model, draw):
    """BPR, contrast and regulariser of the batch."""
    users, items = (number(each) for each in model.vectors())
    u, i, j = BATCH.values()
    margin = (users[u] * (items[i] - items[j])).sum(1)
    e_u, e_i = number(model.user_embedding.weight), number(model.item_embedding.weight)
    squares = sum((rows**2).sum() for rows in (e_u[u], e_i[i], e_i[j])) / len(u)
    return np.log1p(np.exp(-margin)).mean() + 0.7 * contrast(model, draw) + 0.2 * squares


@pytest.mark.parametrize("features", [("image",), ("image", "text", "audio")])
def test_the_loss_is_bpr_contrast_and_regulariser(make, features):
    model = build(make, features, **WEIGHTS)
    draw = model.draw()
    assert model.objective(batch(), draw).item() == pytest.approx(written(model, draw), abs=1e-5)


def test_anchors_candidates_and_challenging_negatives_learn(make):
    model = build(make, **WEIGHTS, n_layers=1)
    draw = model.draw()
    loss = model.objective
    assert wrong_slopes(model, lambda: loss(batch(), draw), lambda: written(model, draw)) == []


def test_a_graph_without_its_dropped_edges_is_normalised_anew(make):
    model = build(make, edge_dropout=0.4)
    weights = model.draw().weights
    graph = model.graph
    for drawn in weights:
        dense = np.zeros((model.n_users + model.n_items,) * 2)
        dense[graph.rows.numpy(), graph.columns.numpy()] = drawn.numpy()
        assert np.allclose(dense, adjacency(interactions(model, drawn)), atol=1e-6)
        assert 0.5 < (drawn > 0).float().mean() < 0.7
    assert not torch.equal(weights[0], weights[1])  # each graph loses edges of its own


def test_without_dropout_the_graph_stays(make):
    model = build(make, edge_dropout=0.0)
    assert torch.allclose(model.draw().weights[0], model.graph.weights, atol=1e-7)


def test_a_view_masks_the_modality_that_was_drawn_and_no_other(make):
    model = build(make, ("image", "text", "audio"))
    rows = torch.tensor([1, 2, 3 + model.n_users, 4 + model.n_users])
    nodes = model.propagated(model.signals())[rows]
    for place in range(3):
        draw = model.draw()._replace(masked=place)
        view = torch.cat(model._masked(rows, tuple(nodes.chunk(2)), draw))
        same = [torch.equal(a, b) for a, b in zip(view.split(D, 1), nodes.split(D, 1), strict=True)]
        assert same == [signal != 1 + place for signal in range(4)]


def test_every_modality_is_masked_and_perturbed_in_turn(make):
    model = build(make, ("image", "text", "audio"))
    draws = [model.draw() for _ in range(60)]
    assert {draw.masked for draw in draws} == {draw.perturbed for draw in draws} == {0, 1, 2}


def test_an_item_without_a_modality_gets_nothing_from_it(make):
    model = build(make, ("image",))
    missing = (~model.features.mask(0)).nonzero().squeeze(1)
    assert len(missing) > 1
    assert model.signals()[1][missing].abs().sum() == 0


def test_views_do_not_change_the_ranking(make):
    model = build(make, edge_dropout=0.5)
    before = model.vectors()
    model.calculate_loss(batch())
    assert all(torch.equal(*pair) for pair in zip(before, model.vectors(), strict=True))


def test_a_step_leaves_nothing_to_the_next(make):
    """Two losses before either way back: each has the gradient that it has alone."""
    model = build(make, edge_dropout=0.5)
    draws, weights = [model.draw(), model.draw()], model.graph.weights.clone()
    learned = list(model.parameters())
    alone = [torch.autograd.grad(model.objective(batch(), draw), learned) for draw in draws]
    together = [model.objective(batch(), draw) for draw in draws]
    for loss, expected in zip(together, alone, strict=True):
        found = torch.autograd.grad(loss, learned)
        assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    assert not torch.equal(alone[0][0], alone[1][0])
    assert torch.equal(model.graph.weights, weights)
