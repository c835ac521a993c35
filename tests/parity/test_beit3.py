"""BEiT-3 against torchscale and sentencepiece.

torchscale 0.2.0, with fairscale and einops, is no requirement of mmbench. To run the tests that
need it: `pip install --no-deps --target DIR torchscale==0.2.0 fairscale einops`, and the same for
sentencepiece, then PYTHONPATH=DIR.
"""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from content import with_content
from tiny_beit3 import TINY, batch, image, text
from torch.nn.functional import normalize

from mmbench.encoders.beit3 import SIZES, BEiT3, load_beit3
from mmbench.encoders.beit3.config import IMAGE_POSITIONS
from mmbench.encoders.beit3.vocabulary import tokenizer


def torchscales(config):
    """Return torchscale's trunk of a configuration, with the flags of the authors' models."""
    reason = "torchscale 0.2.0 is not installed: the docstring of this file says how"
    beit3 = pytest.importorskip("torchscale.model.BEiT3", reason=reason)
    architecture = pytest.importorskip("torchscale.architecture.config", reason=reason)
    encoder = architecture.EncoderConfig(
        img_size=config.image_size,
        patch_size=config.patch,
        vocab_size=config.vocabulary,
        multiway=True,
        layernorm_embedding=False,
        normalize_output=True,
        no_output_layer=True,
        drop_path_rate=0,
        encoder_embed_dim=config.dim,
        encoder_attention_heads=config.heads,
        encoder_ffn_embed_dim=4 * config.dim,
        encoder_layers=config.depth,
        max_source_positions=config.text_positions,
    )
    return beit3.BEiT3(encoder).eval()


def official(config):
    """Return torchscale's trunk, two heads and the state dict of all, none of it zero or one."""
    trunk, noise = with_content(torchscales(config), 5), torch.Generator().manual_seed(6)
    heads = {
        f"{name}_head": torch.randn(config.dim, config.dim, generator=noise) / 5
        for name in ("vision", "language")
    }
    state = {f"beit3.{key}": value for key, value in trunk.state_dict().items()}
    state |= {f"{name}.weight": head for name, head in heads.items()}
    return trunk, heads, {**state, "logit_scale": torch.tensor(2.6)}


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("depth", [1, 3])
def test_texts_give_what_torchscale_gives(depth, masked):
    config = replace(TINY, depth=depth)
    trunk, heads, state = official(config)
    given = batch()
    if not masked:
        given["text_padding"] = torch.zeros_like(given["text_padding"])
    with torch.no_grad():
        wanted = trunk(
            textual_tokens=given["text_ids"], text_padding_position=given["text_padding"]
        )["encoder_out"]
        head = normalize(wanted[:, 0] @ heads["language_head"].T, dim=-1)
    found = text(load_beit3({"model": state}), given)
    torch.testing.assert_close(found["text_feats"], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found["cls_feats"], head, atol=1e-6, rtol=0)


@pytest.mark.parametrize("depth", [1, 3])
def test_pictures_give_what_torchscale_gives(depth):
    trunk, heads, state = official(replace(TINY, depth=depth))
    given = batch()
    with torch.no_grad():
        wanted = trunk(visual_tokens=given["pixel_values"])["encoder_out"]
        head = normalize(wanted[:, 0] @ heads["vision_head"].T, dim=-1)
    found = image(load_beit3({"model": state}), given)
    torch.testing.assert_close(found["image_feats"], wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found["cls_feats"], head, atol=1e-6, rtol=0)


def test_the_half_precision_is_torchscales():
    trunk, _, state = official(TINY)
    given, model = batch(), load_beit3(state)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        wanted = trunk(visual_tokens=given["pixel_values"])["encoder_out"]
        found = model.encode_image(given["pixel_values"])["image_feats"]
    similarity = torch.cosine_similarity(found.float(), wanted.float(), dim=-1)
    assert similarity.min() > 0.999


@pytest.mark.parametrize(
    ("model", "n_tensors", "millions"), [("base", 494, 222.5), ("large", 974, 675.2)]
)
def test_the_sizes_are_those_of_the_authors(model, n_tensors, millions):
    with torch.device("meta"):
        made = BEiT3(replace(SIZES[model], image_size=384))
    shapes = {key: tuple(value.shape) for key, value in made.state_dict().items()}
    assert len(shapes) == n_tensors
    n_parameters = sum(parameter.numel() for parameter in made.parameters()) / 1e6
    assert round(n_parameters, 1) == millions
    assert shapes[IMAGE_POSITIONS] == (24 * 24 + 1 + 2, SIZES[model].dim)


@pytest.mark.parametrize("model", ["base", "large"])
def test_the_keys_and_shapes_are_torchscales(model):
    with torch.device("meta"):
        trunk, mine = torchscales(SIZES[model]), BEiT3(SIZES[model])
    wanted = {f"beit3.{key}": value.shape for key, value in trunk.state_dict().items()}
    found = {key: value.shape for key, value in mine.state_dict().items()}
    extra = {"vision_head.weight", "language_head.weight", "logit_scale"}
    assert found.keys() - wanted.keys() == extra
    assert {key: found[key] for key in wanted} == wanted


# Words with characters that the rules of SentencePiece change, cut out, or do not know.
TEXTS = [
    *("a red shoe", "", " ", "  two   spaces  here ", "😀 Crème BRÛLÉE 😀😀x", "naïve ﬁne №5 ½"),
    *("tab\tnl\nx", "nbsp\u00a0x\u3000y", "日本 語", "a ▁ b", "cafe\u0301", "a\u200bb \u00ad c"),
    *("\u3000lead", "\ttab lead", "zero\x00nul", "trail\n"),
]


def test_words_are_cut_as_sentencepiece_cuts_them(tmp_path):
    reason = "sentencepiece is not installed: the docstring of this file says how"
    sentencepiece = pytest.importorskip("sentencepiece", reason=reason)
    held, path = io.BytesIO(), tmp_path / "beit3.spm"
    code = Path(__file__).read_text(encoding="utf-8").splitlines()
    lines = [*TEXTS, *(line for line in code if "<" not in line)]  # "<pad>" is no text
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in lines if "\0" not in line]),
        model_writer=held,
        vocab_size=400,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.write_bytes(held.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=held.getvalue())
    cut = tokenizer(path)
    for line in lines:
        # XLM-RoBERTa's ids: all one higher for the <pad> at 1, and an unknown piece is 3.
        wanted = [0, *(piece + 1 if piece else 3 for piece in pieces.encode(line)), 2]
        assert cut(line)["input_ids"] == wanted, line
