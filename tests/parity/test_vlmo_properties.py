"""What must hold of a VLMo, whatever its weights."""

import pytest
import torch
from tiny_vlmo import VARIANTS, batch, config_with, random_with_content, run

from mmbench.encoders.vlmo.positions import resized_positions
from mmbench.errors import UsageError


@pytest.fixture(params=VARIANTS)
def tiny(request):
    return random_with_content(config_with(request.param == "relpos"))


@pytest.mark.parametrize("name", ["infer_text_ft", "infer_text", "infer_vl"])
def test_a_trimmed_text_gives_what_a_padded_one_gives(tiny, name):
    given = batch()
    whole = run(tiny, name, given)
    for row, length in enumerate((12, 7, 3)):
        one = {key: value[row : row + 1] for key, value in given.items()}
        cut = {**one, **{key: one[key][:, :length] for key in ("text_ids", "text_masks")}}
        for key, value in run(tiny, name, cut).items():
            same = whole[key][row : row + 1]
            torch.testing.assert_close(value, same[:, :length] if "text_" in key else same)


def test_image_features_do_not_depend_on_the_batch(tiny):
    given = batch()
    together = run(tiny, "infer_image_ft", given)["cls_feats"]
    alone = [
        run(tiny, "infer_image_ft", {"pixel_values": picture[None]})["cls_feats"]
        for picture in given["pixel_values"]
    ]
    torch.testing.assert_close(torch.cat(alone), together, atol=1e-6, rtol=0)
    assert not torch.allclose(together[0], together[1], atol=1e-3)


def test_a_masked_text_is_not_seen_by_the_joint_pass(tiny):
    given = batch()
    hidden = {**given, "text_masks": torch.zeros_like(given["text_masks"])}
    other = {**hidden, "text_ids": given["text_ids"].roll(1, 1)}
    feats = [run(tiny, "infer_vl", one)["image_feats"] for one in (given, hidden, other)]
    torch.testing.assert_close(feats[1], feats[2], atol=1e-6, rtol=0)
    assert not torch.allclose(feats[0], feats[1], atol=1e-3)


def test_only_absolute_models_add_the_text_positions(tiny):
    before = run(tiny, "infer_text_ft", batch())["cls_feats"]
    with torch.no_grad():
        tiny.text_embeddings.position_embeddings.weight += torch.arange(32.0)
    after = run(tiny, "infer_text_ft", batch())["cls_feats"]
    assert torch.equal(before, after) == tiny.config.relative


def test_half_precision_is_close(tiny):
    given = batch()
    exact = run(tiny, "infer_image_ft", given)["cls_feats"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = run(tiny, "infer_image_ft", given)["cls_feats"]
    assert torch.cosine_similarity(exact, rough.float()).min() > 0.99


def test_a_smaller_picture_or_a_longer_text_is_refused(tiny):
    with pytest.raises(UsageError, match="another image_size"):
        tiny.infer_image_ft(torch.zeros(1, 3, 48, 48))
    with pytest.raises(UsageError, match="41 tokens: this VLMo takes 40"):
        tiny.infer_text_ft(torch.ones(1, 41, dtype=int), torch.ones(1, 41, dtype=int))


def test_a_resized_picture_keeps_its_class_token_and_its_constant():
    positions = torch.cat([torch.full((1, 1, 4), 7.0), torch.full((1, 9, 4), 2.0)], 1)
    resized = resized_positions(positions, 5)  # (1, 26, 4)
    torch.testing.assert_close(resized[:, 1:], torch.full((1, 25, 4), 2.0))
    assert torch.equal(resized[:, :1], positions[:, :1])
