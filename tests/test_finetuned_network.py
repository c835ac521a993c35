"""A fine-tuned network: the base's cost, and the very vectors that were trained."""

import numpy as np
import pytest
import torch
from tiny_networks import CASES, CONTENTS, factory

from mmbench.adapters.adapted import adapt
from mmbench.adapters.table import ADAPTERS
from mmbench.encoders import BACKENDS
from mmbench.finetuned.network import SHARED, FinetunedNetwork
from mmbench.finetuned.told import Told
from mmbench.finetuning.store import write_finetuned

EACH = pytest.mark.parametrize("case", CASES, ids="-".join)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Return what gives a fresh loaded network."""
    return factory(tmp_path_factory.mktemp("models"))


def nudged(adapted):
    """Change all that trains a little, as a training would."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in adapted.trainable().values():
            parameter.add_(torch.randn(parameter.shape, generator=draw), alpha=0.05)


def written(folder, kind, states):
    """Return the fine-tuning that left some states, by member."""
    settings = {"adapter": kind, "adapter_options": {}, "train_layers": None}
    trained = {f"{member}/{name}": one for member, s in states.items() for name, one in s.items()}
    write_finetuned(folder, {"encoder": "tiny", "identity": {}, "settings": settings}, trained)
    return Told(folder, {"encoder": "tiny", "identity": {}, "settings": settings})


@EACH
def test_lora_is_merged_and_costs_nothing(make, case, tmp_path):
    network, base = make(*case), make(*case)
    parameters = {name: each.shape for name, each in base.trainable().named_parameters()}
    adapted = adapt(network, "lora")
    nudged(adapted)
    tuned = FinetunedNetwork(base, written(tmp_path / "0", "lora", {case[1]: adapted.state()}))
    tuned.load()
    before, wanted = make(*case).encode(CONTENTS), network.encode(CONTENTS)
    found = tuned.encode(CONTENTS)
    assert np.abs(wanted - before).max() > 1e-3
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    count = sum(shape.numel() for shape in parameters.values())
    assert sum(each.numel() for each in tuned.trainable().parameters()) == count


@pytest.mark.parametrize("family", ["vlmo", "beit3"])
@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_members_of_one_model_keep_their_vectors_when_they_share_it(make, family, kind, tmp_path):
    image, text = make(family, "image"), make(family, "text")
    text.share(image)
    adapted = adapt([image, text], kind)
    nudged(adapted)
    told = written(tmp_path / "0", kind, {SHARED: adapted.state()})
    tuned = [FinetunedNetwork(make(family, modality), told) for modality in ("image", "text")]
    for one in tuned:
        one.load()
    assert tuned[1].share(tuned[0])
    assert tuned[0].trainable() is tuned[1].trainable()
    for one, trained in zip(tuned, (image, text), strict=True):
        np.testing.assert_allclose(one.encode(CONTENTS), trained.encode(CONTENTS), atol=1e-5)
    again = adapt(tuned, "none")
    assert again.share == 1
    for one, trained in zip(tuned, (image, text), strict=True):
        np.testing.assert_allclose(one.encode(CONTENTS), trained.encode(CONTENTS), atol=1e-5)


@pytest.mark.parametrize("kind", sorted(ADAPTERS))
def test_what_was_fine_tuned_can_be_adapted_again(make, kind, tmp_path):
    """With the same adapter: it begins at what was trained, and trains as much as over the base."""
    network = make("hf", "image")
    adapted = adapt(network, kind)
    nudged(adapted)
    told = written(tmp_path / "0", kind, {"image": adapted.state()})
    tuned = FinetunedNetwork(make("hf", "image"), told)
    tuned.load()
    again = adapt(tuned, kind)
    np.testing.assert_allclose(tuned.encode(CONTENTS), network.encode(CONTENTS), atol=1e-5)
    shapes = [[p.shape for p in one.trainable().values()] for one in (again, adapted)]
    assert shapes[0] == shapes[1]
    beside = [name for name in again.trainable() if "extractor" in name and "up.weight" in name]
    assert all(name.count("extractor") == 1 for name in beside)


def test_only_members_of_one_fine_tuning_share(make, tmp_path):
    image, text = make("vlmo", "image"), make("vlmo", "text")
    text.share(image)
    adapted = adapt([image, text], "none")
    told = [written(tmp_path / n, "none", {SHARED: adapted.state()}) for n in "01"]
    tuned = [FinetunedNetwork(one, told[n]) for n, one in enumerate((image, text))]
    assert not tuned[1].share(tuned[0])
    assert not tuned[1].share(image)
    assert isinstance(image, BACKENDS.resolve("vlmo"))
