"""The training step against the plain loop that it stands for."""

import copy

import pytest
import torch

from recbole_ext.batches import Batches
from recbole_ext.models import resolve
from recbole_ext.optimizer import learning_rate
from recbole_ext.run import fit
from recbole_ext.step import Step
from recbole_ext.trainer import Trainer


class Unmeasured:
    """A validation that is never asked: the curves are of the losses."""

    n_items = 31

    def rank(self, model):
        raise AssertionError


def parts(make, model, **settings):
    config, dataset = make(model, **settings)
    part = dataset.build()[0]
    torch.manual_seed(0)
    return (
        config,
        resolve(model)(config, part),
        part.inter_feat["user_id"],
        part.inter_feat["item_id"],
    )


def trained(make, model, epochs=1, **settings):
    """Train some epochs with our engine; return the mean losses and the model."""
    config, made, user, item = parts(make, model, **settings)
    trainer = Trainer(config, made, user, item, Unmeasured())
    return [trainer._train(number) for number in range(1, epochs + 1)], made


def plainly(make, model, epochs=1, **settings):
    """Do the same in the plainest way PyTorch has."""
    config, made, user, item = parts(make, model, **settings)
    optimizer = torch.optim.Adam(made.parameters(), lr=config["learning_rate"])
    batches, means = Batches(config, user, item, 31), []
    for number in range(1, epochs + 1):
        losses = []
        for batch in batches.epoch(number):
            optimizer.zero_grad()
            loss = made.calculate_loss(batch.rows)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        means.append(sum(losses) / len(losses))
    return means, made


def equal(one, other, tolerance=1e-5):
    assert one[0] == pytest.approx(other[0], abs=tolerance)
    state = other[1].state_dict()
    for name, value in one[1].state_dict().items():
        assert torch.allclose(value, state[name], atol=tolerance), name


@pytest.mark.parametrize("model", ["BPR", "VBPR", "LightGCN"])
def test_the_loss_curve_is_that_of_the_plain_loop(make, model):
    equal(trained(make, model, 3), plainly(make, model, 3))


@pytest.mark.parametrize("model", ["BPR", "VBPR"])
def test_two_half_batches_are_one(make, model):
    halves = trained(make, model, train_batch_size=64, gradient_accumulation=2)
    equal(halves, trained(make, model, train_batch_size=128))


def test_gradients_are_clipped_as_by_pytorch_after_they_are_summed(make):
    config, model, user, item = parts(make, "BPR", train_batch_size=90, clip_grad_norm=1e-3)
    config.final_config_dict["gradient_accumulation"] = 2
    other = copy.deepcopy(model)
    step = Step(config, model, torch.optim.SGD(model.parameters()), print)
    for batch in Batches(config, user, item, 31).epoch(1):
        step(batch, 1.0)
        (other.calculate_loss(batch.rows) * batch.share).backward()
        if batch.last:
            torch.nn.utils.clip_grad_norm_(other.parameters(), 1e-3)
            torch.optim.SGD(other.parameters(), lr=1.0).step()
            other.zero_grad()
    equal((0, model), (0, other), 1e-7)


def test_bf16_trains_in_bf16_and_ranks_in_float32(make):
    seen = []
    config, dataset = make("VBPR", precision="bf16")
    original = config.model_class

    class Noting(original):
        def _content(self, place, item):
            seen.append(torch.is_autocast_enabled("cpu"))
            return super()._content(place, item)

    config.model_class = Noting
    fitted = fit(config, dataset)
    assert set(seen) == {True, False}
    assert all(p.dtype == torch.float32 for p in fitted.model.parameters())
    exact = fit(*make("VBPR")).trained.curve
    losses = [epoch.loss for epoch in fitted.trained.curve]
    assert losses[0] != exact[0].loss
    assert losses[0] == pytest.approx(exact[0].loss, rel=0.01)
    assert max(epoch.score for epoch in fitted.trained.curve) > 0.8


def test_many_negatives_train(make):
    one, many = (fit(*make("BPR", negatives=n)).trained.curve for n in (1, 4))
    assert many[0].loss != one[0].loss
    assert many[-1].loss < 0.8 * many[0].loss


def test_popular_negatives_train(make):
    curve = fit(*make("BPR", negative_popularity=0.75)).trained.curve
    assert curve[-1].loss < 0.8 * curve[0].loss


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.05, 0.15, 0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.05, 0.15, 0.2, 0.1, 0.05, 0.0]),
        ("cosine", [0.05, 0.15, 0.2, 0.1, 0.2 * 0.1464466, 0.0]),
        ("step", [0.05, 0.15, 0.2, 0.1, 0.05, 0.05]),
    ],
)
def test_schedules(make, schedule, rates):
    wished = {
        "warmup_epochs": 2,
        "epochs": 10,
        "decay_epochs": 3,
        "learning_rate_schedule": schedule,
    }
    config, _ = make("BPR", learning_rate=0.2, **wished)
    found = [learning_rate(config, passed) for passed in (0.5, 1.5, 2, 6, 8, 10)]
    assert found == pytest.approx(rates, abs=1e-6)


def test_the_optimiser_follows_the_schedule(make):
    settings = {"learner": "sgd", "learning_rate": 0.5, "epochs": 2}
    slow = trained(make, "BPR", warmup_epochs=1000, **settings)[1].item_embedding.weight
    fast = trained(make, "BPR", **settings)[1].item_embedding.weight
    start = parts(make, "BPR")[1].item_embedding.weight
    assert (slow - start).norm() < 0.01 * (fast - start).norm()


def test_what_cannot_be_compiled_trains_as_it_is(make):
    from torch._inductor import config as inductor

    lines = []
    broken = {"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}
    with inductor.patch(broken):
        compiled = fit(*make("BPR", epochs=2, compile=True), say=lines.append)
    plain = fit(*make("BPR", epochs=2))
    assert len(lines) == 1
    assert "the model cannot be compiled, it trains as it is" in lines[0]
    assert [e.loss for e in compiled.trained.curve] == [e.loss for e in plain.trained.curve]


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_curve(make):
    lines = []
    compiled = fit(*make("BPR", epochs=3, compile=True), say=lines.append)
    plain = fit(*make("BPR", epochs=3))
    assert lines == []
    losses = [[epoch.loss for epoch in f.trained.curve] for f in (compiled, plain)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
