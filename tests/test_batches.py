"""Batches hold every positive once an epoch, with negatives of its user, and can be repeated."""

import pytest
import torch

from recbole_ext import batches
from recbole_ext.batches import Batches


def made(make, model="BPR", **settings):
    config, dataset = make(model, **settings)
    part = dataset.build()[0]
    pairs = part.inter_feat["user_id"], part.inter_feat["item_id"]
    return Batches(config, *pairs, dataset.item_num), pairs


def columns(drawn, *names):
    return [torch.cat([batch.rows[name] for batch in drawn]) for name in names]


def pairs_of(user, item):
    return sorted(zip(user.tolist(), item.tolist(), strict=True))


@pytest.mark.parametrize("draws", [None, 500])
@pytest.mark.parametrize("negatives", [1, 3])
def test_every_positive_stands_beside_each_of_its_negatives(make, monkeypatch, negatives, draws):
    if draws:
        monkeypatch.setattr(batches, "DRAWS", draws)  # several chunks an epoch
        monkeypatch.setattr(batches, "BLOCK", 100)
    found, (user, item) = made(make, negatives=negatives, train_batch_size=50)
    drawn = list(found.epoch(1))
    assert [len(batch.rows) for batch in drawn] == [50 * negatives] * 7 + [10 * negatives]
    users, items, other = columns(drawn, "user_id", "item_id", "neg_item_id")
    assert pairs_of(users, items) == pairs_of(
        user.repeat_interleave(negatives), item.repeat_interleave(negatives)
    )
    assert not set(pairs_of(users, other)) & set(pairs_of(user, item))
    assert other.dtype == users.dtype == torch.long


def test_an_epoch_can_be_repeated_and_differs_from_the_next(make):
    found, _ = made(make)
    names = "user_id", "item_id", "neg_item_id"
    first, again, second = (columns(list(found.epoch(number)), *names) for number in (1, 1, 2))
    assert all(torch.equal(*same) for same in zip(first, again, strict=True))
    assert not any(torch.equal(*other) for other in zip(first, second, strict=True))
    other, _ = made(make, seed=4)
    assert not torch.equal(columns(list(other.epoch(1)), "user_id")[0], first[0])


def test_shares_of_a_step_add_up_to_one(make):
    found, (user, _) = made(make, train_batch_size=50, gradient_accumulation=3)
    drawn = list(found.epoch(1))
    assert [batch.last for batch in drawn] == [False, False, True] * 2 + [False, True]
    assert found.steps == 3
    assert [batch.share for batch in drawn[:3]] == [1 / 3] * 3
    assert [batch.share for batch in drawn[-2:]] == [50 / 60, 10 / 60]
    assert len(user) == 360


def test_a_pointwise_model_sees_positives_once_and_labels(make):
    from recbole.utils import InputType

    found, (user, item) = made(make, negatives=2, train_batch_size=60)
    found.config.final_config_dict["MODEL_INPUT_TYPE"] = InputType.POINTWISE
    drawn = list(found.epoch(1))
    users, items, label = columns(drawn, "user_id", "item_id", "label")
    assert pairs_of(users[label == 1], items[label == 1]) == pairs_of(user, item)
    assert (label == 0).sum() == 2 * len(user)
