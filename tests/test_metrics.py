"""Accuracy, derived by hand and by loops over one list at a time."""

from math import log2

import numpy as np
import pytest

from recbole_ext.metrics import ACCURACY, Found, accuracy

# Three positives, found at places 1 and 4 of the list; one user with two, found nowhere.
HAND = Found(np.array([0, 0, 0, 1, 1]), np.array([3, -1, 0, -1, -1]), 2)
IDEAL3 = 1 + 1 / log2(3) + 1 / log2(4)


@pytest.mark.parametrize(
    ("name", "at_1", "at_3", "at_5"),
    [
        ("recall", 1 / 3, 1 / 3, 2 / 3),
        ("precision", 1, 1 / 3, 2 / 5),
        ("ndcg", 1, 1 / IDEAL3, (1 + 1 / log2(5)) / IDEAL3),
        ("map", 1, 1 / 3, (1 + 2 / 4) / 3),
        ("mrr", 1, 1, 1),
        ("hit", 1, 1, 1),
    ],
)
def test_by_hand(name, at_1, at_3, at_5):
    found = accuracy(HAND, [name], [1, 3, 5])
    for k, expected in ((1, at_1), (3, at_3), (5, at_5)):
        assert found[f"{name}@{k}"].tolist() == pytest.approx([expected, 0], abs=1e-15)


def plain(ranks, k):
    """One user's metrics from the ranks of all positives, None where not found."""
    held = sorted(rank for rank in ranks if rank is not None and rank < k)
    best = range(min(len(ranks), k))
    return {
        "recall": len(held) / len(ranks),
        "precision": len(held) / k,
        "ndcg": sum(1 / log2(r + 2) for r in held) / sum(1 / log2(r + 2) for r in best),
        "map": sum((n + 1) / (r + 1) for n, r in enumerate(held)) / len(best),
        "mrr": 1 / (held[0] + 1) if held else 0,
        "hit": float(bool(held)),
    }


def test_loops_say_the_same():
    rng = np.random.RandomState(0)
    rows, ranks, lists = [], [], []
    for user in range(30):
        n = rng.randint(1, 40)
        places = [int(r) if r < 25 else None for r in rng.permutation(60)[:n]]
        lists.append(places)
        rows += [user] * n
        ranks += [-1 if r is None else r for r in places]
    found = accuracy(Found(np.array(rows), np.array(ranks), 30), list(ACCURACY), [1, 10, 25])
    for user, places in enumerate(lists):
        for k in (1, 10, 25):
            for name, expected in plain(places, k).items():
                assert found[f"{name}@{k}"][user] == pytest.approx(expected, abs=1e-14)


def test_a_user_without_positives_has_no_recall():
    found = accuracy(HAND.only(np.array([False, False, False, True, True])), ["recall"], [5])
    assert np.isnan(found["recall@5"][0])
    assert found["recall@5"][1] == 0


def test_nothing_found_is_zero():
    none = Found(np.array([0, 1]), np.array([-1, -1]), 2)
    assert all((v == 0).all() and v.dtype == float for v in accuracy(none, ACCURACY, [3]).values())
