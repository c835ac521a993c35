"""Adapters: nothing changes at first, only what is meant trains, and it comes back from a file."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_networks import CASES, CONTENTS, factory

from mmbench.adapters.adapted import adapt
from mmbench.adapters.table import ADAPTERS
from mmbench.errors import UsageError

KINDS = sorted(ADAPTERS)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Return what gives a fresh loaded network."""
    return factory(tmp_path_factory.mktemp("models"))


EACH = pytest.mark.parametrize("case", CASES, ids="-".join)


def vectors(network):
    return network.encode(CONTENTS)


def train(network, steps=3):
    """Take a few steps towards other vectors; return what had a gradient."""
    module = network.trainable()
    with torch.no_grad():
        goal = torch.randn(network.forward(*network.read(CONTENTS)).shape)
    chosen = [each for each in module.parameters() if each.requires_grad]
    optimizer = torch.optim.Adam(chosen, 0.05)
    for _ in range(steps):
        optimizer.zero_grad()
        ((network.forward(*network.read(CONTENTS)) - goal) ** 2).sum().backward()
        optimizer.step()
    return {name for name, each in module.named_parameters() if each.grad is not None}


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_stay_what_they_were(make, case, kind):
    network = make(*case)
    before = vectors(network)
    adapted = adapt(network, kind)
    np.testing.assert_allclose(vectors(network), before, atol=1e-6, rtol=1e-6)
    assert 0 < adapted.share <= 1
    assert (adapted.share == 1) == (kind == "none")
    assert not any(inner.training for inner in network.trainable().modules())


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_meant_gets_gradients_and_moves(make, case, kind):
    torch.manual_seed(0)
    network = make(*case)
    adapted = adapt(network, kind)
    before = {name: each.clone() for name, each in network.trainable().named_parameters()}
    first = vectors(network)
    assert train(network) == set(adapted.trainable())
    after = dict(network.trainable().named_parameters())
    assert {name for name in before if not torch.equal(before[name], after[name])} <= set(
        adapted.trainable()
    )
    moved = [not torch.equal(before[name], after[name]) for name in adapted.trainable()]
    assert np.mean(moved) > 0.9  # keys' biases change no attention
    assert np.abs(vectors(network) - first).max() > 1e-3


@EACH
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_trained_comes_back_from_a_file(make, case, kind, tmp_path):
    torch.manual_seed(0)
    network, other = make(*case), make(*case)
    adapted = adapt(network, kind)
    train(network)
    adapted.save(tmp_path / "trained.safetensors")
    adapt(other, kind).read(tmp_path / "trained.safetensors")
    np.testing.assert_array_equal(vectors(other), vectors(network))
    with safe_open(tmp_path / "trained.safetensors", "pt") as file:
        assert set(file.keys()) == set(adapted.trainable())


@EACH
def test_lora_merged_gives_the_same(make, case):
    torch.manual_seed(0)
    network = make(*case)
    adapted = adapt(network, "lora", {"rank": 2})
    train(network)
    trained = vectors(network)
    adapted.merge()
    np.testing.assert_allclose(vectors(network), trained, atol=1e-5)
    assert not any("lora" in name for name, _ in network.trainable().named_parameters())
    assert adapt(network, "lora").share < 1  # and it can be adapted anew


@EACH
@pytest.mark.parametrize("kind", ["none", "lora", "multiway"])
def test_only_the_top_layer_trains(make, case, kind):
    torch.manual_seed(0)
    network = make(*case)
    blocks = [f"{name}.{n}." for name, stack in network.blocks() for n in range(len(stack))]
    whole = adapt(make(*case), kind).share
    adapted = adapt(network, kind, train_layers=1)
    assert 0 < adapted.share < whole
    lower = tuple(blocks[:-1])
    assert not [name for name in adapted.trainable() if name.startswith(lower)]
    assert [name for name in adapted.trainable() if name.startswith(blocks[-1])]
    assert not [name for name in adapted.trainable() if "embed" in name]
    assert train(network) == set(adapted.trainable())


def test_all_blocks_may_be_named(make):
    adapted = adapt(make("hf", "text"), "none", train_layers=2)
    names = set(adapted.trainable())
    assert "text_model.final_layer_norm.weight" in names
    assert "text_projection.weight" in names
    assert not any("embeddings" in name for name in names)


