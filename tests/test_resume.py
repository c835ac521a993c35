"""A training that was stopped ends with the numbers of one that was not, bit for bit."""

import random
from math import inf

import numpy as np
import pytest
import torch
from safetensors import safe_open

from recbole_ext.checkpoint import Checkpoint, CheckpointError
from recbole_ext.random_state import random_state, set_random_state
from recbole_ext.run import evaluate, fit
from recbole_ext.trainer import Trainer


class Stop(Exception):
    """The process ends here."""


def stopping_after(number):
    def on_epoch(epoch):
        if epoch.number > number:
            raise Stop

    return on_epoch


def at(tmp_path, resume=False, identity="one"):
    return Checkpoint(tmp_path / "scratch" / "checkpoint.safetensors", identity, resume, 0, inf)


def stopped(make, tmp_path, model, after, **settings):
    """Train and stop in the middle of an epoch, some epochs after the start."""
    with pytest.raises(Stop):
        fit(*make(model, **settings), stopping_after(after), at(tmp_path))


def same(one, other):
    curves = [[(e.number, e.loss, e.score, e.best) for e in f.trained.curve] for f in (one, other)]
    assert curves[0] == curves[1]
    assert one.trained.best == other.trained.best
    state = other.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in one.model.state_dict().items())
    for part in ("valid", "test"):
        values = evaluate(other, part).values
        assert all(
            (value == values[name]).all() for name, value in evaluate(one, part).values.items()
        )
    for name, value in one.trained.valid.values.items():
        assert (value == other.trained.valid.values[name]).all()


WAYS = {
    "VBPR": {},
    "LightGCN": {"eval_step": 3},
    "BPR": {"learning_rate_schedule": "cosine", "warmup_epochs": 2, "negatives": 3},
}


@pytest.mark.parametrize("after", [1, 5, 8])
@pytest.mark.parametrize("model", WAYS)
def test_the_numbers_are_those_of_one_run(make, tmp_path, model, after):
    settings = {"epochs": 9, **WAYS[model]}
    whole = fit(*make(model, **settings))
    stopped(make, tmp_path, model, after, **settings)
    gone_on = fit(*make(model, **settings), checkpoint=at(tmp_path, resume=True))
    assert gone_on.trained.resumed == after
    assert gone_on.trained.earlier > 0
    same(whole, gone_on)


@pytest.mark.parametrize("learner", ["sgd", "adagrad", "rmsprop", "adamw"])
def test_every_learner_goes_on(make, tmp_path, learner):
    settings = {"epochs": 5, "learner": learner}
    whole = fit(*make("BPR", **settings))
    stopped(make, tmp_path, "BPR", 3, **settings)
    same(whole, fit(*make("BPR", **settings), checkpoint=at(tmp_path, resume=True)))


def test_a_model_that_draws_random_numbers_goes_on(make, tmp_path):
    from recbole.model.general_recommender import DMF

    def made():
        config, dataset = make("BPR", epochs=6)
        config.model_class, config.final_config_dict["MODEL_INPUT_TYPE"] = Dropping, DMF.input_type
        sizes = {"user_embedding_size": 8, "item_embedding_size": 8}
        sizes |= {"user_hidden_size_list": [8], "item_hidden_size_list": [8]}
        config.final_config_dict.update(inter_matrix_type="01", **sizes)
        return config, dataset

    class Dropping(DMF):
        def calculate_loss(self, interaction):
            noise = torch.rand(()) + np.random.rand() + random.random()
            return super().calculate_loss(interaction) * noise

    whole = fit(*made())
    with pytest.raises(Stop):
        fit(*made(), stopping_after(4), at(tmp_path))
    same(whole, fit(*made(), checkpoint=at(tmp_path, resume=True)))


def test_a_training_that_was_at_its_end_ranks_only(make, tmp_path):
    settings = {"epochs": 40, "stopping_step": 2}
    whole = fit(*make("BPR", **settings), checkpoint=at(tmp_path))
    assert len(whole.trained.curve) < 40
    again = fit(*make("BPR", **settings), checkpoint=at(tmp_path, resume=True))
    assert again.trained.resumed == len(whole.trained.curve)
    same(whole, again)


def test_stopped_twice(make, tmp_path):
    whole = fit(*make("BPR", epochs=8))
    stopped(make, tmp_path, "BPR", 2, epochs=8)
    with pytest.raises(Stop):
        fit(*make("BPR", epochs=8), stopping_after(5), at(tmp_path, resume=True))
    same(whole, fit(*make("BPR", epochs=8), checkpoint=at(tmp_path, resume=True)))


