"""LGMRec against its paper's equations on dense matrices in float64."""

import numpy as np
import pytest
import torch
from recbole.data.interaction import Interaction
from slopes import wrong_slopes

from recbole_ext.models import LGMRec
from recbole_ext.models import lgmrec as module
from recbole_ext.run import fit

BATCH = {"user_id": [1, 2, 2, 9], "item_id": [3, 4, 5, 3], "neg_item_id": [6, 7, 8, 1]}


def batch():
    return Interaction({name: torch.tensor(ids) for name, ids in BATCH.items()})


def build(make, features=("image", "text"), **settings):
    config, dataset = make("LGMRec", features, **settings)
    torch.manual_seed(0)
    part = dataset.build()[0]
    return LGMRec(config, part), part


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def softmax(rows):
    raised = np.exp(rows - rows.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


class Paper:
    """The paper on dense matrices; users come before items."""

    def __init__(self, model, part):
        self.model, self.n = model, (model.n_users, model.n_items)
        state = model.state_dict().items()
        self.w = {name: value.numpy().astype(np.float64) for name, value in state}
        self.r = np.zeros(self.n)
        users, items = (part.inter_feat[field].numpy() for field in ("user_id", "item_id"))
        self.r[users, items] = 1
        a = np.block([[np.zeros((self.n[0],) * 2), self.r], [self.r.T, np.zeros((self.n[1],) * 2)]])
        degree = np.maximum(a.sum(1), 1)
        self.a = a / np.sqrt(np.outer(degree, degree))
        self.places = range(len(model.features))
        self.f = [model.features.matrix(m).numpy().astype(np.float64) for m in self.places]
        self.real = [model.features.mask(m).numpy().astype(np.float64) for m in self.places]

    def collaborative(self):
        layers = [self.w["embedding.weight"]]
        for _ in range(self.model.n_layers):
            layers.append(self.a @ layers[-1])
        return np.mean(layers, 0)

    def modal(self, m):
        items = self.f[m] @ self.w[f"transform.{m}.weight"].T
        count = np.maximum(self.r @ self.real[m], 1)  # |N_u|, of the items that have it
        nodes = np.concatenate([self.r @ items / count[:, None], items])
        return np.linalg.matrix_power(self.a, self.model.n_modal_layers) @ nodes

    def members(self, m, noise=0.0):
        """H~ of users and items; without the modality there is none."""
        items = self.f[m] @ self.w[f"hyperedges.{m}.weight"].T
        logits = np.concatenate([self.r @ items, items])
        present = np.concatenate([self.r @ self.real[m] > 0, self.real[m] > 0])
        return softmax((logits + noise) / self.model.temperature) * present[:, None]

    def hypergraph(self, members):
        """E^(m,H) of users and items, layer by layer."""
        users, items = np.split(members, [self.n[0]])
        own = self.collaborative()[self.n[0] :]
        for _ in range(self.model.n_hyper_layers):
            own, chosen = items @ items.T @ own, users @ items.T @ own
        return np.concatenate([chosen, own])

    def final(self, members):
        total = self.collaborative() + sum(unit(self.modal(m)) for m in self.places)
        return total + self.model.alpha * unit(sum(self.hypergraph(each) for each in members))

    def contrast(self, members):
        """L_HCL of the batch's users and positive items, of every pair of modalities."""
        total = 0.0
        for first, last, rows in (
            (0, self.n[0], BATCH["user_id"]),
            (self.n[0], sum(self.n), [self.n[0] + i for i in BATCH["item_id"]]),
        ):
            for a in self.places:
                for b in range(a + 1, len(members)):
                    here = [members[m].any(1) for m in (a, b)]
                    one, other = (unit(self.hypergraph(members[m])) for m in (a, b))
                    nodes = [n for n in range(first, last) if here[1][n]]
                    kept = [n for n in rows if here[0][n] and here[1][n]]
                    raised = np.exp(one[kept] @ other.T / self.model.temperature)
                    ratio = raised[range(len(kept)), kept] / raised[:, nodes].sum(1)
                    total -= np.log(ratio).sum()
        return total

    def loss(self, members):
        final, n_users = self.final(members), self.n[0]
        u = final[BATCH["user_id"]]
        i, j = (final[[n_users + item for item in BATCH[k]]] for k in ("item_id", "neg_item_id"))
        ranking = -np.log(1 / (1 + np.exp(-(u * (i - j)).sum(1)))).mean()
        squares = sum((self.w[name] ** 2).sum() for name in self.w)
        contrast = self.model.contrast_weight * self.contrast(members)
        return ranking + contrast + self.model.reg_weight * squares


@pytest.mark.parametrize("features", [(), ("image",), ("image", "text", "audio")])
@pytest.mark.parametrize("layers", [1, 3])
def test_vectors_are_the_papers(make, features, layers):
    names = ("n_layers", "n_modal_layers", "n_hyper_layers")
    model, part = build(make, features, **dict.fromkeys(names, layers))
    paper = Paper(model, part)
    members = [paper.members(m) for m in paper.places]
    expected = paper.final(members) if features else paper.collaborative()
    assert np.allclose(torch.cat(model.eval().vectors()).detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.05, 0.2])
