"""What every recommender of the table must do."""

import pytest
import torch
from recbole.data.interaction import Interaction
from recbole.utils import init_seed
from torch.utils._python_dispatch import TorchDispatchMode

from mmbench.hyperparameters import parameters, resolve
from mmbench.specs import names, recommender_spec
from recbole_ext import item_graphs
from recbole_ext.defaults import defaults
from recbole_ext.item_features import Features
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


@pytest.mark.parametrize("model", TABLE)
def test_what_a_value_rests_on_is_there(model):
    known = recommender_spec(model).parameters
    for parameter in known.values():
        assert set(parameter.when) <= set(known)
        assert set(parameter.least_modalities) <= {str(each) for each in parameter.choices or ()}


LEAVING = [
    (name, key)
    for name in TABLE
    for key, parameter in recommender_spec(name).parameters.items()
    if parameter.leaves
]


@pytest.mark.parametrize(("model", "key"), LEAVING)
def test_a_value_that_a_dataset_has_room_for_is_taken_and_the_next_is_not(make, model, key):
    """The bound of the YAML is that of the recommender: every item has every modality here."""
    leaves = recommender_spec(model).parameters[key].leaves
    when = {k: v for k, v in recommender_spec(model).parameters[key].when.items() if v is not None}
    most = min({"users": 40, "items": 30}[noun] - over for noun, over in leaves.items())
    for value in (most, most + 1):
        config, dataset = make(model, **when, **{key: value})
        for features in dataset.features.values():
            features.matrix[1:], features.mask[1:] = torch.rand(features.matrix[1:].shape), True
        part = dataset.build()[0]
        if value == most:
            model_class(model)(config, part)
        else:
            with pytest.raises(ValueError, match=key):
                model_class(model)(config, part)


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
    config, dataset = make(model, epochs=2, stopping_step=9, eval_step=9)
    init_seed(config["seed"], True)
    before = model_class(model)(config, dataset.build()[0]).state_dict()
    trained = fit(config, dataset).model
    for name, value in trained.named_parameters():  # Adam moves nothing without a gradient
        assert value.requires_grad, name
        assert not torch.equal(value.detach(), before[name]), name


@pytest.mark.parametrize("model", TRAINED)
def test_the_same_seed_gives_the_same_result(make, model):
    one, other = (fit(*make(model, epochs=2)) for _ in range(2))
    assert [e.loss for e in one.trained.curve] == [e.loss for e in other.trained.curve]
    for name, value in one.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name


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
@pytest.mark.parametrize("features", [("image",), ("a.b", "text", "type")])
def test_any_number_of_modalities_and_a_batch_of_one(make, model, features):
    fitted = fit(*make(model, features, epochs=1, train_batch_size=1))
    assert torch.isfinite(torch.tensor(fitted.trained.curve[0].loss))
    assert torch.isfinite(_scores(fitted.model)).all()


@pytest.mark.parametrize("model", CONTENT)
def test_without_features_it_runs_or_says_that_it_cannot(make, model):
    config, dataset = make(model, (), epochs=1)
    if recommender_spec(model).least_modalities:
        with pytest.raises(ValueError, match="needs at least one modality"):
            fit(config, dataset)
    else:
        assert torch.isfinite(_scores(fit(config, dataset).model)).all()


@pytest.mark.parametrize("model", CONTENT)
def test_features_of_other_items_change_what_is_learned(make, model):
    """Permuted features give other scores after the same training from the same seed."""
    config, dataset = make(model, epochs=3, stopping_step=9, eval_step=9)
    real = _scores(fit(config, dataset).model)
    for features in dataset.features.values():
        features.matrix[1:], features.mask[1:] = (
            features.matrix[1:].roll(1, 0),
            features.mask[1:].roll(1),
        )
    assert not torch.allclose(_scores(fit(config, dataset).model), real, atol=1e-4)


@pytest.mark.parametrize("model", CONTENT)
def test_frozen_features_never_change_and_trainable_ones_do(make, model):
    if "trainable_features" not in recommender_spec(model).parameters:
        pytest.skip("nothing of this recommender trains")
    for trainable in (False, True):
        config, dataset = make(model, epochs=2, trainable_features=trainable)
        fresh = _features(model_class(model)(config, dataset.build()[0]))
        trained = _features(fit(config, dataset).model)
        same = [torch.equal(a, b) for a, b in zip(fresh, trained, strict=True)]
        assert len(same) == 2
        assert not any(same) if trainable else all(same)


@pytest.mark.parametrize("model", TRAINED)
def test_mixed_precision_trains(make, model):
    curve = fit(*make(model, epochs=2, precision="bf16")).trained.curve
    assert all(torch.isfinite(torch.tensor(epoch.loss)) for epoch in curve)


@pytest.mark.parametrize("model", TRAINED)
def test_one_layer_of_everything(make, model):
    known = recommender_spec(model).parameters
    layers = {name: 1 for name in known if "layers" in name}
    fitted = fit(*make(model, epochs=1, **layers))
    assert torch.isfinite(_scores(fitted.model)).all()


@pytest.mark.parametrize("model", TRAINED)
def test_nothing_grows_with_the_square_of_the_items(make_large, monkeypatch, model):
    monkeypatch.setattr(item_graphs, "SCORES", 2**12)
    largest = []
    for n_items in (400, 1600):
        with Largest() as seen:
            config, dataset = make_large(model, n_items)
            part = dataset.build()[0]
            seen.numbers = 0  # what RecBole needed is not meant
            made = model_class(model)(config, part).train()
            batch = {"user_id": [1, 2], "item_id": [3, 4], "neg_item_id": [5, 6]}
            loss = made.calculate_loss(Interaction({k: torch.tensor(v) for k, v in batch.items()}))
            (sum(loss) if isinstance(loss, tuple) else loss).backward()
            with torch.no_grad():
                made.eval().vectors()
        largest.append(seen.numbers)
    assert largest[1] <= 5 * largest[0]  # 16 times, were it the square


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that was made."""

    numbers = 0

    def __torch_dispatch__(self, function, _types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, torch.Tensor) and each.layout == torch.strided:
                self.numbers = max(self.numbers, each.numel())
        return result


def _features(model):
    parts = [part for part in model.modules() if isinstance(part, Features)]
    return [each.detach().clone() for part in parts for each in part.matrices()]


@torch.no_grad()
def _scores(model):
    return model.full_sort_predict(Interaction({"user_id": torch.arange(1, 20)}))
