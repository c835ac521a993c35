"""BEiT-3 against torchscale, and what must hold without it.

torchscale 0.2.0, with fairscale and einops, is no requirement of mmbench. To run the tests that
need it: `pip install --no-deps --target DIR torchscale==0.2.0 fairscale einops`, and the same for
sentencepiece, then PYTHONPATH=DIR.
"""

import io
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate, normalize

from mmbench.encoders.beit3 import SIZES, BEiT3, Config, load_beit3, random_beit3
from mmbench.encoders.beit3.config import IMAGE_POSITIONS
from mmbench.encoders.beit3.vocabulary import tokenizer
from mmbench.encoders.vlmo import read_checkpoint
from mmbench.errors import UsageError

TINY = Config(dim=128, depth=3, image_size=48, text_positions=20, vocabulary=100)


def random_with_content(config, seed=1):
    """Return a model none of whose terms is zero or one."""
    model = random_beit3(config, seed)
    noise = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
    return model


def batch(n=3, length=12, image_size=48):
    noise = torch.Generator().manual_seed(3)
    lengths = torch.tensor([[length], [7], [3]])[:n]
    padding = (torch.arange(length) >= lengths).long()  # (n, length)
    return {
        "text_ids": torch.randint(4, 100, (n, length), generator=noise) * (1 - padding) + padding,
        "text_padding": padding,
        "pixel_values": torch.randn(n, 3, image_size, image_size, generator=noise),
    }


def text(model, given):
    with torch.no_grad():
        return model.encode_text(given["text_ids"], given["text_padding"])


def image(model, given):
    with torch.no_grad():
        return model.encode_image(given["pixel_values"])


@pytest.fixture
def tiny():
    return random_with_content(TINY)


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
    trunk, noise = torchscales(config), torch.Generator().manual_seed(5)
    heads = {
        f"{name}_head": torch.randn(config.dim, config.dim, generator=noise) / 5
        for name in ("vision", "language")
    }
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=noise))
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


# What follows needs no reference.


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


def test_the_same_resolution_keeps_every_tensor(tiny):
    for size in (None, 48):
        state = load_beit3(tiny.state_dict(), image_size=size).state_dict()
        assert all(torch.equal(state[key], value) for key, value in tiny.state_dict().items())


@pytest.mark.parametrize("size", [32, 80])
def test_another_resolution_fits_the_patches_alone(tiny, size):
    table, grid = tiny.state_dict()[IMAGE_POSITIONS], size // 16
    model = load_beit3(tiny.state_dict(), image_size=size)
    found = model.state_dict()[IMAGE_POSITIONS]
    plane = table[3:].T.reshape(1, 128, 3, 3)
    plane = interpolate(plane, size=(grid, grid), mode="bicubic", align_corners=False)
    assert found.shape == (3 + grid**2, 128)
    assert torch.equal(found[:3], table[:3])
    torch.testing.assert_close(found[3:], plane.reshape(128, grid**2).T)
    assert model.config == replace(TINY, image_size=size)
    assert image(model, batch(image_size=size))["image_feats"].shape == (3, grid**2 + 1, 128)


def test_a_smaller_picture_a_longer_text_and_no_text_are_refused(tiny):
    with pytest.raises(UsageError, match="another image_size"):
        tiny.encode_image(torch.zeros(1, 3, 32, 32))
    ids = torch.ones(1, 19, dtype=torch.int64)
    with pytest.raises(UsageError, match="19 tokens: this BEiT-3 takes 18"):
        tiny.encode_text(ids, torch.zeros_like(ids))
    with pytest.raises(UsageError, match="all padding"):
        tiny.encode_text(ids[:, :3], torch.ones_like(ids[:, :3]))
    assert text(tiny, batch(length=18))["cls_feats"].isfinite().all()


