"""What must hold of a BEiT-3, whatever its weights."""

import pytest
import torch
from tiny_beit3 import TINY, batch, image, random_with_content, text

from mmbench.errors import UsageError


@pytest.fixture
def tiny():
    return random_with_content(TINY)


def test_a_trimmed_text_gives_what_a_padded_one_gives(tiny):
    given = batch()
    whole = text(tiny, given)
    for row, length in enumerate((12, 7, 3)):
        cut = {key: given[key][row : row + 1, :length] for key in ("text_ids", "text_padding")}
        found = text(tiny, cut)
        torch.testing.assert_close(
            found["cls_feats"], whole["cls_feats"][row : row + 1], atol=1e-6, rtol=0
        )
        torch.testing.assert_close(
            found["text_feats"], whole["text_feats"][row : row + 1, :length], atol=1e-5, rtol=0
        )


def test_what_stands_under_the_padding_is_not_seen(tiny):
    given = batch()
    other = {**given, "text_ids": given["text_ids"] + 50 * given["text_padding"]}
    unmasked = {**given, "text_padding": torch.zeros_like(given["text_padding"])}
    feats = [text(tiny, one)["cls_feats"] for one in (given, other, unmasked)]
    assert torch.equal(feats[0], feats[1])
    assert not torch.allclose(feats[0][1:], feats[2][1:], atol=1e-3)


def test_features_do_not_depend_on_the_batch(tiny):
    given = batch()
    for encode in (text, image):
        together = encode(tiny, given)["cls_feats"]
        alone = [
            encode(tiny, {key: value[row : row + 1] for key, value in given.items()})["cls_feats"]
            for row in range(3)
        ]
        torch.testing.assert_close(torch.cat(alone), together, atol=1e-6, rtol=0)
        torch.testing.assert_close(together.norm(dim=1), torch.ones(3))
        assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_the_first_two_positions_are_of_no_token(tiny):
    before = text(tiny, batch())["cls_feats"], image(tiny, batch())["cls_feats"]
    positions = tiny.beit3.encoder.embed_positions
    with torch.no_grad():
        positions.A.weight[:2] += 1
        positions.B.weight[:2] += 1
    after = text(tiny, batch())["cls_feats"], image(tiny, batch())["cls_feats"]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    with torch.no_grad():
        positions.A.weight[2] += torch.linspace(-1, 1, 128)
    assert not torch.allclose(before[1], image(tiny, batch())["cls_feats"], atol=1e-3)


def test_each_way_has_its_own_parameters(tiny):
    before = text(tiny, batch())["cls_feats"], image(tiny, batch())["cls_feats"]
    with torch.no_grad():
        for name, parameter in tiny.named_parameters():
            if ".B." in name or "language" in name or "text" in name:
                parameter.mul_(-0.5)
    assert torch.equal(before[1], image(tiny, batch())["cls_feats"])
    assert not torch.allclose(before[0], text(tiny, batch())["cls_feats"], atol=1e-3)


def test_a_smaller_picture_a_longer_text_and_no_text_are_refused(tiny):
    with pytest.raises(UsageError, match="another image_size"):
        tiny.encode_image(torch.zeros(1, 3, 32, 32))
    ids = torch.ones(1, 19, dtype=torch.int64)
    with pytest.raises(UsageError, match="19 tokens: this BEiT-3 takes 18"):
        tiny.encode_text(ids, torch.zeros_like(ids))
    with pytest.raises(UsageError, match="all padding"):
        tiny.encode_text(ids[:, :3], torch.ones_like(ids[:, :3]))
    assert text(tiny, batch(length=18))["cls_feats"].isfinite().all()
