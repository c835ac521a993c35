"""The k best are those of a stable sort, ties and infinities included."""

import numpy as np
import pytest
import torch

from recbole_ext.topk import best


@pytest.mark.parametrize("levels", [1, 2, 3, 10, 10**6])
@pytest.mark.parametrize("width", [1, 31, 500, 5003])
def test_a_stable_sort_says_the_same(levels, width):
    rng = np.random.RandomState(levels)
    scores = torch.tensor(rng.randint(0, levels, (40, width)), dtype=torch.float32)
    expected = np.argsort(-scores.numpy(), axis=1, kind="stable")
    for k in (1, 7, 31, 40):
        value, column = best(scores.clone(), k)
        assert (column.numpy() == expected[:, :k]).all()
        assert torch.equal(value, scores.gather(1, column))


def test_ties_of_some_rows_leave_the_others_alone():
    scores = torch.tensor([[3.0, 1, 2, 0], [1, 1, 1, 1], [0, 2, 2, 3], [4, 3, 3, 3]])
    assert best(scores, 2)[1].tolist() == [[0, 2], [0, 1], [3, 1], [0, 1]]


def test_minus_infinity_comes_last():
    scores = torch.tensor([[-torch.inf, 1, -torch.inf, 1, 2], [-torch.inf] * 5])
    value, column = best(scores, 4)
    assert column[0, :3].tolist() == [4, 1, 3]
    assert value[0].tolist() == [2, 1, 1, -torch.inf]
    assert (value[1] == -torch.inf).all()


def test_the_scores_are_not_changed():
    scores = torch.randint(0, 3, (9, 700)).float()
    before = scores.clone()
    best(scores, 5)
    assert torch.equal(scores, before)


@pytest.mark.parametrize("width", [6, 900])
def test_nan_anywhere_is_refused(width):
    scores = torch.zeros(4, width)
    scores[2, width - 1] = torch.nan
    with pytest.raises(FloatingPointError, match="NaN"):
        best(scores, 3)
