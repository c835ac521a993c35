"""Sentence encoders: the vectors of sentence-transformers, from wherever the files are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from tiny import Payload
from tiny_sentences import make, write
from tiny_transformers import in_cache

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.sentence.published import PublishedSentence
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256

COMMIT = "d" * 40
TEXTS = ["a red shoe", "Red shoes, 2 pairs!", "", "😀", " shoe ", "red shoe " * 40]
STACKS = [
    {},
    {"pooling": "cls", "unit": False},
    {"pooling": "max"},
    {"dense": "Tanh"},
    {"dense": "ReLU", "unit": False},
    {"do_lower_case": True},
    {"length": None},
]


def backend(model, named=None, sha256=None, random_weights=False):
    around = Surroundings("cpu", Path("no-such-models"), named)
    return PublishedSentence("text", random_weights, around, model=str(model), sha256=sha256)


def encoded(made, texts=TEXTS):
    made.load()
    return made.encode([Content(None, text) for text in texts])


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_the_vectors_are_those_of_sentence_transformers(tmp_path, stack):
    library = pytest.importorskip("sentence_transformers", reason="the library is not installed")
    folder = make(tmp_path / "model", **stack)
    made = backend(folder)
    found = encoded(made)
    expected = library.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert made.unit == stack.get("unit", True)


def test_what_the_library_saves_today_can_be_read(tmp_path):
    library = pytest.importorskip("sentence_transformers", reason="the library is not installed")
    old = library.SentenceTransformer(str(make(tmp_path / "old", dense="Tanh")), device="cpu")
    old.save(str(tmp_path / "new"))
    np.testing.assert_allclose(encoded(backend(tmp_path / "new")), old.encode(TEXTS), atol=1e-6)


@pytest.mark.parametrize("length", [12, None])
def test_pieces_of_a_long_text(tmp_path, length):
    made = backend(make(tmp_path, length=length))
    made.load()
    short, long = made.chunks(["a red shoe", "red shoe " * 40])
    limit = length or 20  # the positions the network has
    assert len(short) == 1
    assert [len(piece) for piece in long[:-1]] == [limit] * (len(long) - 1)
    assert len(long) == -(-80 // (limit - 2))
    assert all(piece[0] == 2 and piece[-1] == 3 for piece in long)  # [CLS], [SEP]
    assert [token for piece in long for token in piece[1:-1]] == [5, 6] * 40


def test_a_vector_does_not_depend_on_its_batch(tmp_path):
    made = backend(make(tmp_path, pooling="max"))
    together = encoded(made)
    alone = np.concatenate([made.encode([Content(None, text)]) for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-6)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the hub that holds a tiny model, on a machine that is off line."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return make(in_cache(tmp_path / "hub", "sentence-transformers/tiny", COMMIT), dense="Tanh")


@pytest.mark.parametrize("name", ["tiny", "sentence-transformers/tiny", f"tiny@{COMMIT}"])
def test_names_of_the_hub(cache, name):
    options = dict(encoder_spec(f"st:{name}").modalities["text"])
    assert options.pop("backend") == "sentence"
    said = backend(**options).identity()
    assert said["revision"] == COMMIT
    assert said["sha256"] == file_sha256(cache / "model.safetensors")
    np.testing.assert_array_equal(encoded(backend(**options)), encoded(backend(cache)))


def test_a_model_that_is_not_here_and_a_folder_named_instead(cache, tmp_path):
    with pytest.raises(
        UsageError, match="hf download sentence-transformers/nowhere --local-dir .* FOLDER/text"
    ):
        backend("nowhere").identity()
    made = backend("nowhere", make(tmp_path / "mine"))
    assert made.identity()["sha256"] == file_sha256(tmp_path / "mine" / "model.safetensors")
    with pytest.raises(UsageError, match="no folder is there"):
        backend("./nowhere").identity()


def test_random_weights_are_seeded_and_others(tmp_path):
    folder = make(tmp_path, dense="Tanh")
    state = torch.get_rng_state()
    first, second = (encoded(backend(folder, random_weights=True)) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, encoded(backend(folder)), atol=0.01)
    said = backend(folder, random_weights=True).identity()
    assert said["weights"] == "random"
    assert "sha256" not in said


def test_the_identity_follows_all_that_changes_a_vector(tmp_path):
    folder = make(tmp_path, dense="Tanh")
    said = [canonical(backend(folder).identity())]
    for change in ({"seed": 8}, {"length": 11}, {"pooling": "cls"}, {"dense": "ReLU"}):
        make(tmp_path, **{"dense": "Tanh", **change})
        said.append(canonical(backend(folder).identity()))
    make(tmp_path, dense="Tanh")
    assert canonical(backend(folder).identity()) == said[0]
    save_file(
        {"linear.weight": torch.ones(6, 16), "linear.bias": torch.ones(6)},
        folder / "2_Dense" / "model.safetensors",
    )
    said.append(canonical(backend(folder).identity()))
    tokens = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(tokens.replace('"Red"', '"RED"'))
    said.append(canonical(backend(folder).identity()))
    assert len(set(said)) == 7


def broken(folder, how):
    """Spoil a written model."""
    weights, state = folder / "model.safetensors", load_file(folder / "model.safetensors")
    first = "embeddings.word_embeddings.weight"
    if how == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif how == "extra key":
        save_file({**state, "more": torch.zeros(2)}, weights)
    elif how == "other size":
        save_file({**state, first: torch.zeros(3, 16)}, weights)
    elif how == "other architecture":
        save_file({"conv1.weight": torch.zeros(2)}, weights)
    elif how == "dense":
        (folder / "2_Dense" / "model.safetensors").unlink()
        torch.save({"linear.weight": torch.ones(6, 3)}, folder / "2_Dense" / "pytorch_model.bin")
    elif how == "tokenizer":
        for path in folder.glob("tokenizer*"):
            path.unlink()
    else:
        weights.unlink()
        if how == "pickle":
            torch.save({first: Payload(folder / "ran")}, folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("truncated", "no weights that can be read"),
        ("extra key", "unexpected key 'more'"),
        ("other size", "word_embeddings.weight' has shape [3, 16]"),
        ("other architecture", "is missing (and"),
        ("dense", "'linear.bias' is missing"),
        ("tokenizer", "holds no tokenizer"),
        ("missing", "holds no weights"),
        ("pickle", "holds Python objects"),
    ],
)
def test_weights_of_something_else_are_refused(tmp_path, how, told):
    folder = make(tmp_path, dense="Tanh")
    broken(folder, how)
    with pytest.raises(UsageError) as caught:
        backend(folder).load()
    assert str(folder) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "ran").exists()


STACK = [{"path": "", "type": "sentence_transformers.models.Transformer"}]
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
OTHER = {"path": "2_Dense", "type": "custom.Dense"}


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("modules.json", [*STACK, POOLING, OTHER], "not Transformer, Pooling, custom.Dense"),
        ("modules.json", STACK, "not Transformer"),
        ("modules.json", {"a": 1}, "no list of modules"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "prompt 'query'"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "for 'fill-mask'"),
        ("sentence_bert_config.json", [1], "no table"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pooling by lasttoken"),
        ("1_Pooling/config.json", {"pooling_mode": ["cls", "max"]}, "pooling by cls and max"),
        ("2_Dense/config.json", {"activation_function": "own.Tanh"}, "no activation 'own.Tanh'"),
        ("2_Dense/config.json", {"use_residual": True}, "plain linear layers"),
        ("2_Dense/config.json", {"in_features": None}, "must be numbers"),
    ],
)
def test_a_stack_that_cannot_be_run_is_refused(tmp_path, file, content, told):
    folder = make(tmp_path, dense="Tanh")
    write(folder, file, content)
    with pytest.raises(UsageError, match=told):
        backend(folder).identity()
    (folder / file).write_text("{")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        backend(folder).identity()


def test_what_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"lacks modules\.json"):
        backend(tmp_path).identity()
    with pytest.raises(UsageError, match="pinned weights"):
        backend(make(tmp_path), sha256="0" * 64).identity()
    with pytest.raises(UsageError, match="not 'image'"):
        PublishedSentence("image", False, Surroundings("cpu", Path()), model="tiny")


def test_a_file_is_no_folder_of_a_model(tmp_path):
    junk = tmp_path / "junk.bin"
    junk.write_bytes(b"junk")
    with pytest.raises(UsageError, match=r"--weights .*junk\.bin: .*name a folder") as caught:
        backend("org/name", junk).identity()
    assert "\n" not in str(caught.value)