def test_without_resume_it_begins_anew(make, tmp_path):
    stopped(make, tmp_path, "BPR", 2, epochs=4)
    fitted = fit(*make("BPR", epochs=4), checkpoint=at(tmp_path))
    assert (fitted.trained.resumed, fitted.trained.earlier) == (0, 0)


def test_a_checkpoint_of_another_training_is_refused(make, tmp_path):
    stopped(make, tmp_path, "BPR", 2, epochs=4)
    with pytest.raises(CheckpointError, match="is of another training"):
        fit(*make("BPR", epochs=4), checkpoint=at(tmp_path, True, "other"))


def test_a_checkpoint_that_does_not_fit_is_refused(make, tmp_path):
    stopped(make, tmp_path, "BPR", 2, epochs=4)
    with pytest.raises(CheckpointError, match="does not fit"):
        fit(*make("BPR", epochs=4, embedding_size=8), checkpoint=at(tmp_path, True))


@pytest.mark.parametrize("damage", [b"", b"no safetensors", None])
def test_a_damaged_checkpoint_is_refused(make, tmp_path, damage):
    stopped(make, tmp_path, "BPR", 2, epochs=4)
    path = at(tmp_path).path
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(CheckpointError, match="cannot be read"):
        fit(*make("BPR", epochs=4), checkpoint=at(tmp_path, True))


def test_there_is_one_file_without_pickle(make, tmp_path):
    stopped(make, tmp_path, "BPR", 2, epochs=4)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == ["checkpoint.safetensors"]
    with safe_open(at(tmp_path).path, framework="pt") as file:
        assert {"model/state/user_embedding.weight", "optimizer/0/exp_avg"} <= set(file.keys())


def test_a_model_with_other_things_says_that_it_cannot(make, tmp_path):
    from recbole_ext.models import BPR

    class Odd(BPR):
        other_parameter_name = ("cache",)
        cache = object()

    config, dataset = make("BPR", epochs=2)
    config.model_class, lines = Odd, []
    fitted = fit(config, dataset, checkpoint=at(tmp_path), say=lines.append)
    assert fitted.trained.curve
    assert "'cache' is neither a tensor nor a number" in lines[0]
    assert not (tmp_path / "scratch").exists()


def test_caches_of_recboles_models_are_kept(make, tmp_path):
    from recbole.model.general_recommender import LightGCN

    def made():
        config, dataset = make("BPR", epochs=6)
        config.final_config_dict.update(n_layers=2, reg_weight=1e-5, require_pow=False)
        config.model_class = LightGCN
        return config, dataset

    whole = fit(*made())
    with pytest.raises(Stop):
        fit(*made(), stopping_after(3), at(tmp_path))
    same(whole, fit(*made(), checkpoint=at(tmp_path, resume=True)))


def test_checkpoints_are_seldom(make, tmp_path, monkeypatch):
    written, original = [], Checkpoint.write
    monkeypatch.setattr(
        Checkpoint, "write", lambda self, *state: written.append(1) or original(self, *state)
    )
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "one", interval=3600)
    fit(*make("BPR", epochs=5), checkpoint=checkpoint)
    assert len(written) == 1


def test_random_numbers_go_on():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    np.random.randn()  # NumPy keeps the second number of a pair
    random.gauss(0, 1)
    state = random_state()

    def draw():
        return (
            random.gauss(0, 1),
            random.random(),
            np.random.randn(3).tolist(),
            torch.rand(3).tolist(),
        )

    first = draw()
    set_random_state(*state)
    assert draw() == first


def test_the_best_of_an_earlier_session_is_put_back(make, tmp_path):
    """The best epoch lies before the stop: its parameters come from the checkpoint."""
    settings = {"epochs": 30, "stopping_step": 6, "learning_rate": 0.05}
    whole = fit(*make("BPR", **settings))
    after = whole.trained.best + 3
    assert after < len(whole.trained.curve)
    stopped(make, tmp_path, "BPR", after, **settings)
    same(whole, fit(*make("BPR", **settings), checkpoint=at(tmp_path, resume=True)))


def test_a_trainer_writes_nothing_of_its_own_accord(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Trainer.__init__.__defaults__[1] is None
    fit(*make("BPR", epochs=2))
    assert list(tmp_path.iterdir()) == []


def test_a_training_goes_on_where_no_checkpoint_can_be_written(make, tmp_path):
    (tmp_path / "scratch").write_text("a file where the folder should be")
    lines = []
    fitted = fit(*make("BPR", epochs=3), checkpoint=at(tmp_path), say=lines.append)
    assert len(fitted.trained.curve) == 3
    assert len(lines) == 1
    assert "cannot be gone on with if it is stopped" in lines[0]
