"""What stands beside a row of a table: where the vectors come from."""

import pytest

from mmbench.notes import weights_notes

TUNED = {"base_weights": "pretrained", "same_dataset": True, "dataset": "shop"}


def values(weights, paradigm="frozen", finetuned=None):
    encoder = {"weights": weights, "finetuned": finetuned}
    return {"encoder": encoder, "trial": {"paradigm": paradigm}}


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (values("pretrained"), []),
        (values("none"), []),
        (values("random"), ["random weights"]),
        (values("pretrained", "end2end"), []),
        (values("random", "end2end"), ["end to end from random weights"]),
        (values("finetuned", "finetuned", TUNED), []),
        (
            values("finetuned", "finetuned", {**TUNED, "base_weights": "random"}),
            ["fine-tuned from random weights"],
        ),
        (
            values("finetuned", "end2end", {**TUNED, "base_weights": "random"}),
            ["fine-tuned from random weights"],
        ),
        (
            values("finetuned", "finetuned", {**TUNED, "same_dataset": False}),
            ["fine-tuned on shop"],
        ),
        ({"encoder": {"weights": "random"}, "trial": {}}, ["random weights"]),
    ],
)
def test_weights_that_are_not_as_published_are_named(record, told):
    assert weights_notes(record) == told