def test_the_loss_is_the_papers_with_the_noise_that_was_drawn(make, temperature):
    chosen = {"contrast_weight": 0.3, "reg_weight": 0.1, "temperature": temperature}
    model, part = build(make, ("image", "text", "audio"), dropout=0.0, **chosen)
    paper = Paper(model, part)
    torch.manual_seed(7)
    delta = torch.rand(sum(paper.n), 3, model.n_hyperedges).double().numpy()
    noise = np.log(delta) - np.log(1 - delta)
    members = [paper.members(m, noise[:, m]) for m in paper.places]
    torch.manual_seed(7)
    assert model.calculate_loss(batch()).item() == pytest.approx(paper.loss(members), rel=1e-5)


def test_both_sides_of_the_contrast_learn(make):
    chosen = {"contrast_weight": 0.3, "reg_weight": 0.1, "temperature": 0.5}
    model, part = build(make, ("image", "text", "audio"), dropout=0.0, **chosen)
    model.eval()  # no noise: what is written down would have to draw it, too

    def written():
        paper = Paper(model, part)
        return paper.loss([paper.members(m) for m in paper.places])

    assert wrong_slopes(model, lambda: model.calculate_loss(batch()), written) == []


def test_the_loss_is_the_papers_with_the_dependencies_that_were_left_out(make):
    model, part = build(make, dropout=0.5, contrast_weight=0.3)
    drawn = []
    kept = model.dependencies
    model.dependencies = lambda logits: drawn.append(kept(logits)) or drawn[-1]
    loss = model.calculate_loss(batch()).item()
    whole = drawn[0].detach().double().numpy()  # (n_nodes, |M|, A)
    assert 0.3 < (whole[1:] == 0).mean() < 0.7
    paper = Paper(model, part)
    # A node that lost all of its dependencies is still one of the modality: its cosines are 0.
    hidden = [whole[:, m] + 1e-300 * (paper.members(m) > 0) for m in paper.places]
    assert loss == pytest.approx(paper.loss(hidden), rel=1e-5)


def test_a_ranking_draws_nothing(make):
    model = fit(*make("LGMRec", epochs=1)).model
    with torch.no_grad():
        one, other = (torch.cat(model.eval().vectors()) for _ in range(2))
    assert torch.equal(one, other)


def test_an_item_without_a_modality_is_in_none_of_its_hyperedges(make):
    model, part = build(make, ("image",))
    missing = model.n_users + (~part.features["image"].mask).nonzero().squeeze(1)
    members = model.dependencies(model.content()[1])
    assert len(missing) > 1
    assert torch.equal(members[missing], torch.zeros(len(missing), 1, 4))


@pytest.mark.parametrize("cells", [1, 100, 10**6])
def test_the_contrast_in_blocks_is_the_dense_one(monkeypatch, cells):
    monkeypatch.setattr(module, "CELLS", cells)
    generator = torch.Generator().manual_seed(0)
    sizes = [(7, 3), (7, 3), (31, 3), (3, 5), (3, 5)]
    leaves = [torch.rand(size, generator=generator, requires_grad=True) for size in sizes]
    one, other, nodes, held, other_held = leaves
    found = module.contrast(*leaves, 0.2)
    own = torch.nn.functional.normalize(one @ held)
    views = [torch.nn.functional.normalize(each @ other_held) for each in (other, nodes)]
    dense = ((own @ views[1].T) / 0.2).logsumexp(1).sum() - (own * views[0]).sum() / 0.2
    assert found.item() == pytest.approx(dense.item(), rel=1e-5)
    for mine, plain in zip(
        torch.autograd.grad(3 * found, leaves), torch.autograd.grad(3 * dense, leaves), strict=True
    ):
        assert torch.allclose(mine, plain, atol=1e-4)
