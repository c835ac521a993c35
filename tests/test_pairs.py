"""Sorted pairs: what belongs to a block is what a search would find."""

import torch

from recbole_ext.pairs import Pairs, sorted_keys, without

USER = torch.tensor([5, 2, 5, 2, 9, 5, 7])
ITEM = torch.tensor([1, 3, 4, 1, 2, 1, 6])


def test_keys_are_sorted_and_single():
    assert sorted_keys(USER, ITEM, 10).tolist() == [21, 23, 51, 54, 76, 92]


def test_blocks_hold_the_pairs_of_their_users():
    pairs = Pairs.of(sorted_keys(USER, ITEM, 10), torch.tensor([2, 4, 5, 9]), 10)
    found = [
        list(zip(*(axis.tolist() for axis in pairs.cells(*block)), strict=True))
        for block in ((0, 2), (2, 4))
    ]
    assert found == [[(0, 1), (0, 3)], [(0, 1), (0, 4), (1, 2)]]  # user 4 has none, 7 is not asked
    assert pairs.slice(2, 4) == slice(2, 5)


def test_what_is_taken_away_is_gone():
    keys = torch.tensor([1, 4, 6, 9])
    assert without(keys, torch.tensor([4, 5, 9])).tolist() == [1, 6]
    assert without(keys, torch.tensor([], dtype=torch.long)).tolist() == [1, 4, 6, 9]
    assert without(keys[:0], keys).tolist() == []
