"""RecBole 1.2.1's own collector and metric classes say the same of the same scores.

What has to be patched in RecBole:
- ItemCoverage, GiniIndex, AveragePopularity and TailPercentage crash in its collector, which moves
  the number of items and the popularity to the CPU as if they were tensors. Both are put into what
  the collector returns.
- Of equal scores torch.topk takes any. RecBole gets each score's place in the order (score, then
  lower item) instead of the score; infinities stay.
- It cannot rank fewer items than the longest cutoff. It gets further columns of -inf; and since it
  fills short lists with masked items, only the accuracy can be compared there.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from ranked import ACCURACY, Fixed, config, evaluator

SHOWN = ["itemcoverage", "giniindex", "shannonentropy", "averagepopularity", "tailpercentage"]
CUTOFFS = [1, 5, 20]
SHAPE = 40, 61  # users and items, padding included


def given(case, seed):
    """Scores, relevant and seen pairs of a case; each (n_users, n_items)."""
    rng = np.random.RandomState(seed)
    users, items = {"a single user": (2, 61), "fewer items than k": (40, 13)}.get(case, SHAPE)
    levels = {"ties": 4, "all equal": 1}.get(case, users * items)
    scores = rng.permutation(users * items).reshape(users, items) % levels
    scores = scores.astype(np.float32)
    relevant = rng.rand(users, items) < (0.6 if case == "more positives than k" else 0.05)
    relevant[1, 3] = True
    relevant[0] = relevant[:, 0] = False
    seen = (rng.rand(users, items) < 0.2) & (rng.rand(users, 1) < 0.8)
    seen[0] = seen[:, 0] = False
    if case == "infinities":
        scores[rng.rand(users, items) < 0.3] = -np.inf
    return scores, relevant, seen


def recboles(made, scores, relevant, seen, popularity):
    """What RecBole measures: its collector, its classes, its averages."""
    from recbole.evaluator import Collector
    from recbole.evaluator import Evaluator as RecBoleEvaluator

    scores, n_items = scores.copy(), scores.shape[1]
    scores[:, 0] = -np.inf
    scores[seen & ~relevant] = -np.inf
    place = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    ordered = np.where(np.isneginf(scores), -np.inf, -place).astype(np.float32)
    ordered = np.pad(ordered, ((0, 0), (0, max(CUTOFFS))), constant_values=-np.inf)
    rows = np.flatnonzero(relevant.any(1))
    user, item = relevant[rows].nonzero()
    collector = Collector(made)
    collector.eval_batch_collect(
        torch.tensor(ordered[rows]), None, torch.tensor(user), torch.tensor(item)
    )
    collected = collector.get_data_struct()
    collected.set("data.num_items", n_items)
    collected.set("data.count_items", Counter({i: n for i, n in enumerate(popularity) if n}))
    return RecBoleEvaluator(made).evaluate(collected)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "case",
    [
        "random",
        "ties",
        "all equal",
        "infinities",
        "more positives than k",
        "fewer items than k",
        "a single user",
    ],
)
@pytest.mark.parametrize("tail", [None, 0.3, 4])
def test_every_metric_both_have(case, seed, tail):
    scores, relevant, seen = given(case, seed)
    popularity = np.random.RandomState(seed).poisson(3, scores.shape[1])
    popularity[0] = 0
    ranked = evaluator(
        CUTOFFS,
        relevant.nonzero(),
        seen.nonzero(),
        scores.shape,
        [*ACCURACY, "averagepopularity", "tailpercentage"],
        popularity,
        **({} if tail is None else {"tail_ratio": tail}),
    ).rank(Fixed(scores))
    metrics = ACCURACY if case == "fewer items than k" else [*ACCURACY, *SHOWN]
    made = config(CUTOFFS, metrics=metrics, tail_ratio=tail)
    theirs = recboles(made, scores, relevant, seen, popularity)
    ours = ranked.mean()
    assert len(theirs) == len(metrics) * len(CUTOFFS)
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6), name
