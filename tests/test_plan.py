"""Everything a person may get wrong is found before any work is done."""

import pytest

from mmbench.errors import UsageError
from mmbench.plan import plan


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"model": "VBRP"}, "the nearest is VBPR"),
        ({"dataset": "toyshopp"}, "the nearest is toyshop"),
        ({"encoder": "clasic"}, "the nearest is classic"),
        ({"protocol": "randm"}, "the nearest is random"),
        ({"protocol": "leave-one-out"}, "was split by protocol 'random'"),
        ({"paradigm": "frosen"}, "the nearest is frozen"),
        ({"model": "BPR", "encoder": "classic"}, "reads no item features"),
        ({"model": "LATTICE", "encoder": "id"}, "LATTICE needs at least one modality of item f"),
        ({"device": "cuda:99"}, "GPUs"),
        ({"dataset": "unseen", "missing": "maen"}, "the nearest is mean"),
        ({"inject_missing": {"image": 1.5}}, "image:1.5 is no share above 0 and below 1"),
        ({"encoder": "classic", "inject_missing": {"txt": 0.5}}, "the nearest is text"),
        ({"seeds": 99}, "protocol random has"),
        ({"seeds": [-1]}, "seed: "),
        ({"dataset": "unseen", "paradigm": "end2endd"}, "--paradigm end2endd"),
        ({"encoder": "oracle", "dataset": "toyshop", "hyperparameters": {"x": 1}}, "--set x"),
        (
            {"model": "LATTICE", "encoder": "classic", "hyperparameters": {"knn_k": 40}},
            "--set knn_k=40: dataset 'toyshop' has 40 items: expected at most 39",
        ),
        (
            {"model": "ContentKNN", "encoder": "classic", "hyperparameters": {"k": 39}},
            "--set k=39: dataset 'toyshop' has 40 items: expected at most 38",
        ),
        (
            {
                "model": "PGL",
                "encoder": "classic",
                "hyperparameters": {"subgraph": "global", "svd_rank": 41},
            },
            "--set svd_rank=41: dataset 'toyshop' has 40 items: expected at most 40",
        ),
        (
            {"model": "SLMRec", "encoder": "id", "hyperparameters": {"ssl_task": "FM"}},
            "SLMRec with --set ssl_task=FM needs at least one modality of item features",
        ),
    ],
)
def test_wrong_wishes_fail_before_any_work(toyshop_home, wish, told):
    with pytest.raises(UsageError) as error:
        plan(**wish, home=toyshop_home)
    assert told in str(error.value)