def test_a_table_that_all_layers_share_is_frozen_with_the_lower_ones(make):
    whole = adapt(make("vlmo", "image"), "none")
    assert "relative_position_bias_table" in whole.trainable()
    top = adapt(make("vlmo", "image"), "none", train_layers=2)
    assert "relative_position_bias_table" not in top.trainable()


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_and_texts_of_one_model_are_adapted_together(make, kind, tmp_path):
    torch.manual_seed(0)
    image, text = make("vlmo", "image"), make("vlmo", "text")
    assert text.share(image)
    adapted = adapt([image, text], kind)
    used = [name for name in adapted.trainable() if name in set(image.reached())]
    assert (set(used) < set(adapted.trainable())) == (kind != "lora")  # attention is shared
    train(image), train(text)
    adapted.save(tmp_path / "both.safetensors")
    alone = make("vlmo", "text")
    one = adapt(alone, kind)
    one.read(tmp_path / "both.safetensors", others=True)
    np.testing.assert_array_equal(vectors(alone), vectors(text))
    if kind != "lora":
        with pytest.raises(UsageError, match="unexpected key"):
            one.read(tmp_path / "both.safetensors")


def test_both_pass_one_alignment_enhancer(make):
    image, text = make("beit3", "image"), make("beit3", "text")
    text.share(image)
    names = set(adapt([image, text], "multiway").trainable())
    enhancers = {name for name in names if name.endswith("alignment_enhancer.up.weight")}
    extractors = {name for name in names if name.endswith("new_knowledge_extractor.up.weight")}
    assert (len(enhancers), len(extractors)) == (3, 6)
    assert {name in image.reached() and name in text.reached() for name in enhancers} == {True}


def test_networks_with_modules_of_their_own_are_not_adapted_as_one(make):
    with pytest.raises(ValueError, match="share"):
        adapt([make("hf", "image"), make("hf", "text")], "none")


def test_layers_can_be_chosen_by_name(make):
    adapted = adapt(make("hf", "image"), "lora", {"modules": ["q_proj", "mlp.fc1"]})
    layers = {name.partition(".lora")[0].rpartition(".")[2] for name in adapted.trainable()}
    assert layers == {"q_proj", "fc1"}
    convolutions = adapt(make("cnn", "image"), "lora", {"modules": ["conv2"]})
    assert all("conv2" in name for name in convolutions.trainable())


@pytest.mark.parametrize(
    ("case", "kind", "options", "told"),
    [
        (("hf", "image"), "lora", {"modules": ["query"]}, "no layer 'query'.*self_attn.q_proj"),
        (("cnn", "image"), "lora", {}, "no projections of attention.*conv1"),
        (("cnn", "image"), "multiway", {}, "no feed-forward network.*conv1"),
        (("hf", "image"), "lora", {"rang": 3}, "adapter 'lora': unknown key 'rang'.*rank"),
        (("hf", "image"), "lora", {"rank": 0}, "rank"),
        (("hf", "image"), "none", {"rank": 3}, "unknown key 'rank'"),
        (("hf", "image"), "lore", {}, "unknown adapter 'lore': the nearest is lora"),
    ],
)
def test_what_does_not_fit_is_told_with_what_there_is(make, case, kind, options, told):
    with pytest.raises(UsageError, match=told) as error:
        adapt(make(*case), kind, options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("layers", [0, 3])
def test_more_layers_than_there_are_are_refused(make, layers):
    with pytest.raises(UsageError, match=f"train_layers {layers}: this HuggingFace has 2"):
        adapt(make("hf", "image"), "none", train_layers=layers)


def test_a_linear_map_has_no_layers_below_it_that_train(make):
    with pytest.raises(UsageError, match="leave train_layers out"):
        adapt(make("hf", "image"), "linear", train_layers=1)


def test_a_file_of_another_adapter_or_encoder_is_refused(make, tmp_path):
    path = tmp_path / "trained.safetensors"
    adapt(make("hf", "image"), "lora").save(path)
    with pytest.raises(UsageError, match="its kind is 'lora', asked for is 'none'"):
        adapt(make("hf", "image"), "none").read(path)
    with pytest.raises(UsageError, match="its options is"):
        adapt(make("hf", "image"), "lora", {"rank": 4}).read(path)
    with pytest.raises(UsageError, match=r"trained.safetensors: not what adapter 'lora' trains"):
        adapt(make("hf", "text"), "lora").read(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UsageError, match="no whole .safetensors"):
        adapt(make("hf", "image"), "lora").read(path)


def test_weights_that_no_adapter_wrote_are_refused(make, tmp_path):
    adapted = adapt(make("hf", "image"), "linear")
    path = tmp_path / "bare.safetensors"
    save_file(adapted.state(), path)
    with pytest.raises(UsageError, match="says of no adapter"):
        adapted.read(path)
