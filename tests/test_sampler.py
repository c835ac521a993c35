"""Negatives are uniform, never positive, never the padding item, and repeatable."""

import pytest
import torch

from recbole_ext.sampler import NegativeSampler


def generator(seed):
    return torch.Generator().manual_seed(seed)


def test_no_negative_is_a_positive_or_the_padding():
    user, item = torch.tensor([1, 1, 1, 2, 3]), torch.tensor([1, 2, 4, 2, 5])
    sampler = NegativeSampler(user, item, n_items=6)
    many = torch.tensor([1, 2, 3]).repeat(2000)
    negative = sampler.sample(many, generator(0))
    assert set(negative[many == 1].tolist()) == {3, 5}
    assert set(negative[many == 2].tolist()) == {1, 3, 4, 5}
    assert set(negative[many == 3].tolist()) == {1, 2, 3, 4}


def test_negatives_are_equally_likely():
    sampler = NegativeSampler(torch.tensor([1, 1]), torch.tensor([2, 3]), n_items=7)
    counts = sampler.sample(torch.ones(8000, dtype=torch.long), generator(1)).bincount()
    kept = counts[[1, 4, 5, 6]].float()
    assert counts.sum() == kept.sum()
    chi_square = ((kept - 2000) ** 2 / 2000).sum()
    assert chi_square < 16.3  # 99.9 % for 3 degrees of freedom; the seed is fixed


def test_the_same_seed_draws_the_same():
    sampler = NegativeSampler(torch.arange(1, 50), torch.arange(1, 50), n_items=60)
    users = torch.arange(1, 50)
    first, second = (sampler.sample(users, generator(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, sampler.sample(users, generator(8)))


def test_a_user_without_a_negative_is_named():
    with pytest.raises(ValueError, match="user 1 has interacted with every item"):
        NegativeSampler(torch.tensor([1, 1, 2]), torch.tensor([1, 2, 1]), n_items=3)
