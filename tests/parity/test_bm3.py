"""BM3 against its paper's equations, written down again with dense NumPy matrices."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from slopes import wrong_slopes
from torch.nn.functional import dropout as thinned

from recbole_ext.models.bm3 import BM3

USER, ITEM = np.array([1, 2, 3, 3]), np.array([4, 5, 6, 9])
N_USERS, N_ITEMS = 41, 31
WEIGHTS = {"reg_weight": 0.3, "cl_weight": 0.7}


def built(make, features=("image", "text"), **settings):
    config, dataset = make("BM3", features, **{**WEIGHTS, **settings})
    model = BM3(config, dataset.build()[0])
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():  # the biases, too, which begin at zero
        parameter.data.normal_(generator=generator)
    return model, dataset


def batch(negative=(7, 8, 9, 4)):
    columns = {"user_id": USER, "item_id": ITEM, "neg_item_id": np.array(negative)}
    return Interaction({name: torch.from_numpy(values) for name, values in columns.items()})


def values(model):
    return {name: p.detach().numpy().astype(np.float64) for name, p in model.named_parameters()}


def propagated(dataset, given, n_layers=1):
    """h_u and h_i: the mean of the layers; an item's own vector is added once more."""
    part = dataset.build()[0]
    user, item = part.inter_feat["user_id"].numpy(), part.inter_feat["item_id"].numpy()
    graph = np.zeros((N_USERS + N_ITEMS, N_USERS + N_ITEMS))
    graph[user, N_USERS + item] = graph[N_USERS + item, user] = 1
    rsqrt = 1 / np.sqrt(np.maximum(graph.sum(1), 1))
    graph *= rsqrt[:, None] * rsqrt
    items = given["item_embedding.weight"]
    layers = [np.concatenate([given["user_embedding.weight"], items])]
    for _ in range(n_layers):
        layers.append(graph @ layers[-1])
    mean = np.mean(layers, axis=0)
    return mean[:N_USERS], mean[N_USERS:] + items


def predicted(h, given):
    return h @ given["predictor.weight"].T + given["predictor.bias"]


def apart(online, target):
    length = np.linalg.norm(online, axis=1) * np.linalg.norm(target, axis=1)
    return 1 - (online * target).sum(1) / length


def projected(model, given, place):
    features = model.features.matrix(place).numpy().astype(np.float64)
    return features[ITEM] @ given[f"W.{place}.weight"].T + given[f"W.{place}.bias"]


def targets(model, dataset, given, keep):
    """h-dot of users, items and every modality; `keep` are the masks, already over 1 - p."""
    h_u, h_i = propagated(dataset, given)
    parts = [h_u[USER], h_i[ITEM]]
    parts += [projected(model, given, place) for place in range(len(model.features))]
    return [part * mask for part, mask in zip(parts, keep, strict=True)]


def loss_of(model, dataset, given, fixed):
    """The loss where the online branch reads `given` and the targets are `fixed`."""
    target_u, target_i, *of_modalities = fixed
    h_u, h_i = propagated(dataset, given)
    loss = apart(predicted(h_u[USER], given), target_i).mean()
    loss += apart(predicted(h_i[ITEM], given), target_u).mean()
    for place, target in enumerate(of_modalities):
        online = predicted(projected(model, given, place), given)
        mask = model.features.mask(place).numpy()[ITEM]
        both = apart(online, target_i) + apart(online, target)  # L_align and L_mask
        loss += WEIGHTS["cl_weight"] * (both * mask).mean()
    norms = np.linalg.norm(h_u) + np.linalg.norm(h_i)
    return loss + WEIGHTS["reg_weight"] * norms / N_ITEMS


@pytest.mark.parametrize("n_layers", [1, 3])
def test_scores_are_the_papers(make, n_layers):
    model, dataset = built(make, n_layers=n_layers)
    given = values(model)
    h_u, h_i = propagated(dataset, given, n_layers)
    users = Interaction({"user_id": torch.tensor([1, 2, 7])})
    scores = model.eval().full_sort_predict(users).detach().view(3, -1).numpy()
    expected = predicted(h_u[[1, 2, 7]], given) @ predicted(h_i, given).T
    assert np.allclose(scores, expected, rtol=1e-5, atol=1e-2)  # products of some hundreds


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("features", [("image", "text"), ("a", "b", "c"), ()])
def test_the_loss_is_the_papers(make, features, dropout):
    model, dataset = built(make, features, dropout=dropout)
    given = values(model)
    torch.manual_seed(5)
    loss = model.calculate_loss(batch()).item()
    torch.manual_seed(5)  # the same masks once more
    ones = torch.ones(len(USER), 64)
    keep = [thinned(ones, dropout).numpy() for _ in range(2 + len(features))]
    expected = loss_of(model, dataset, given, targets(model, dataset, given, keep))
    assert loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("stopped", [True, False])
def test_no_gradient_flows_into_the_targets(make, stopped):
    """BM3 stops it on purpose: every slope is that of the online branch alone."""
    model, dataset = built(make, dropout=0)
    fixed = targets(model, dataset, values(model), [1] * 4)

    def written():
        given = values(model)
        current = targets(model, dataset, given, [1] * 4)
        return loss_of(model, dataset, given, fixed if stopped else current)

    wrong = wrong_slopes(model, lambda: model.calculate_loss(batch()), written)
    reach_a_target = {n for n in values(model) if n.startswith(("user", "item", "W"))}
    assert set(wrong) == (set() if stopped else reach_a_target)


def test_negatives_are_not_read(make):
    model, _ = built(make, dropout=0)
    assert model.calculate_loss(batch()).item() == model.calculate_loss(batch((1, 2, 3, 4))).item()


def test_an_item_without_a_modality_takes_no_part_in_it(make):
    model, _ = built(make, dropout=0)
    model.features.mask(0)[ITEM] = False  # as if the whole batch lacked the first
    model.calculate_loss(batch()).backward()
    assert not model.W[0].weight.grad.any()
    assert not model.W[0].bias.grad.any()
    assert model.W[1].weight.grad.any()


def test_targets_are_thinned_in_training_only(make):
    model, _ = built(make, dropout=0.5)
    seeds = (1, 2)
    losses = {"train": [], "eval": []}
    for mode, found in losses.items():
        model.train(mode == "train")
        for seed in seeds:
            torch.manual_seed(seed)
            found.append(model.calculate_loss(batch()).item())
    assert losses["train"][0] != losses["train"][1]
    assert losses["eval"][0] == losses["eval"][1]
