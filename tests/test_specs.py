"""YAML is plain, strict and complete; every shipped YAML can be read."""

import pytest

from mmbench.encoder_spec import EncoderSpec, encoder_spec, encoder_yaml
from mmbench.errors import UsageError
from mmbench.hyperparameters import training_parameters
from mmbench.run_spec import RunSpec
from mmbench.specs import (
    Protocol,
    dataset_spec,
    names,
    parse,
    protocol_spec,
    recommender_spec,
)
from mmbench.yamls import parse_yaml, read_yaml

READERS = {
    "datasets": dataset_spec,
    "encoders": encoder_yaml,
    "recommenders": recommender_spec,
    "protocols": protocol_spec,
}


@pytest.mark.parametrize(("noun", "name"), [(n, name) for n in READERS for name in names(n)])
def test_every_shipped_yaml_can_be_read(noun, name):
    spec = READERS[noun](name)
    assert spec.description
    assert "\n" not in spec.description


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("0.5", 0.5),
        ("3", 3),
        ("true", True),
        ("null", None),
        ("a", "a"),
        ("-1E5", -1e5),
    ],
)
def test_scalars(text, value):
    assert parse_yaml(text, "here") == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !!python/object/apply:os.getcwd []", "line 1: not plain YAML"),
        ("a: 1\na: 2", "key 'a' stands twice"),
        ("a: [1", "not plain YAML"),
        ("a:\n\t- 1", "line 2"),
    ],
)
def test_what_is_not_plain_is_refused(text, told):
    with pytest.raises(UsageError) as error:
        parse_yaml(text, "here")
    assert told in str(error.value)
    assert str(error.value).startswith("here")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"- 1\n", b"\xff\xfe", b""])
def test_a_file_without_a_mapping_is_refused(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(UsageError, match="x.yaml"):
        read_yaml(tmp_path / "x.yaml")


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(UsageError, match="run.yaml: unknown key 'modle': the nearest is model"):
        parse(RunSpec, {"modle": "VBPR"}, "run.yaml")


@pytest.mark.parametrize("values", [{"model": 3}, {"seeds": 0}, {"seeds": "2"}, {"paradigm": "x"}])
def test_a_wrong_value_names_its_key(values):
    with pytest.raises(UsageError, match=next(iter(values))):
        parse(RunSpec, values, "run.yaml")


def test_specs_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        protocol_spec("random").select = "ndcg@10"


def test_a_protocol_selects_by_what_it_measures():
    values = protocol_spec("random").model_dump(mode="json") | {"select": "recall@30"}
    with pytest.raises(UsageError, match="the nearest is recall@50 or recall@20"):
        parse(Protocol, values, "mine.yaml")


def test_no_protocol_selects_on_test_or_masks_too_little():
    for name in names("protocols"):
        protocol = protocol_spec(name)
        assert "train" in protocol.mask["valid"]
        assert set(protocol.mask["valid"]) <= set(protocol.mask["test"])


def test_an_argument_follows_the_colon():
    spec = encoder_spec("openclip:ViT-B-32")
    assert spec.name == "openclip:ViT-B-32"
    assert {options["model"] for options in spec.modalities.values()} == {"ViT-B-32"}


def test_a_variant_follows_the_colon_and_brings_its_own_modalities():
    assert set(encoder_spec("vlmo").modalities) == {"image", "text"}
    assert encoder_spec("vlmo:joint").name == "vlmo:joint"
    assert set(encoder_spec("vlmo:joint").modalities) == {"joint"}
    assert encoder_spec("permuted:vlmo:joint").of == "vlmo:joint"


def test_a_control_takes_the_rows_of_another_encoder():
    assert encoder_spec("permuted").of == "classic"
    assert encoder_spec("permuted:efficientnet+minilm").of == "efficientnet+minilm"


def test_two_encoders_of_one_modality_each_make_a_pair():
    spec = encoder_spec("cnn:resnet50.a1_in1k+st:all-mpnet-base-v2")
    assert {m: options["model"] for m, options in spec.modalities.items()} == {
        "image": "resnet50.a1_in1k",
        "text": "all-mpnet-base-v2",
    }
    assert encoder_spec("cnn:a/b@c+st:/d+e").modalities["text"]["model"] == "/d+e"


def test_a_plus_may_belong_to_the_name():
    assert encoder_spec("file:/a+st:b").modalities["any"]["path"] == "/a+st:b"
    assert encoder_spec("permuted:cnn:a+st:b").of == "cnn:a+st:b"
    assert encoder_spec("efficientnet+minilm").name == "efficientnet+minilm"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("classic+st:x", "classic and st:x make no pair, both give text"),
        ("cnn:x+noise", "cnn:x and noise make no pair, both give image"),
        ("clasic", "the nearest is classic"),
        ("classic:x", "takes nothing after a colon"),
        ("openclip", "write openclip:MODEL"),
        ("file:", "needs its path"),
        ("permuted:", "needs its encoder: write permuted:ENCODER"),
        ("vlmo:jiont", "encoder 'vlmo' has no variant 'jiont': the nearest is joint"),
        ("Classic", "the nearest is classic"),
    ],
)
def test_wrong_encoders_are_told_apart(name, told):
    with pytest.raises(UsageError) as error:
        encoder_spec(name)
    assert told in str(error.value)


def test_controls_are_marked():
    controls = {name for name in names("encoders") if encoder_yaml(name).control}
    assert controls == {"noise", "permuted", "zeros", "ones", "id", "oracle"}


def test_training_parameters_are_described():
    assert training_parameters()["learning_rate"].above == 0
    assert "name" in EncoderSpec.model_fields
