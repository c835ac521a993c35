"""Our metrics are RecBole's, per user; ties, masks and blocks do what is stated."""

import numpy as np
import pytest
import torch
from torch import nn

from recbole_ext.config import Config
from recbole_ext.evaluator import Evaluator, best, per_user

METRICS = ["recall", "precision", "ndcg", "map", "mrr", "hit"]


class Fixed(nn.Module):
    """A model whose scores are given."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def full_sort_predict(self, interaction):
        return self.scores[interaction["user_id"]].view(-1)


def config(topk, **settings):
    values = {"device": "cpu", "metrics": METRICS, "topk": topk, "valid_metric": "recall@5"}
    return Config("BPR", "board", config_dict={**values, "metric_decimal_place": 12, **settings})


def evaluator(topk, positives, masked, shape, **settings):
    pairs = [tuple(torch.tensor(axis) for axis in part) for part in (positives, masked)]
    tokens = np.array([f"u{user}" for user in range(shape[0])])
    return Evaluator(config(topk, **settings), *pairs, tokens, shape[1])


def recboles(config, scores, user, item):
    """What RecBole's own collector and metrics say of the same scores."""
    from recbole.evaluator import Collector
    from recbole.evaluator import Evaluator as RecBoleEvaluator

    collector = Collector(config)
    rows, place = np.unique(user, return_inverse=True)
    collector.eval_batch_collect(
        scores[rows].clone(), None, torch.tensor(place), torch.tensor(item)
    )
    return RecBoleEvaluator(config).evaluate(collector.get_data_struct())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("density", [0.02, 0.5])
def test_equal_to_recbole(seed, density):
    rng = np.random.RandomState(seed)
    scores = torch.tensor(rng.permutation(40 * 60).reshape(40, 60), dtype=torch.float32)
    relevant = rng.rand(40, 60) < density  # at .5 users have more positives than cutoffs
    relevant[:, 0] = False
    relevant[3] = False  # a user with nothing to find
    user, item = relevant.nonzero()
    scores[:, 0] = -np.inf
    made = evaluator([1, 5, 20, 50], (user, item), ([1], [1]), (40, 60))
    ours = made.rank(Fixed(scores)).mean()
    scores[1, 1] = scores[1, 1] if relevant[1, 1] else -np.inf
    theirs = recboles(made.config, scores, user, item)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name


def test_values_belong_to_their_users():
    scores = torch.tensor([[0.0, 0, 0], [0, 2, 1], [0, 1, 2]])
    ranking = evaluator([1], ([1, 2], [1, 1]), ([], []), (3, 3)).rank(Fixed(scores))
    values = dict(zip(ranking.users, ranking.values["recall@1"], strict=True))
    assert values == {"u1": 1.0, "u2": 0.0}


def test_masked_items_leave_and_positives_stay():
    scores = torch.tensor([[0.0] * 5, [9, 8, 7, 6, 5]])
    hidden = evaluator([1], ([1], [3]), ([1, 1], [1, 2]), (2, 5)).rank(Fixed(scores))
    assert hidden.values["recall@1"] == [1.0]
    both = evaluator([1], ([1], [1]), ([1], [1]), (2, 5)).rank(Fixed(scores))
    assert both.values["recall@1"] == [1.0]  # a positive is a candidate even if it was seen


def test_the_padding_item_is_never_recommended():
    scores = torch.tensor([[0.0] * 3, [9, 1, 2]])
    assert evaluator([1], ([1], [2]), ([], []), (2, 3)).rank(Fixed(scores)).mean()["hit@1"] == 1


def test_blocks_do_not_change_the_numbers():
    rng = np.random.RandomState(1)
    scores = torch.tensor(rng.randint(0, 4, (30, 25)), dtype=torch.float32)
    positives = rng.randint(1, 30, 80), rng.randint(1, 25, 80)
    masked = rng.randint(1, 30, 80), rng.randint(1, 25, 80)
    whole, split = (
        evaluator([5, 10], positives, masked, (30, 25), eval_memory_mb=size).rank(Fixed(scores))
        for size in (64, 0.0001)
    )
    assert (whole.users == split.users).all()
    assert all((whole.values[name] == split.values[name]).all() for name in whole.values)


def test_ties_go_to_the_lower_column():
    rng = np.random.RandomState(2)
    for levels in (1, 2, 3, 10):
        scores = torch.tensor(rng.randint(0, levels, (50, 31)), dtype=torch.float32)
        expected = np.argsort(-scores.numpy(), axis=1, kind="stable")
        for k in (1, 7, 31, 40):
            assert (best(scores, k).numpy() == expected[:, :k]).all()


def test_fewer_items_than_the_cutoff_count_as_misses():
    found = per_user(np.array([[False, True]]), np.array([1]), METRICS, [2, 50])
    assert found["recall@50"] == 1
    assert found["precision@50"] == pytest.approx(1 / 50)
    assert found["mrr@50"] == found["mrr@2"] == 0.5


def test_scores_that_are_not_numbers_are_refused():
    scores = torch.full((2, 3), float("nan"))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        evaluator([1], ([1], [2]), ([], []), (2, 3)).rank(Fixed(scores))


def test_nothing_may_be_masked(make):
    from recbole_ext.run import evaluate, fit

    config, dataset = make("BPR", epochs=1, mask={"valid": ["train"], "test": []})
    assert len(evaluate(fit(config, dataset)).users) == 40


def test_an_empty_part_is_refused():
    with pytest.raises(ValueError, match="nothing to rank"):
        evaluator([1], ([], []), ([], []), (2, 3))
