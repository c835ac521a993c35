"""Negatives follow the wished distribution, are never positive, and are repeatable."""

import pytest
import torch

from recbole_ext.sampler import NegativeSampler


def generator(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("power", [0, 0.75])
def test_no_negative_is_a_positive_or_the_padding(power):
    user, item = torch.tensor([1, 1, 1, 2, 3]), torch.tensor([1, 2, 4, 2, 5])
    sampler = NegativeSampler(user, item, n_items=7, power=power)
    many = torch.tensor([1, 2, 3]).repeat(2000)
    negative = sampler.sample(many, generator(0))
    unseen = {3, 6} if power == 0 else set()  # what nobody has chosen has no popularity
    assert set(negative[many == 1].tolist()) == {5} | unseen
    assert set(negative[many == 2].tolist()) == {1, 4, 5} | unseen
    assert set(negative[many == 3].tolist()) == {1, 2, 4} | unseen


def test_random_interactions_are_never_drawn():
    user, item = torch.randint(1, 90, (2, 3000), generator=generator(2))
    for power in (0, 0.5, 1):
        sampler = NegativeSampler(user, item, 95, power)
        many = torch.arange(1, 90).repeat(200)[torch.randperm(89 * 200, generator=generator(3))]
        drawn = sampler.sample(many, generator(4))
        assert not torch.isin(many * 95 + drawn, user * 95 + item).any()
        assert drawn.min() >= 1
        assert drawn.max() <= 94


def chi_square(counts, share):
    expected = counts.sum() * share / share.sum()
    return ((counts - expected) ** 2 / expected).sum()


def test_negatives_are_equally_likely():
    sampler = NegativeSampler(torch.tensor([1, 1]), torch.tensor([2, 3]), n_items=7)
    counts = sampler.sample(torch.ones(8000, dtype=torch.long), generator(1)).bincount()
    kept = counts[[1, 4, 5, 6]].double()
    assert counts.sum() == kept.sum()
    assert chi_square(kept, torch.ones(4)) < 16.3  # 99.9 % for 3 degrees of freedom; seed fixed


def test_popular_items_are_drawn_in_proportion_to_the_power():
    item = torch.arange(1, 6).repeat_interleave(torch.tensor([1, 2, 4, 8, 16]))
    user = torch.arange(1, 32)  # everybody has one item
    sampler = NegativeSampler(user, item, n_items=6, power=0.75)
    owner = int(user[item == 4][0])
    counts = sampler.sample(torch.full((20000,), owner), generator(1)).bincount(minlength=6)
    others = torch.tensor([1, 2, 3, 5])
    assert counts.sum() == counts[others].sum()
    share = torch.tensor([1.0, 2.0, 4.0, 16.0]) ** 0.75
    assert chi_square(counts[others].double(), share) < 16.3


def test_the_same_seed_draws_the_same():
    sampler = NegativeSampler(torch.arange(1, 50), torch.arange(1, 50), n_items=60)
    users = torch.arange(1, 50)
    first, second = (sampler.sample(users, generator(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, sampler.sample(users, generator(8)))


def test_repeated_interactions_are_one():
    once = torch.tensor([1, 1, 2]), torch.tensor([1, 2, 3])
    twice = tuple(torch.cat([part, part]) for part in once)
    users = torch.tensor([1, 2]).repeat(100)
    drawn = [NegativeSampler(*pairs, 9).sample(users, generator(5)) for pairs in (once, twice)]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("power", [0, 1])
def test_a_user_without_a_negative_is_named(power):
    with pytest.raises(ValueError, match="user 1 has interacted with every item"):
        NegativeSampler(torch.tensor([1, 1, 2]), torch.tensor([1, 2, 1]), n_items=3, power=power)
