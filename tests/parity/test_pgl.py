"""PGL against the equations of its paper on dense matrices in NumPy."""

import numpy as np
import pytest
import torch
from content import with_content
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.graphs import bipartite_weights
from recbole_ext.item_graphs import Edges
from recbole_ext.models import PGL
from recbole_ext.models.pgl import principal_entries

BATCH = {"user_id": [1, 2, 2, 9], "item_id": [3, 4, 5, 3], "neg_item_id": [6, 7, 8, 1]}
D = 5
SETTINGS = {"embedding_size": D, "knn_k": 4, "contrast_weight": 0.3, "dropout": 0.0, "svd_rank": 12}


def batch():
    return Interaction({name: torch.tensor(ids) for name, ids in BATCH.items()})


def made(make, features=("image", "text"), **settings):
    config, dataset = make("PGL", features, **{**SETTINGS, **settings})
    torch.manual_seed(0)
    part = dataset.build()[0]
    return with_content(PGL(config, part), seed=1), part


def whole(graph):
    """Return a Graph as a dense matrix."""
    dense = np.zeros(graph.size)
    dense[graph.rows, graph.columns.long()] = graph.weights
    return dense


def normalised(a):
    rows, columns = (np.maximum(a.sum(axis), 1e-12) ** -0.5 for axis in (1, 0))
    return a * rows[:, None] * columns


def interactions(model, part):
    """Return the user-item matrix of zeros and ones."""
    r = np.zeros((model.n_users, model.n_items))
    r[part.inter_feat["user_id"], part.inter_feat["item_id"]] = 1
    return r


def bipartite(r):
    return np.block([[np.zeros((len(r), len(r))), r], [r.T, np.zeros((r.shape[1], r.shape[1]))]])


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def centred(features):
    real = features.mask.numpy()
    f = features.matrix.numpy().astype(np.float64)
    return unit((f - f[real].mean(0)) * real[:, None])


def similar(features):
    """S_m: 1 for the 4 nearest neighbours of positive cosine, D^-1/2 S D^-1/2 of the row sums."""
    f, mask = centred(features), features.mask.numpy()
    cosines = f @ f.T
    cosines[:, ~mask] = cosines[~mask] = -1
    kept = np.zeros_like(cosines)
    for row, values in enumerate(cosines):
        best = np.argsort(-values)[:4]
        kept[row, best] = values[best] > 0
    degree = np.maximum(kept.sum(1), 1e-12) ** -0.5
    return kept * degree[:, None] * degree


def dense(model, part, a, weights, layers=2, item_layers=1):
    """Return the vectors of all users and items from the equations, (n_users + n_items, |M| D)."""
    w = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    parts = []
    for m, features in enumerate(part.features.values()):
        f = centred(features) @ w[f"project.{m}.weight"].T + w[f"project.{m}.bias"]
        parts.append(unit(f) * features.mask.numpy()[:, None])
    items = np.concatenate(parts, 1)
    nodes = np.concatenate([w["user_embedding.weight"], items])
    powers = [np.linalg.matrix_power(a, layer) @ nodes for layer in range(layers + 1)]
    total = sum(powers) / (layers + 1)
    s = sum(weight * similar(f) for weight, f in zip(weights, part.features.values(), strict=True))
    total[model.n_users :] += np.linalg.matrix_power(s, item_layers) @ items
    return total


def log_softmax(x):
    return x - x.max(1, keepdims=True) - np.log(np.exp(x - x.max(1, keepdims=True)).sum(1))[:, None]


def expected_loss(model, total):
    users = np.array(BATCH["user_id"])
    i, j = (total[model.n_users + np.array(BATCH[key])] for key in ("item_id", "neg_item_id"))
    u = total[users]
    loss = np.log1p(np.exp(-(u * (i - j)).sum(1))).mean()
    views = [-np.diag(log_softmax(unit(x) @ unit(x).T / 0.2)).mean() for x in (u, i)]
    return loss + 0.3 * sum(views) / 2


CASES = [
    (("image",), (1,), 2, 1),
    (("text", "image"), (0.9, 0.1), 1, 2),
    (("a", "b", "c"), (1 / 3, 1 / 3, 1 / 3), 2, 1),
]