@pytest.mark.parametrize("wrapper", ["module", "model", None])
def test_wrappers_are_taken_off(tiny, wrapper):
    inner = tiny.state_dict()
    if wrapper == "module":
        inner = {f"module.{key}": value for key, value in inner.items()}
    model = load_beit3({wrapper: inner, "epoch": 3} if wrapper else inner)
    assert torch.equal(text(model, batch())["cls_feats"], text(tiny, batch())["cls_feats"])
    assert model.config == TINY
    assert not model.training


def test_the_tensors_are_copied_and_made_float32(tiny):
    state = {key: value.bfloat16() for key, value in tiny.state_dict().items()}
    model = load_beit3(state)
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    again = load_beit3(model.state_dict())
    with torch.no_grad():
        again.vision_head.weight += 1
        again.beit3.encoder.embed_positions.A.weight += 1
    for key in ("vision_head.weight", IMAGE_POSITIONS):
        assert not torch.equal(again.state_dict()[key], model.state_dict()[key])


@pytest.mark.parametrize("key", list(random_beit3(replace(TINY, depth=1), 0).state_dict()))
def test_no_key_may_be_missing(key):
    state = random_beit3(replace(TINY, depth=1), 0).state_dict()
    del state[key]
    with pytest.raises(UsageError, match=key.replace(".", r"\.")) as error:
        load_beit3(state)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("vision_head.weigth", torch.zeros(1), "unexpected key 'vision_head.weigth', the nearest"),
        ("beit3.encoder.layers.9.ffn.A.fc1.bias", torch.zeros(512), "layers.9.ffn.A.fc1.bias'"),
        ("mlm_head.weight", torch.zeros(3, 3), "unexpected key 'mlm_head.weight'"),
        ("beit3.encoder.layer_norm.A.weight", torch.zeros(9), "layer_norm.A.weight' has shape [9]"),
        ("beit3.vision_embed.cls_token", torch.zeros(128), "cls_token' has shape [128]"),
        ("beit3.text_embed.weight", torch.zeros(100), "has shape [100], not 2 axes"),
        ("beit3.text_embed.weight", torch.zeros(100, 96), "dimension 96, no multiple of 64"),
        (IMAGE_POSITIONS, torch.zeros(13, 128), "13 rows, which is no square"),
        ("logit_scale", 2.6, "'logit_scale' is a float, not a tensor"),
    ],
)
def test_extra_keys_and_wrong_shapes_are_refused_by_name(tiny, key, value, told):
    with pytest.raises(UsageError) as error:
        load_beit3({**tiny.state_dict(), key: value})
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_fusion_checkpoint_says_what_it_lacks(tiny):
    heads = ("vision_head.weight", "language_head.weight", "logit_scale")
    state = {key: value for key, value in tiny.state_dict().items() if key not in heads}
    with pytest.raises(UsageError, match="no BEiT-3 retrieval or itc .*'logit_scale' is missing"):
        load_beit3(state)


@pytest.mark.parametrize("size", [40, 0, -16])
def test_sizes_that_do_not_fit_are_refused(tiny, size):
    with pytest.raises(UsageError, match="multiple of the patch, 16"):
        load_beit3(tiny.state_dict(), image_size=size)


def test_a_checkpoint_of_another_architecture_is_refused():
    layer = torch.nn.TransformerEncoderLayer(8, 2)
    for state in (layer.state_dict(), {}):
        with pytest.raises(UsageError, match="no BEiT-3 checkpoint: key 'beit3.text_embed.weight'"):
            load_beit3(state)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_code_in_a_file_does_not_run(tmp_path):
    touched = tmp_path / "touched"
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"w": Payload(touched)}, protocol=2))
    torch.save({"model": Payload(touched)}, tmp_path / "zip.pth")
    for name in ("plain.pth", "zip.pth"):
        with pytest.raises(UsageError, match=f"{name}: no file of tensors only"):
            load_beit3(read_checkpoint(tmp_path / name))
    assert not touched.exists()
    pickle.loads((tmp_path / "plain.pth").read_bytes())  # the payload is live: here it does run
    assert touched.exists()
