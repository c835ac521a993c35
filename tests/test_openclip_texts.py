"""Texts as open_clip's own tokenizers give them, in as many pieces as they need."""

import numpy as np
import pytest
import torch
from tiny_openclip import SIGLIP, TEXT, backend, open_clip, save_tokenizer

from mmbench.encoders.openclip.tokens import LONGEST_WORD, ClipTokenizer, HubTokenizer
from mmbench.errors import UsageError

CLIP = open_clip.SimpleTokenizer()
PHRASE = "red shoe with a heel & <b>café</b> naïve ﬁne 😀 Ⅷ 3.50 don't "
LONG = [
    "",
    "A Red Shoe",
    "&amp;lt; twice escaped",
    PHRASE * 3,
    PHRASE * 40,
    "<end_of_text> in the middle",
    *("red " * n for n in (74, 75, 76, 150, 151)),
]


@pytest.mark.parametrize("length", [77, 32])
def test_the_first_piece_is_what_open_clips_tokenizer_gives(length):
    ours = ClipTokenizer({**TEXT, "context_length": length})
    cut = ours.chunks(LONG)
    first = ours.padded([pieces[0] for pieces in cut])
    assert torch.equal(first, CLIP(LONG, context_length=length))
    assert [len(pieces) > 1 for pieces in cut] == [
        len(CLIP.encode(text)) > length - 2 for text in LONG
    ]


def test_later_pieces_hold_the_rest_between_a_start_and_an_end():
    ours = ClipTokenizer(TEXT)
    for text, pieces in zip(LONG, ours.chunks(LONG), strict=True):
        assert all(piece[0] == CLIP.sot_token_id for piece in pieces)
        assert all(piece[-1] == CLIP.eot_token_id and len(piece) <= 77 for piece in pieces)
        assert [i for piece in pieces for i in piece[1:-1]] == CLIP.encode(text)
        assert all(piece.dtype == np.int64 for piece in pieces)


@pytest.mark.parametrize("letters", ["ab", "shoe", "oe", "é", "!", "shoesredlace"])
def test_a_word_without_end_is_cut_where_the_first_tokens_cannot_change(letters):
    word = letters * (3 * LONGEST_WORD // len(letters))
    ours = ClipTokenizer(TEXT)
    first = ours.padded([ours.chunks([word])[0][0]])
    assert torch.equal(first, CLIP([word]))


def test_how_far_back_a_cut_can_be_felt():
    """The bound that LONGEST_WORD rests on, from CLIP's own merges."""
    reach: dict[str, int] = {}  # a symbol → letters that a chain of merges beginning with it spans
    for left, right in CLIP.bpe_ranks:  # from the first merge to the last
        behind = max(reach.get(right[:end], 0) for end in range(1, len(right) + 1))
        reach[left] = max(reach.get(left, 0), len(left) + behind)
    longest = max(map(len, CLIP.encoder))
    assert max(reach.values()) + 77 * longest < LONGEST_WORD


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("options", [{"clean": "canonicalize"}, {"strip_sep_token": True}, {}])
def test_a_tokenizer_of_the_hub_is_open_clips(tmp_path, side, options):
    save_tokenizer(tmp_path, side)
    theirs = open_clip.tokenizer.HFTokenizer(str(tmp_path), context_length=8, **options)
    ours = HubTokenizer({"context_length": 8, "tokenizer_kwargs": options}, tmp_path)
    texts = ["", "A RED, shoe!", "red [SEP] shoe", "a red shoe " * 5]
    cut = ours.chunks(texts)
    assert torch.equal(ours.padded([pieces[0] for pieces in cut]), theirs(texts))
    assert [len(pieces) for pieces in cut] == [1, 1, 1, 3]
    assert [len(piece) for piece in cut[-1]] == [8, 8, 2]
    content = [i for piece in cut[-1] for i in piece if i != 1]
    assert content == [3, 4, 5] * 5


def test_siglips_tokenizer_is_found_beside_the_weights_or_in_the_home(tmp_path):
    model = "ViT-B-16-SigLIP"
    with pytest.raises(UsageError, match="needs the tokenizer's files of timm/") as caught:
        backend("text", f"{model}/webli", random=True, models=tmp_path).identity()
    assert str(tmp_path / "openclip" / model) in str(caught.value)
    assert "\n" not in str(caught.value)

    save_tokenizer(tmp_path / "openclip" / model)
    save_tokenizer(tmp_path / "brought", side="left")
    home = backend("text", f"{model}/webli", random=True, models=tmp_path).identity()
    named = backend("text", f"{model}/webli", random=True, weights=tmp_path / "brought").identity()
    assert home["tokenizer"].keys() == named["tokenizer"].keys()
    assert home["tokenizer"] != named["tokenizer"]
    assert home["config"]["text_cfg"]["tokenizer_kwargs"] == {"clean": "canonicalize"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ({**SIGLIP["text_cfg"], "tokenizer_mode": "clips"}, "tokenizer_mode 'clips'"),
        ({**SIGLIP["text_cfg"]}, "holds no tokenizer"),
    ],
)
def test_a_tokenizer_that_cannot_be_had_is_refused(tmp_path, text, told):
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "mod')
    with pytest.raises(UsageError, match=told) as caught:
        HubTokenizer(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_draws_is_refused():
    with pytest.raises(UsageError, match="at random"):
        ClipTokenizer({**TEXT, "tokenizer_kwargs": {"reduction_mask": "simple"}})
