"""BEiT-3 as an encoder: its words, and its two modalities, small but real."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import RED_SHOE, spm

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.beit3 import SIZES, Beit3, random_beit3
from mmbench.encoders.beit3.vocabulary import tokenizer, vocabulary
from mmbench.encoders.squash import Squash, centred
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

NAME = "beit3_tiny.pth"
SMALL = {"dim": 128, "depth": 2, "image_size": 32}
NOISE = np.random.RandomState(0).randint(0, 255, (4, 40, 50, 3), dtype=np.uint8)
WORDS = ("a red shoe", "", "😀 Crème BRÛLÉE", "shoe " * 2000)
CONTENTS = [Content(Image.fromarray(p), text) for p, text in zip(NOISE, WORDS, strict=True)]


@pytest.fixture
def models(tmp_path):
    """A models folder that holds the words."""
    (tmp_path / "beit3").mkdir()
    (tmp_path / "beit3" / "beit3.spm").write_bytes(spm())
    return tmp_path


def built(modality, models, random_weights=True):
    around = Surroundings("cpu", models)
    return Beit3(modality, random_weights, around, model="base", file=NAME, **SMALL)


def loaded(*arguments):
    made = built(*arguments)
    made.load()
    return made


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_local_file_gives_what_the_model_gives(models, modality):
    model = random_beit3(replace(SIZES["base"], **SMALL), 7)
    torch.save({"model": model.state_dict()}, models / "beit3" / NAME)
    encoder = loaded(modality, models, False)
    with torch.inference_mode():
        if modality == "image":
            squashed = np.stack([Squash(32)(content.image) for content in CONTENTS])
            wanted = model.encode_image(centred(torch.from_numpy(squashed)))["cls_feats"]
        else:
            ids = torch.tensor([[*RED_SHOE, 1, 1, 1]])  # padded with <pad>
            wanted = model.encode_text(ids, ids == 1)["cls_feats"]
    found = encoder.encode(CONTENTS[: len(wanted)])
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert encoder.identity()["weights"] == "pretrained"
    assert encoder.identity()["sha256"] == file_sha256(models / "beit3" / NAME)


def test_the_identity_changes_with_the_words(models):
    before = built("text", models).identity()
    assert built("text", models).identity() == before
    (models / "beit3" / "beit3.spm").write_bytes(spm(("▁a", "▁shoe")))
    assert built("text", models).identity() != before


def test_a_text_has_the_ids_of_xlm_roberta(models):
    cut = tokenizer(vocabulary(models / "beit3"))
    assert cut("a red shoe")["input_ids"] == RED_SHOE
    assert cut("  a  red   shoe ")["input_ids"] == RED_SHOE
    assert cut("")["input_ids"] == [0, 2]
    assert cut("a 😀😀")["input_ids"] == [0, 4, 8, 3, 2]  # ▁ and one <unk> for what is unknown
    both = cut(["a red shoe", "a"], padding=True)
    assert both["input_ids"] == [RED_SHOE, [0, 4, 2, 1, 1, 1]]
    assert both["attention_mask"] == [[1] * 6, [1, 1, 1, 0, 0, 0]]
    long = cut(WORDS[3], truncation=True, max_length=64)["input_ids"]
    assert long == [0, *[6, 7] * 31, 2]


def test_a_long_text_is_cut_at_64_tokens(models):
    encoder = loaded("text", models)
    texts = ["shoe " * 31, "shoe " * 32, "shoe " * 31 + "red", "shoe " * 30 + "red"]
    vectors = encoder.encode([Content(None, text) for text in texts])
    np.testing.assert_allclose(vectors[1:3], vectors[[0, 0]], atol=1e-6)
    assert not np.allclose(vectors[3], vectors[0], atol=1e-4)
    pieces = [[list(piece) for piece in one] for one in encoder.chunks(texts)]
    whole = [0, *[6, 7] * 31, 2]
    assert pieces[:3] == [[whole], [whole, [0, 6, 7, 2]], [whole, [0, 5, 2]]]
    assert len(pieces[3]) == 1


def test_a_missing_vocabulary_is_told(tmp_path):
    for refused in (built("text", tmp_path).identity, built("text", tmp_path).load):
        with pytest.raises(
            UsageError, match=r"releases/download/beit3/beit3\.spm and put"
        ) as error:
            refused()
        assert str(tmp_path / "beit3" / "beit3.spm") in str(error.value)
        assert "\n" not in str(error.value)
    assert built("image", tmp_path).identity()["weights"] == "random"


@pytest.mark.parametrize(
    "content",
    [b"", b"no vocabulary", spm()[:-7], spm(()), spm(f"w{number}" for number in range(64010))],
    ids=["empty", "words", "truncated", "bare", "more"],
)
def test_another_vocabulary_is_refused(models, content):
    (models / "beit3" / "beit3.spm").write_bytes(content)
    with pytest.raises(UsageError, match=r"beit3\.spm: .*fetch https.* again") as error:
        loaded("text", models)
    assert "\n" not in str(error.value)
