"""Generated interactions of any size, written once so that every system reads the same numbers.

Popularity of items and activity of users fall off as powers of their rank, as they do in shops. Ids
are given by first appearance in the training part, which is the order in which RecBole numbers
them: every system touches the same rows of its tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

PARTS = ("train", "valid", "test")
VALID_USERS = 1000  # validation is not measured: it only has to be there


@dataclass(frozen=True)
class Size:
    """How much to generate.

    interactions: of the training part; every user and every item has at least one.
    features: dimension of each matrix of item features.
    test_users: users of the test part, all where it is 0.
    """

    users: int
    items: int
    interactions: int
    features: tuple[int, ...] = ()
    test_users: int = 0

    @property
    def name(self) -> str:
        """A folder name that tells the size."""
        words = (self.users, self.items, self.interactions, self.test_users, *self.features)
        return "size-" + "-".join(map(str, words))


BABY = Size(19_445, 7_050, 160_000, (4096, 384))


@dataclass(frozen=True)
class Interactions:
    """Pairs of user and item, (n, 2) int64 from 0, of each part; features (n_items, dim)."""

    size: Size
    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    features: tuple[NDArray[np.float32], ...] = ()


def generate(size: Size, seed: int = 0) -> Interactions:
    """Return interactions of a size; the test part holds one item a user.

    Raises:
        ValueError: there are too few or too many interactions for these users and items.
    """
    least = max(size.users, size.items)
    if not least * 2 <= size.interactions <= size.users * size.items // 4:
        raise ValueError(f"{size}: interactions must be from {2 * least} to a quarter of all pairs")
    rng = np.random.default_rng(seed)
    activity = _falling(size.users, 0.3)
    popularity = _falling(size.items, 0.5)
    keys = _distinct_pairs(size, activity, popularity, rng)
    train = _by_appearance(np.stack(np.divmod(keys, size.items), axis=1))
    held_out = _held_out(size, train, popularity, rng)
    test, valid = held_out[: size.test_users or None], held_out[:VALID_USERS]
    features = tuple(
        rng.standard_normal((size.items, dim), dtype=np.float32) for dim in size.features
    )
    return Interactions(size, train, valid, test, features)


def _falling(count: int, power: float) -> NDArray[np.float64]:
    """Return the cumulated probabilities of weights that fall as a power of the rank."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -power
    cumulated: NDArray[np.float64] = weights.cumsum() / weights.sum()
    return cumulated


def _draw(cumulated: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    found = np.searchsorted(cumulated, rng.random(n), side="right")
    return np.minimum(found, len(cumulated) - 1)


def _distinct_pairs(
    size: Size,
    activity: NDArray[np.float64],
    popularity: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return user * n_items + item of distinct pairs in random order, (interactions,)."""
    of_items = _draw(activity, size.items, rng) * size.items + np.arange(size.items)
    of_users = np.arange(size.users) * size.items + _draw(popularity, size.users, rng)
    needed = np.unique(np.concatenate([of_items, of_users]))
    others = np.zeros(0, np.int64)
    while len(needed) + len(others) < size.interactions:
        n = size.interactions // 2
        drawn = _draw(activity, n, rng) * size.items + _draw(popularity, n, rng)
        others = np.setdiff1d(np.concatenate([others, drawn]), needed)  # sorted, distinct
    others = rng.permutation(others)[: size.interactions - len(needed)]
    return rng.permutation(np.concatenate([needed, others]))


def _by_appearance(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number users and items in the order in which they first appear."""
    columns = []
    for column in pairs.T:
        _, first, inverse = np.unique(column, return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[first.argsort()] = np.arange(len(first))
        columns.append(rank[inverse])
    return np.stack(columns, axis=1)


def _held_out(
    size: Size,
    train: NDArray[np.int64],
    popularity: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return one pair a user that is not in training, (users, 2)."""
    known = np.sort(train[:, 0] * size.items + train[:, 1])
    user = np.arange(size.users)
    item = _draw(popularity, size.users, rng)
    wrong = user
    while len(wrong):
        item[wrong] = rng.integers(0, size.items, len(wrong))
        keys = wrong * size.items + item[wrong]
        place = np.searchsorted(known, keys).clip(max=len(known) - 1)
        wrong = wrong[known[place] == keys]
    return np.stack([user, item], axis=1)


def write(home: Path, size: Size, seed: int = 0) -> Path:
    """Generate a size below `home` unless it is there, and return its folder.

    The folder holds RecBole's atomic files (ids u0, u1, ... and i0, i1, ...) and the same pairs
    and features as .npy.
    """
    folder = home / size.name
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    made = generate(size, seed)
    for part in PARTS:
        pairs = getattr(made, part)
        np.save(folder / f"{part}.npy", pairs)
        _write_atomic(folder / f"{size.name}.{part}.inter", pairs)
    for place, matrix in enumerate(made.features):
        np.save(folder / f"features{place}.npy", matrix)
    (folder / "done").touch()
    return folder


def _write_atomic(path: Path, pairs: NDArray[np.int64]) -> None:
    columns = {
        letter: np.char.add(letter, column.astype(str))
        for letter, column in zip("ui", pairs.T, strict=True)
    }
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(b"user_id:token\titem_id:token\n")  # the writer would put it in quotes
        csv.write_csv(pa.table(columns), file, options)


def read(folder: Path, size: Size, features: bool = False) -> Interactions:
    """Return what `write` wrote; the features only where they are asked for."""
    parts = {part: np.load(folder / f"{part}.npy", allow_pickle=False) for part in PARTS}
    places: Sequence[int] = range(len(size.features)) if features else ()
    matrices = [np.load(folder / f"features{place}.npy", allow_pickle=False) for place in places]
    return Interactions(size, **parts, features=tuple(matrices))
