"""What a few users were recommended: the same users in every record, read as the ranking has it."""

import numpy as np
import pytest
import torch
from ranked import Fixed, evaluator

import mmbench
from mmbench.lists import LISTED, listed
from mmbench.records import Record
from recbole_ext.lists import sampled

ITEMS = np.array(["[PAD]", "apple", "pear", "plum"])


def test_lists_are_the_best_unmasked_items_in_order():
    scores = [[0.0] * 4, [9, 1, 3, 2], [9, 3, 2, 1], [9, 1, 2, 3]]
    ranking = evaluator([2], ([1, 2, 3], [2, 1, 1]), ([3], [3]), (4, 4)).rank(
        Fixed(torch.tensor(scores)), 3, ITEMS
    )
    assert ranking.lists.users.tolist() == ["u1", "u2", "u3"]
    assert ranking.lists.items.tolist() == [["pear", "plum"], ["apple", "pear"], ["pear", "apple"]]


def test_a_list_that_ends_early_is_filled_with_empty_names():
    scores = torch.tensor([[0.0] * 4, [9, 1, 3, 2]])
    ranking = evaluator([3], ([1], [2]), ([1, 1], [1, 3]), (2, 4)).rank(Fixed(scores), 1, ITEMS)
    assert ranking.lists.items.tolist() == [["pear", "", ""]]


def test_blocks_do_not_change_the_lists(monkeypatch):
    scores = torch.rand(40, 30)
    positives, names = (list(range(1, 40)), [1] * 39), np.array([f"i{n}" for n in range(30)])
    whole = evaluator([5], positives, ([], []), (40, 30))
    one = whole.rank(Fixed(scores.clone()), 7, names).lists
    monkeypatch.setattr(whole, "_rows", lambda: 4)
    other = whole.rank(Fixed(scores.clone()), 7, names).lists
    assert len(one.users) == 7
    assert one.users.tolist() == other.users.tolist() == sorted(one.users, key=lambda u: int(u[1:]))
    assert one.items.tolist() == other.items.tolist()


def test_no_lists_where_nobody_asks():
    scores = torch.tensor([[0.0] * 4, [9, 1, 3, 2]])
    assert evaluator([2], ([1], [2]), ([], []), (2, 4)).rank(Fixed(scores)).lists is None


def test_the_sample_depends_on_the_users_ids_alone():
    users = np.array([f"u{n}" for n in range(500)])
    chosen = set(users[sampled(users, 50)])
    fewer = np.array([user for user in users[::-1] if user in chosen or user.endswith("7")])
    assert set(fewer[sampled(fewer, 50)]) == chosen
    assert len(sampled(users[:3], 50)) == 3


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    home = tmp_path_factory.mktemp("lists")
    return mmbench.run("BPR", dataset="toyshop", hyperparameters={"epochs": 1}, home=home)


def test_a_record_keeps_the_lists_of_a_hundred_users(record):
    lists, per_user = listed(record), record.per_user()
    assert len(lists) == LISTED
    assert set(lists) <= set(per_user["users"].tolist())
    assert {len(items) for items in lists.values()} == {20}


def test_the_hits_of_the_lists_are_the_metric(record):
    per_user = record.per_user()
    at = {user: n for n, user in enumerate(per_user["users"].tolist())}
    held = record.path.parents[4] / "datasets/toyshop/toyshop.test.inter"
    pairs = {tuple(line.split("\t")[:2]) for line in held.read_text().splitlines()[1:]}
    for user, items in listed(record).items():
        hits = sum((user, item) in pairs for item in items)
        assert per_user["precision@20"][at[user]] == pytest.approx(hits / 20)


def test_records_without_lists_have_none(record, tmp_path):
    other = Record(tmp_path / "r.json", record.values)
    assert listed(other) == {}
    other.write({"users": np.array(["u1"]), "recall@20": np.array([1.0])})
    assert listed(other) == {}
    (tmp_path / "r.npz").write_bytes(b"PK damaged")
    assert listed(other) == {}
