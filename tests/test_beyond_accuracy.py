"""What lists recommend: five items and two users, worked out by hand."""

from math import log, log2, nan

import numpy as np
import pytest
import torch
from ranked import Fixed, evaluator

from recbole_ext.beyond_accuracy import (
    Exposure,
    gini_index,
    in_tail,
    item_coverage,
    popularity_group,
    self_information,
    shannon_entropy,
)
from recbole_ext.evaluator import METRICS

POPULARITY = np.array([0, 4, 2, 1, 1, 0])  # of the padding item and five more; eight in all
SCORES = torch.tensor([[0.0] * 6, [0, 9, 8, 3, 2, 1], [0, 1, 2, 9, 3, 8]])  # lists 1 2 and 3 5
POSITIVES = [1, 1, 2, 2], [2, 5, 4, 5]


@pytest.fixture(scope="module")
def ranking():
    made = evaluator([2], POSITIVES, ([], []), (3, 6), METRICS, POPULARITY)
    return made.rank(Fixed(SCORES))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("averagepopularity", [(4 + 2) / 2, (1 + 0) / 2]),
        ("novelty", [(log2(8 / 4) + log2(8 / 2)) / 2, (log2(8) + log2(8)) / 2]),
        ("tailpercentage", [0, 1 / 2]),  # a tenth of four trained items, at least one: item 3
        ("recall-head", [nan, nan]),
        ("recall-mid", [1, nan]),
        ("recall-tail", [nan, 0]),
        ("recall-cold", [0, 1]),
        ("recall", [1 / 2, 1 / 2]),
    ],
)
def test_of_every_user(ranking, name, values):
    assert ranking.values[f"{name}@2"].tolist() == pytest.approx(values, abs=1e-15, nan_ok=True)


def test_of_all_lists(ranking):
    assert ranking.aggregates == pytest.approx(
        {
            "itemcoverage@2": 4 / 6,
            "giniindex@2": ((6 - 7) + (8 - 7) + (10 - 7) + (12 - 7)) / (6 * 4),
            "shannonentropy@2": log(4) / 4,
            "recall-head-users": 0,
            "recall-mid-users": 1,
            "recall-tail-users": 1,
            "recall-cold-users": 2,
        }
    )


def test_averages_leave_out_who_has_no_value(ranking):
    mean = ranking.mean()
    assert (mean["recall-mid@2"], mean["recall-tail@2"], mean["recall-cold@2"]) == (1, 0, 0.5)
    assert "recall-head@2" not in mean  # NaN has no place in a record
    assert not np.isnan(list(mean.values())).any()
    assert mean["giniindex@2"] == ranking.aggregates["giniindex@2"]


def test_groups():
    assert popularity_group(POPULARITY).tolist() == ["cold", "head", "mid", "mid", "tail", "cold"]
    assert popularity_group(np.array([0, 1, 1, 1, 1, 1])).tolist() == [
        "cold", "head", "mid", "mid", "mid", "tail",
    ]  # fmt: skip


def test_the_tail_is_recboles():
    assert in_tail(POPULARITY, 0.5).tolist() == [0, 0, 0, 1, 1, 0]
    assert in_tail(POPULARITY, 2).tolist() == [0, 0, 1, 1, 1, 0]


def test_an_item_never_trained_on_is_as_novel_as_the_rarest():
    assert self_information(POPULARITY, 0).tolist() == [3, 1, 2, 3, 3, 3]


def test_lists_shown_evenly_and_not():
    assert gini_index(np.array([0, 0, 0, 12])) == pytest.approx(3 / 4)
    assert gini_index(np.array([3, 3, 3, 3])) == 0
    assert shannon_entropy(np.array([0, 2, 2])) == pytest.approx(log(2) / 2)
    assert item_coverage(np.array([0, 2, 0, 1])) == 0.5


def test_a_list_that_ends_counts_what_it_holds():
    scores = torch.tensor([[0.0] * 6, [0, 9, 8, 3, 2, 1]])
    made = evaluator([4], ([1], [1]), ([1, 1, 1], [3, 4, 5]), (2, 6), METRICS, POPULARITY)
    ranking = made.rank(Fixed(scores))  # items 1 and 2 only
    assert ranking.values["averagepopularity@4"] == [3]
    assert ranking.values["precision@4"] == [0.25]
    assert ranking.aggregates["itemcoverage@4"] == 2 / 6


def test_an_empty_list_has_no_mean():
    made = evaluator([2], ([1], [1]), ([], []), (2, 3), METRICS, [0, 1, 1])
    mean = made.rank(Fixed(torch.full((2, 3), -torch.inf))).mean()
    assert mean["recall@2"] == mean["itemcoverage@2"] == 0
    assert not {"novelty@2", "giniindex@2", "shannonentropy@2"} & mean.keys()


def test_exposure_of_several_cutoffs_is_that_of_each():
    lists = torch.tensor(np.random.RandomState(0).randint(0, 9, (50, 6)))
    together = Exposure(9, [6, 1, 3], torch.device("cpu"))
    for block in lists.split(20):
        together.add(block)
    for k in (1, 3, 6):
        counts = np.bincount(lists[:, :k].flatten(), minlength=9)
        counts[0] = 0
        assert together.aggregates()[f"giniindex@{k}"] == gini_index(counts)
        assert together.aggregates()[f"itemcoverage@{k}"] == item_coverage(counts)
