"""MGCN against the equations of its paper on dense matrices in NumPy."""

import numpy as np
import pytest
import torch
from content import with_content
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.models import MGCN

BATCH = {"user_id": [1, 2, 2, 9], "item_id": [3, 4, 5, 3], "neg_item_id": [6, 7, 8, 1]}
D = 5
SETTINGS = {"embedding_size": D, "knn_k": 4, "contrast_weight": 0.3, "reg_weight": 0.2}


def batch():
    return Interaction({name: torch.tensor(ids) for name, ids in BATCH.items()})


def made(make, features=("image", "text"), **settings):
    config, dataset = make("MGCN", features, **{**SETTINGS, **settings})
    torch.manual_seed(0)
    part = dataset.build()[0]
    return with_content(MGCN(config, part), seed=1), part


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def normalised(a):
    left, right = (1 / np.sqrt(np.maximum(a.sum(axis), 1e-12)) for axis in (1, 0))
    return a * left[:, None] * right


def centred(features):
    real = features.mask.numpy()
    f = features.matrix.numpy().astype(np.float64)
    f = (f - f[real].mean(0)) * real[:, None]
    return f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-12)


def neighbours(features, k):
    """S_m: the k largest cosines of a row, D^-1/2 S D^-1/2 of their row sums."""
    f = centred(features)
    similar = f @ f.T
    similar[:, ~features.mask.numpy()] = similar[~features.mask.numpy()] = -1
    kept = np.zeros_like(similar)
    for row, cosines in enumerate(similar):
        best = np.argsort(-cosines)[:k]
        kept[row, best] = np.maximum(cosines[best], 0)
    degree = np.maximum(kept.sum(1), 1e-12) ** -0.5
    return kept * degree[:, None] * degree


def dense(model, part, layers=2, item_layers=1):
    """Return Ē_id, E_mul and their sum, (n_users + n_items, D), from the equations."""
    w = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    n_users, n_items = model.n_users, model.n_items
    r = np.zeros((n_users, n_items))
    r[part.inter_feat["user_id"], part.inter_feat["item_id"]] = 1
    zeros = (np.zeros((n_users, n_users)), np.zeros((n_items, n_items)))
    a = normalised(np.block([[zeros[0], r], [r.T, zeros[1]]]))
    ids = w["embedding.weight"]
    behaviour = sum(np.linalg.matrix_power(a, layer) @ ids for layer in range(layers + 1))
    behaviour = behaviour / (layers + 1)
    views, present = [], []
    for m, features in enumerate(part.features.values()):
        f = centred(features) @ w[f"project.{m}.weight"].T + w[f"project.{m}.bias"]
        pure = ids[n_users:] * sigmoid(f @ w[f"gate.{m}.weight"].T + w[f"gate.{m}.bias"])
        items = np.linalg.matrix_power(neighbours(features, 4), item_layers) @ pure
        views.append(np.concatenate([a[:n_users, n_users:] @ items, items]))
        mask = features.mask.numpy()
        present.append(np.concatenate([r @ mask > 0, mask]))
    if len(views) == 1:
        return behaviour, views[0], behaviour + views[0]
    fused = fuse(w, behaviour, np.stack(views, 1), np.stack(present, 1))
    return behaviour, fused, behaviour + fused


def fuse(w, behaviour, views, present):
    """E_mul = E_s + the mean over a node's modalities of P_m * (Ē_m - E_s)."""
    fused = np.zeros_like(behaviour)
    for node in range(len(behaviour)):
        places = np.flatnonzero(present[node])
        if not len(places):
            continue
        own = views[node, places]  # (its modalities, D)
        hidden = np.tanh(own @ w["fuser.attention.weight"].T + w["fuser.attention.bias"])
        alpha = softmax((hidden @ w["fuser.query.weight"].T).T)  # (1, its modalities)
        common = alpha @ own
        weight = w["fuser.preference.weight"].reshape(-1, D, D)[places]
        bias = w["fuser.preference.bias"].reshape(-1, D)[places]
        liked = sigmoid(weight @ behaviour[node] + bias)
        fused[node] = common[0] + (liked * (own - common)).sum(0) / len(places)
    return fused


def contrast(one, other, tau):
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (one, other))
    return -np.log(np.diag(softmax(one @ other.T / tau))).mean()


@pytest.mark.parametrize(("layers", "item_layers"), [(2, 1), (1, 2)])
@pytest.mark.parametrize("features", [("image",), ("image", "text"), ("a", "b", "c")])
def test_the_vectors_are_the_papers(make, features, layers, item_layers):
    model, part = made(make, features, n_layers=layers, n_item_layers=item_layers)
    expected = dense(model, part, layers, item_layers)[2]
    assert np.allclose(torch.cat(model.vectors()).detach().numpy(), expected, atol=1e-5)


def written(model, part):
    """L_BPR + lambda_C L_C + lambda_E |E|^2 of the batch."""
    behaviour, fused, total = dense(model, part)
    users, n = np.array(BATCH["user_id"]), model.n_users
    positives, negatives = (n + np.array(BATCH[key]) for key in ("item_id", "neg_item_id"))
    u, i, j = (total[rows] for rows in (users, positives, negatives))
    expected = -np.log(sigmoid((u * (i - j)).sum(1))).mean()
    expected += 0.2 * sum((part**2).sum() for part in (u, i, j)) / 2 / len(users)
    for rows in (users, positives):
        expected += 0.3 * contrast(fused[rows], behaviour[rows], 0.2)
    return expected


def test_the_loss_is_the_papers(make):
    model, part = made(make)
    assert model.calculate_loss(batch()).item() == pytest.approx(written(model, part), abs=1e-5)


def test_both_sides_of_the_contrast_learn(make):
    model, part = made(make)
    loss = model.calculate_loss
    assert wrong_slopes(model, lambda: loss(batch()), lambda: written(model, part)) == []


def test_what_an_item_lacks_adds_nothing_to_it(make):
    """An item with one modality of two has E_mul = Ē_m of that one, whatever the fuser says."""
    model, part = made(make)
    image, text = (part.features[name].mask for name in ("image", "text"))
    only = (image & ~text).nonzero().squeeze(1)
    neither = (~image & ~text).nonzero().squeeze(1)
    assert len(only)
    assert len(neither)  # the padding item at least
    total = torch.cat(model.vectors())
    fused = total - model._behaviour()
    view = model._views()[1][:, :D]
    assert torch.allclose(fused[only + model.n_users], view[only], atol=1e-6)
    assert torch.allclose(fused[neither + model.n_users], torch.zeros(1), atol=1e-6)


def test_without_features_it_is_lightgcn(make):
    model, part = made(make, ())
    n_nodes = model.n_users + model.n_items
    assert [tuple(p.shape) for p in model.parameters()] == [(n_nodes, D)]
    total = torch.cat(model.vectors()).detach().numpy()
    w = model.embedding.weight.detach().numpy().astype(np.float64)
    a = np.zeros((n_nodes, n_nodes))
    a[part.inter_feat["user_id"], model.n_users + part.inter_feat["item_id"]] = 1
    a = normalised(a + a.T)
    assert np.allclose(total, (w + a @ w + a @ a @ w) / 3, atol=1e-5)
    assert torch.isfinite(model.calculate_loss(batch()))


def test_an_item_graph_that_is_not_wanted_is_refused(make):
    with pytest.raises(ValueError, match=r"set the number of neighbours \(knn_k\) lower"):
        made(make, knn_k=40)