@pytest.mark.parametrize(("features", "weights", "layers", "item_layers"), CASES)
def test_the_vectors_are_the_papers(make, features, weights, layers, item_layers):
    model, part = made(make, features, n_layers=layers, n_item_layers=item_layers)
    a = normalised(bipartite(interactions(model, part)))
    expected = dense(model, part, a, weights, layers, item_layers)
    assert np.allclose(torch.cat(model.vectors()).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("subgraph", ["local", "global"])
def test_the_loss_is_the_papers_on_the_drawn_sub_graph(make, subgraph):
    model, part = made(make, subgraph=subgraph)
    model.train()
    a = whole(model.graph)
    if subgraph == "local":
        assert np.allclose(a, normalised((a > 0) * 1.0), atol=1e-6)
    expected = expected_loss(model, dense(model, part, a, (0.1, 0.9)))
    assert model.calculate_loss(batch()).item() == pytest.approx(expected, abs=1e-5)


def test_both_views_of_the_contrast_learn(make):
    model, part = made(make)
    a = whole(model.graph)

    def written():
        return expected_loss(model, dense(model, part, a, (0.1, 0.9)))

    assert wrong_slopes(model, lambda: model.calculate_loss(batch()), written) == []


def test_a_local_sub_graph_is_drawn_anew_and_ranking_does_not_see_it(make):
    model, part = made(make)
    r, before = interactions(model, part), torch.cat(model.eval().vectors())
    drawn = [whole(model.train().graph)[: model.n_users, model.n_users :] > 0 for _ in range(2)]
    assert [kept.sum() for kept in drawn] == [int(r.sum() * 0.3)] * 2
    assert all((r[kept] == 1).all() for kept in drawn)
    assert (drawn[0] != drawn[1]).any()
    assert torch.equal(torch.cat(model.eval().vectors()), before)


def test_local_edges_are_drawn_in_proportion_to_their_weight(make):
    """Edges of rare users and items are kept more often."""
    model, _ = made(make)
    found = model.interactions
    found.weight = torch.where(found.item < 10, 1e-4, 1.0)
    model.train()
    kept = model.graph.columns.long() - model.n_users
    assert (kept[kept > 0] < 10).float().mean() < 0.1


@pytest.mark.parametrize("threshold", [1e-12, 0.05])
def test_the_global_sub_graph_is_the_svd_cut_in_the_middle(make, threshold):
    model, part = made(make, subgraph="global", svd_share=0.25, svd_threshold=threshold)
    a = normalised(bipartite(interactions(model, part)))
    left, sigma, right = np.linalg.svd(a)
    kept = np.r_[0:6, 18:24]  # 12 singular values of R are 24 of Ã; a quarter at each end
    expected = (left[:, kept] * sigma[kept]) @ right[kept]
    expected *= np.abs(expected) >= threshold
    assert np.allclose(whole(model.graph), expected, atol=1e-6)
    assert (model.train().graph.weights == model.graph.weights).all()


def test_blocks_of_rows_are_the_whole(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    user, item = (torch.rand(50, 20, generator=generator) < 0.2).nonzero(as_tuple=True)
    entries = Edges(user, item, bipartite_weights(user, item, 50, 20))
    once = principal_entries(entries, (50, 20), 8, 0.25, 1e-3)
    monkeypatch.setattr("recbole_ext.models.pgl.BLOCK", 60)  # three rows
    for one, other in zip(once, principal_entries(entries, (50, 20), 8, 0.25, 1e-3), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_views_of_the_self_supervised_loss_differ(make):
    model, _ = made(make, dropout=0.5)
    losses = [model.calculate_loss(batch()).item() for _ in range(2)]
    assert losses[0] != losses[1]


def test_an_item_graph_that_was_given_stands_in(make):
    config, dataset = make("PGL", **SETTINGS)
    dataset.add_item_graph(["i0", "i1"], [0], [1], [1.0])
    model = PGL(config, dataset.build()[0])
    assert model.item_graph.weights.tolist() == [1.0]


def test_more_singular_values_than_there_are_and_no_modality_are_refused(make):
    with pytest.raises(ValueError, match="set svd_rank below 31"):
        made(make, subgraph="global", svd_rank=31)
    with pytest.raises(ValueError, match="needs at least one modality"):
        made(make, ())
