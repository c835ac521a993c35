"""Frozen lower layers kept on disk: the same vectors and gradients, and files that mend."""

import numpy as np
import pytest
import torch
from tiny_networks import CASES, CONTENTS, factory

from mmbench.adapters.adapted import adapt
from mmbench.encoders.lower import Inputs, lower_layers
from mmbench.encoders.state_file import StateFile
from mmbench.errors import UsageError
from mmbench.progress import Silent

ITEMS = {"dataset": "test"}
PLACES = np.array([3, 0, 2, 0, 1])


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Return what gives a fresh loaded network."""
    return factory(tmp_path_factory.mktemp("models"))


def inputs_of(network):
    pixels, tokens = network.read(CONTENTS)
    return Inputs(len(CONTENTS), None if pixels is None else lambda places: pixels[places], tokens)


def kept(network, folder, train_layers=1, kind="none", items=ITEMS):
    adapt(network, kind, train_layers=train_layers)
    return lower_layers(network, train_layers, inputs_of(network), folder, items, Silent())


@pytest.mark.parametrize(
    "case",
    [*CASES, ("siglip", "image"), ("siglip", "text"), ("cnn", "image")],
    ids="-".join,
)
def test_kept_and_whole_passes_give_the_same_vectors_and_gradients(make, case, tmp_path):
    network = make(*case)
    lower = kept(network, tmp_path)
    trained = [each for each in network.trainable().parameters() if each.requires_grad]
    results = []
    for forward in (lambda places: network.forward(*lower.inputs.read(places)), lower.forward):
        made = forward(PLACES)
        goal = torch.randn(made.shape, generator=torch.Generator().manual_seed(0))
        results.append((made.detach(), torch.autograd.grad(((made - goal) ** 2).sum(), trained)))
    (whole, gradients), (short, others) = results
    scale = max(1.0, float(whole.abs().max()))
    torch.testing.assert_close(short, whole, atol=1e-6 * scale, rtol=0)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(other, one, atol=1e-5 * (1 + float(one.abs().max())), rtol=0)


@pytest.mark.parametrize("case", [("hf", "image"), ("open_clip", "text"), ("vlmo", "text")])
@pytest.mark.parametrize("kind", ["lora", "multiway"])
def test_adapters_train_above_kept_layers(make, case, kind, tmp_path):
    network = make(*case)
    lower = kept(network, tmp_path, kind=kind)
    trained = [each for each in network.trainable().parameters() if each.requires_grad]
    before = lower.forward(PLACES).detach()
    optimizer = torch.optim.Adam(trained, 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (lower.forward(PLACES) * before.flip(0)).sum().backward()
        optimizer.step()
    with torch.no_grad():
        whole = network.forward(*lower.inputs.read(PLACES))
        torch.testing.assert_close(lower.forward(PLACES), whole, atol=1e-6, rtol=0)
    assert (whole - before).abs().max() > 1e-4


def test_after_release_only_kept_passes_run(make, tmp_path):
    network = make("hf", "image")
    lower = kept(network, tmp_path)
    before, size = lower.forward(PLACES).detach(), count(network)
    lower.release()
    torch.testing.assert_close(lower.forward(PLACES).detach(), before, atol=0, rtol=0)
    assert count(network) < 0.7 * size
    with pytest.raises(RuntimeError, match="released"):
        network.encode(CONTENTS)


def count(network):
    return sum(each.numel() for each in network.trainable().parameters())


def passes(network):
    """Return a list that grows by the batch size at each pass of the lowest block."""
    seen = []
    first = next(iter(network.top_blocks(None).values()))
    first.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    return seen


def test_what_is_on_disk_is_not_computed_again(make, tmp_path):
    first = kept(make("hf", "image"), tmp_path)
    network = make("hf", "image")
    seen = passes(network)
    again = kept(network, tmp_path)
    checks = sum(seen)
    torch.testing.assert_close(again.forward(PLACES), first.forward(PLACES), atol=0, rtol=0)
    assert sum(seen) == checks
    assert len(list(tmp_path.iterdir())) == 1
    kept(make("hf", "image"), tmp_path, items={"dataset": "another"})
    kept(make("hf", "text"), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("fault", ["flipped", "cut", "no checksums", "torn checksums", "gone"])
def test_damage_is_mended(make, fault, tmp_path):
    lower = kept(make("hf", "image"), tmp_path)
    before = lower.forward(PLACES).detach()
    states, sums = lower.states.folder / "states.bin", lower.states.folder / "checksums.npy"
    held = states.read_bytes()
    if fault == "flipped":
        states.write_bytes(held[:40] + bytes([held[40] ^ 1]) + held[41:])
    elif fault == "cut":
        states.write_bytes(held[: len(held) // 2 + 1])
    elif fault == "gone":
        states.unlink()
    elif fault == "no checksums":
        sums.unlink()
    else:
        sums.write_bytes(sums.read_bytes()[:50])
    assert lower.states.lacking()
    again = kept(make("hf", "image"), tmp_path)
    assert not again.states.lacking()
    torch.testing.assert_close(again.forward(PLACES).detach(), before, atol=0, rtol=0)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    shapes = [(2, 3)] * 100 + [(1, 3)] * 50
    arrays = [np.full(shape, place, np.float32) for place, shape in enumerate(shapes)]
    file = StateFile(tmp_path, shapes)
    assert [len(chunk) for chunk in file.lacking()] == [64, 64, 22]
    last = file.lacking()[-1]
    file.write(last, [arrays[place] for place in last])
    anew = StateFile(tmp_path, shapes)
    assert last not in anew.lacking()
    for chunk in anew.lacking():
        anew.write(chunk, [arrays[place] for place in chunk])
    assert not anew.lacking()
    assert anew.bytes == (tmp_path / "states.bin").stat().st_size
    for place in (0, 63, 64, 120, 149):
        np.testing.assert_array_equal(anew.read(place), arrays[place])


def test_no_block_left_to_keep_is_told(make, tmp_path):
    with pytest.raises(UsageError, match="train_layers 2 of 2: no block is left"):
        kept(make("hf", "image"), tmp_path, train_layers=2)


def test_an_encoder_whose_lower_layers_train_is_refused(make, tmp_path):
    network = make("hf", "image")
    with pytest.raises(ValueError, match="trains below the top blocks"):
        lower_layers(network, 1, inputs_of(network), tmp_path, ITEMS, Silent())


def test_a_model_whose_blocks_are_no_plain_row_is_refused(make, tmp_path):
    network = make("hf", "image")
    blocks = list(network.top_blocks(None).values())
    early = []
    blocks[0].register_forward_hook(lambda _, __, given: early.append(given))
    blocks[1].register_forward_hook(lambda _, __, given: given + (early.pop() if early else 0))
    with pytest.raises(UsageError, match="lower layers of this HuggingFace cannot be kept") as e:
        kept(network, tmp_path)
    assert not list(tmp_path.iterdir())
    assert "\n" not in str(e.value)
