"""A record's numbers, found again from the raw files and the scores, pair by pair and by id."""

from datetime import datetime, timezone
from math import log2

import pytest
import torch
from recbole.data.interaction import Interaction

from mmbench import trial
from mmbench.costs import Meter
from mmbench.plan import plan
from mmbench.progress import Silent


def read(folder, part):
    """User → items of a part, as written in the dataset folder."""
    found = {}
    for line in (folder / f"{folder.name}.{part}.inter").read_text().splitlines()[1:]:
        user, item, _ = line.split("\t")
        found.setdefault(user, set()).add(item)
    return found


@pytest.mark.parametrize(("model", "epochs"), [("VBPR", {"epochs": 4}), ("Pop", {})])
def test_recall_and_ndcg_of_the_test_part(toyshop_home, model, epochs):
    encoder = "classic" if model == "VBPR" else None
    (planned,) = plan(model, encoder, "toyshop", home=toyshop_home, hyperparameters=epochs)
    fitted = trial.fit(planned, Silent())
    values, _ = trial.score(fitted, Meter(), datetime.now(timezone.utc))
    train, valid, test = (read(planned.dataset.folder, part) for part in ("train", "valid", "test"))
    whole = fitted.recbole.parts["train"]
    users, items = whole.field2id_token["user_id"], whole.field2id_token["item_id"]
    with torch.no_grad():
        batch = Interaction({"user_id": torch.arange(len(users))})
        scores = fitted.recbole.model.full_sort_predict(batch).view(len(users), -1).tolist()
    recall, ndcg = [], []
    for row, user in enumerate(users):
        if user not in test:
            continue
        seen = train.get(user, set()) | valid.get(user, set())
        rest = [(-scores[row][i], i) for i in range(1, len(items)) if items[i] not in seen]
        top = [items[i] for _, i in sorted(rest)[:20]]
        gains = [1 / log2(rank + 2) for rank, item in enumerate(top) if item in test[user]]
        recall.append(len(gains) / len(test[user]))
        ndcg.append(
            sum(gains) / sum(1 / log2(rank + 2) for rank in range(min(20, len(test[user]))))
        )
    told = values["metrics"]["test"]
    assert told["recall@20"] == pytest.approx(sum(recall) / len(recall), abs=1e-12)
    assert told["ndcg@20"] == pytest.approx(sum(ndcg) / len(ndcg), abs=1e-12)
