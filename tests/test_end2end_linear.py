"""A map behind an encoder trains end to end from kept vectors: the same numbers, no pass."""

import shutil

import pytest
import tiny_transformers as tiny
import torch

from mmbench.end2end.encoders import encoders
from mmbench.extract import extract
from mmbench.home import Home
from mmbench.plan import plan
from mmbench.progress import Silent
from mmbench.trial import execute

FEW = {"epochs": 3, "train_batch_size": 256, "embedding_size": 8, "feature_size": 8}


@pytest.fixture(scope="module")
def toyshop_home(toyshop_home, tmp_path_factory):
    """A home of its own: what is kept of pictures is counted elsewhere."""
    root = tmp_path_factory.mktemp("linear")
    shutil.copytree(toyshop_home.datasets, root / "datasets")
    return Home(root)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The name of a small CLIP in a folder."""
    folder = tmp_path_factory.mktemp("models") / "clip"
    tiny.make("clip", folder)
    return f"hf:{folder}"


def planned(home, encoder, kept, **how):
    settings = {**FEW, "encoder_learning_rate": 1e-3, "keep_lower_layers": kept}
    asked = {"paradigm": "end2end", "adapter": "linear", "hyperparameters": settings, "home": home}
    return plan("VBPR", encoder, "toyshop", **asked, **how)[0]


def made(home, encoder, kept, **how):
    """Return the encoders of a trial, moved away from where a map starts."""
    one = planned(home, encoder, kept, **how)
    features = extract(one.features, one.dataset, Silent())
    found = encoders(one.features, one.dataset, features, one.trial, Silent())
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for adapted in found.adapted.values():
            for parameter in adapted.trainable().values():
                parameter.add_(torch.randn(parameter.shape, generator=draw), alpha=0.1)
    return found


WAYS = [
    {},
    {"long_texts": "mean-of-chunks"},  # a row is the mean of several vectors
    {"dtype": "float16"},  # the features are rounded
    {"precision": "bf16"},
]


@pytest.mark.parametrize("how", WAYS, ids=str)
def test_kept_vectors_give_the_vectors_and_gradients_of_whole_passes(toyshop_home, clip, how):
    kept, whole = (made(toyshop_home, clip, each, **how) for each in (True, False))
    assert set(kept.kept_layers) == {"image", "text"}
    assert not whole.kept_layers
    for name in kept.live:
        vectors, gradients = [], []
        for one in (kept, whole):
            encoded = one.live[name].encode(torch.tensor([3, 9, 4, 30]))
            goal = torch.randn(encoded.shape, generator=torch.Generator().manual_seed(1))
            parameters = list(one.live[name].trained().values())
            gradients.append(torch.autograd.grad((encoded * goal).sum(), parameters))
            vectors.append(encoded.detach())
        torch.testing.assert_close(*vectors, atol=1e-6, rtol=0)
        for mine, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-6)


def test_the_losses_are_those_of_whole_passes(toyshop_home, clip):
    records = [execute(planned(toyshop_home, clip, kept)).values for kept in (True, False)]
    curves = [[epoch[1] for epoch in values["epochs"]["curve"]] for values in records]
    assert curves[0] == pytest.approx(curves[1], abs=1e-6)
    assert records[0]["encoder"]["training"]["kept_layers_bytes"]["text"] > 0
    assert records[1]["encoder"]["training"]["kept_layers_bytes"] == {}


def test_no_step_passes_the_encoder(toyshop_home, clip):
    passes = []
    for kept in (True, False):
        found, seen = made(toyshop_home, clip, kept), []
        for adapted in found.adapted.values():
            for inner in adapted.module.modules():
                inner.register_forward_hook(lambda module, *_, seen=seen: seen.append(module))
        for one in found.live.values():
            one.encode(torch.tensor([3, 9, 4, 30])).sum().backward()
        passes.append({type(module).__name__ for module in seen})
    assert passes[0] == {"_Map"}
    assert len(passes[1]) > 5


@pytest.mark.parametrize(("adapter", "rate"), [("none", 1e-5), ("lora", 1e-4), ("linear", 1e-4)])
def test_each_way_of_training_has_its_own_rate(toyshop_home, clip, adapter, rate):
    asked = {"paradigm": "end2end", "adapter": adapter, "home": toyshop_home}
    usual = plan("VBPR", clip, "toyshop", **asked)[0].trial
    assert usual.hyperparameters["encoder_learning_rate"] == rate
    chosen = {"encoder_learning_rate": 0.5}
    other = plan("VBPR", clip, "toyshop", hyperparameters=chosen, **asked)[0].trial
    assert other.hyperparameters["encoder_learning_rate"] == 0.5
    frozen = plan("VBPR", clip, "toyshop", home=toyshop_home)[0].trial
    assert "encoder_learning_rate" not in frozen.hyperparameters
