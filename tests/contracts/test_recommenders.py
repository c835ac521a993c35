"""What every recommender of the table must do."""

import pytest
import torch
from recbole.data.interaction import Interaction

from mmbench.hyperparameters import parameters, resolve
from mmbench.specs import names, recommender_spec
from recbole_ext.defaults import defaults
from recbole_ext.models import TABLE
from recbole_ext.models import resolve as model_class
from recbole_ext.run import evaluate, fit

TRAINED = [name for name in TABLE if recommender_spec(name).trained]
CONTENT = [name for name in TABLE if recommender_spec(name).content]


def test_every_recommender_has_its_yaml():
    assert set(names("recommenders")) == set(TABLE)


@pytest.mark.parametrize("model", TABLE)
def test_every_default_can_be_set_and_lies_in_its_range(model):
    spec, given = recommender_spec(model), defaults(model)
    known = parameters(spec)
    assert resolve(spec, given, {}).keys() == known.keys()
    if spec.trained:
        assert given.keys() == known.keys()


@pytest.mark.parametrize("model", [name for name in TABLE if name != "Pop"])
def test_the_checkerboard_is_learned(make, model):
    fitted = fit(*make(model))
    assert evaluate(fitted, "test").mean()["recall@3"] > 0.9  # by chance about .14


@pytest.mark.parametrize("model", TRAINED)
def test_the_loss_falls(make, model):
    curve = fit(*make(model)).trained.curve
    assert curve[-1].loss < 0.8 * curve[0].loss


@pytest.mark.parametrize("model", TRAINED)
def test_every_parameter_gets_a_gradient_and_moves(make, model):
    config, dataset = make(model, epochs=1, stopping_step=9)
    torch.manual_seed(0)
    fresh = model_class(model)(config, dataset.build()[0])
    before = {name: value.clone() for name, value in fresh.named_parameters()}
    trained = fit(config, dataset).model
    for name, value in trained.named_parameters():
        assert value.grad is not None, name
        assert value.grad.abs().sum() > 0, name
        assert value.shape == before[name].shape


@pytest.mark.parametrize("model", TABLE)
def test_the_full_ranking_is_predict_pair_by_pair(make, model):
    config, dataset = make(model, epochs=2)
    fitted = fit(config, dataset)
    users, n_items = torch.arange(1, 6), dataset.item_num
    pairs = Interaction(
        {"user_id": users.repeat_interleave(n_items), "item_id": torch.arange(n_items).repeat(5)}
    )
    with torch.no_grad():
        single = fitted.model.predict(pairs).float()
        whole = fitted.model.full_sort_predict(Interaction({"user_id": users})).view(-1).float()
    assert torch.allclose(single, whole, atol=1e-5)


@pytest.mark.parametrize("model", TRAINED)
def test_a_state_dict_gives_the_same_scores(make, model):
    config, dataset = make(model, epochs=2)
    trained = fit(config, dataset).model
    other = model_class(model)(config, dataset.build()[0])
    other.load_state_dict(trained.state_dict())
    users = Interaction({"user_id": torch.arange(1, 6)})
    with torch.no_grad():
        assert torch.equal(other.eval().full_sort_predict(users), trained.full_sort_predict(users))


@pytest.mark.parametrize("model", CONTENT)
@pytest.mark.parametrize("features", [(), ("image",), ("image", "text", "audio")])
def test_any_number_of_modalities_and_a_batch_of_one(make, model, features):
    fitted = fit(*make(model, features, epochs=1, train_batch_size=1))
    assert torch.isfinite(torch.tensor(fitted.trained.curve[0].loss))
