"""Users, masks, blocks and ties do what is stated; memory stays within its bound."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from ranked import Fixed, evaluator

from mmbench.specs import Protocol
from recbole_ext.evaluator import METRICS


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


def test_what_scores_minus_infinity_is_never_recommended():
    scores = torch.tensor([[0.0] * 4, [0, -torch.inf, 1, -torch.inf]])
    ranking = evaluator([3], ([1, 1], [1, 2]), ([], []), (2, 4)).rank(Fixed(scores))
    assert ranking.values["recall@3"] == [0.5]
    assert ranking.aggregates["itemcoverage@3"] == 1 / 4


def test_a_pair_that_stands_twice_counts_once():
    scores = torch.tensor([[0.0] * 4, [0, 3, 2, 1]])
    ranking = evaluator([2], ([1, 1, 1], [1, 1, 3]), ([], []), (2, 4)).rank(Fixed(scores))
    assert ranking.values["recall@2"] == [0.5]


@pytest.mark.parametrize("levels", [4, 10**6])
def test_blocks_do_not_change_the_numbers(levels):
    rng = np.random.RandomState(1)
    scores = torch.tensor(rng.randint(0, levels, (30, 25)), dtype=torch.float32)
    positives = rng.randint(1, 30, 80), rng.randint(1, 25, 80)
    masked = rng.randint(1, 30, 80), rng.randint(1, 25, 80)
    given = ([5, 10], positives, masked, (30, 25), METRICS, rng.randint(0, 9, 25))
    whole, several, single = (
        evaluator(*given, eval_memory_mb=size).rank(Fixed(scores)) for size in (64, 0.002, 0.0001)
    )
    for split in (several, single):
        assert (whole.users == split.users).all()
        assert whole.aggregates == split.aggregates
        assert whole.values.keys() == split.values.keys()
        for name, values in whole.values.items():
            assert np.array_equal(values, split.values[name], equal_nan=True), name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_scores_of_any_precision_find_every_rank(dtype):
    scores = torch.zeros(2, 1001, dtype=dtype)
    scores[1, 1:301] = 1  # places of bfloat16 end at 256
    ranking = evaluator([300], ([1], [300]), ([], []), (2, 1001)).rank(Fixed(scores))
    assert ranking.values["mrr@300"] == pytest.approx(1 / 300)


def test_ties_go_to_the_lower_item():
    scores = torch.tensor([[0.0] * 6, [0, 1, 2, 1, 2, 1]])
    found = [
        evaluator([5], ([1], [item]), ([], []), (2, 6)).rank(Fixed(scores)).values["mrr@5"][0]
        for item in (2, 4, 1, 3, 5)
    ]
    assert found == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])


def test_fewer_items_than_the_cutoff_count_as_misses():
    scores = torch.tensor([[0.0] * 3, [0, 1, 2]])
    found = evaluator([2, 50], ([1], [1]), ([], []), (2, 3)).rank(Fixed(scores)).values
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


def test_metrics_are_checked_before_anything_is_ranked():
    with pytest.raises(ValueError, match="'recal' is unknown; known: recall"):
        evaluator([1], ([1], [1]), ([], []), (2, 3), ["recal"])
    with pytest.raises(ValueError, match="novelty needs the training popularity"):
        evaluator([1], ([1], [1]), ([], []), (2, 3), ["novelty"])


def test_a_protocol_may_name_every_metric_and_no_other():
    assert set(get_args(get_args(Protocol.model_fields["metrics"].annotation)[0])) == set(METRICS)


MEASURED = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch
from ranked import evaluator
torch.set_num_threads(1)
n_items, n_users, metrics = 300_000, int(sys.argv[2]), ["recall", "ndcg", "novelty", "recall-cold"]

class Factors(torch.nn.Module):
    user, item = torch.randn(n_users + 1, 4), torch.randn(n_items, 4)
    def full_sort_predict(self, interaction):
        return (self.user[interaction["user_id"]] @ self.item.T).view(-1)

users = list(range(1, n_users + 1))
made = evaluator([20], (users, users), (users, [u + 1 for u in users]), (n_users + 1, n_items),
                 metrics, torch.arange(n_items), eval_memory_mb=64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
made.rank(Factors())
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown / (2**20 if sys.platform == "darwin" else 1024))
"""


def test_memory_is_bounded_whatever_the_number_of_users():
    few, many = (
        float(subprocess.check_output([sys.executable, "-c", MEASURED, Path(__file__).parent, n]))
        for n in ("40", "400")
    )
    tables = 300_000 * 40 / 2**20  # counts, popularity and novelty of the items
    assert many <= 64 + tables
    assert many - few < 16
