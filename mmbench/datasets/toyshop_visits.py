"""Who comes to the toyshop, what they take home, and when: in whole numbers only.

A user likes some values of each attribute, and takes an item the likelier the more of them it
has and the more popular it is. So what can be seen and what can be read each tell something that
the other does not.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

FEWEST, MOST = 8, 20  # items a user takes
FAVOURITES = 2  # values of an attribute that a user likes
HOUR, DAY = 3600, 86400  # seconds
OPENING = 1_640_995_200  # 2022-01-01, Unix seconds
ARRIVALS, LONGEST_GAP = 550 * DAY, 28 * DAY

# How many times as likely a favourite value makes an item.
FAVOUR: Mapping[str, int] = {
    "kind": 6,
    "colour": 6,
    "pattern": 5,
    "shape": 4,
    "brand": 6,
    "material": 6,
    "style": 6,
}


class Visits(NamedTuple):
    """Interactions, user by user and in order of time; each array is (n_interactions,)."""

    user: Integers  # number of the user
    item: Integers  # number of the item
    timestamp: Integers  # Unix seconds


def draw_visits(
    codes: Mapping[str, Integers],
    sizes: Mapping[str, int],
    users: int,
    stream: np.random.RandomState,
) -> Visits:
    """Return the interactions: 8 to 20 a user, each with another item.

    Args:
        codes: attribute → the number of each item's value, (n_items,), one for each of FAVOUR.
        sizes: attribute → how many values it has.
        users: how many users come.
        stream: what all is drawn from.
    """
    popularity = _popularity(len(codes["kind"]), stream)
    tastes = {name: _tastes(users, sizes[name], times, stream) for name, times in FAVOUR.items()}
    taken = []
    for user in range(users):
        weights = popularity.copy()
        for name, taste in tastes.items():
            weights *= taste[user, codes[name]]
        taken.append(_take(weights, int(stream.randint(FEWEST, MOST + 1, dtype=np.int64)), stream))
    counts = [len(items) for items in taken]
    times = np.concatenate([_times(count, stream) for count in counts])
    return Visits(np.repeat(np.arange(users, dtype=np.int64), counts), np.concatenate(taken), times)


def _popularity(items: int, stream: np.random.RandomState) -> Integers:
    rank = stream.permutation(items).astype(np.int64)
    return 1000 * items // (items // 4 + rank)  # the first sells five times as often as the last


def _tastes(users: int, size: int, times: int, stream: np.random.RandomState) -> Integers:
    """Return how much each user favours each value of an attribute, (n_users, size)."""
    favourites = [stream.permutation(size)[:FAVOURITES] for _ in range(users)]
    tastes = np.ones((users, size), np.int64)
    np.put_along_axis(tastes, np.array(favourites, np.int64), times, axis=1)
    return tastes


def _take(weights: Integers, count: int, stream: np.random.RandomState) -> Integers:
    """Return `count` distinct items, each drawn by the weights of those still there."""
    weights, taken = weights.copy(), np.empty(count, np.int64)
    for turn, ticket in enumerate(stream.randint(0, 2**62, count, dtype=np.int64)):
        edges = np.cumsum(weights)
        taken[turn] = np.searchsorted(edges, ticket % edges[-1], side="right")
        weights[taken[turn]] = 0
    # The best liked tend to be drawn first: without this, what comes last in time is liked least.
    return taken[stream.permutation(count)]


def _times(count: int, stream: np.random.RandomState) -> Integers:
    arrival = OPENING + stream.randint(0, ARRIVALS, dtype=np.int64)
    gaps = stream.randint(HOUR, LONGEST_GAP, count - 1, dtype=np.int64)
    return np.concatenate([[arrival], arrival + np.cumsum(gaps)]).astype(np.int64)
