"""open_clip's models from local files, and the guard that lets torchvision be imported."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.openclip import OpenClip, open_clip
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256

TINY = "mmbench-tiny"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
NOISE = np.random.RandomState(0).randint(0, 255, (3, 40, 50, 3), dtype=np.uint8)
IMAGES = [Content(Image.fromarray(pixels), None) for pixels in NOISE]
TEXTS = [Content(None, text) for text in ("a red shoe", "", "😀", "shoe " * 20_000)]


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)


def around(models=Path("no-such-models")):
    return Surroundings("cpu", models)


def loaded(modality, random_weights, models=Path("no-such-models"), model=TINY):
    backend = OpenClip(modality, random_weights, around(models), model=model)
    backend.load()
    return backend


@pytest.fixture
def trained(tmp_path):
    """A home whose models folder holds weights of the tiny model, and that model."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = open_clip.create_model(TINY).eval()
    (tmp_path / "openclip").mkdir()
    save_file(model.state_dict(), tmp_path / "openclip" / f"{TINY}.safetensors")
    return tmp_path, model


@pytest.mark.parametrize(("modality", "contents"), [("image", IMAGES), ("text", TEXTS)])
def test_contract(modality, contents):
    state = torch.get_rng_state()
    backend = loaded(modality, True)
    assert torch.equal(torch.get_rng_state(), state)
    vectors = backend.encode(contents)
    alone = np.concatenate([backend.encode([content]) for content in contents])

    assert backend.inputs == (modality,)
    assert vectors.shape == (len(contents), 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(alone, vectors, atol=1e-5)
    np.testing.assert_allclose(loaded(modality, True).encode(contents), vectors, atol=1e-6)
    assert backend.identity()["weights"] == "random"
    assert canonical(backend.identity())


def test_vit_b_32_without_weights_is_refused_and_with_leave_is_random(tmp_path):
    backend = OpenClip("image", False, around(tmp_path), model="ViT-B-32")
    for refused in (backend.identity, backend.load):
        with pytest.raises(UsageError, match="--random-weights") as caught:
            refused()
        assert str(tmp_path / "openclip" / "ViT-B-32.safetensors") in str(caught.value)

    vectors = loaded("image", True, model="ViT-B-32").encode(IMAGES[:2])
    assert vectors.shape == (2, 512)
    assert np.isfinite(vectors).all()
    assert not np.allclose(vectors[0], vectors[1], atol=1e-3)


def test_local_weights_give_what_open_clip_gives(trained):
    home, model = trained
    _, _, transform = open_clip.create_model_and_transforms(TINY)
    with torch.inference_mode():
        pixels = torch.stack([transform(content.image) for content in IMAGES])
        images = model.encode_image(pixels, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(TINY)([content.text for content in TEXTS])
        texts = model.encode_text(tokens, normalize=True).numpy()
    image = loaded("image", False, home)
    np.testing.assert_allclose(image.encode(IMAGES), images, atol=1e-6)
    np.testing.assert_allclose(loaded("text", False, home).encode(TEXTS), texts, atol=1e-6)
    identity = image.identity()
    assert identity["weights"] == "pretrained"
    assert identity["sha256"] == file_sha256(home / "openclip" / f"{TINY}.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_a_torch_file_is_read_too(trained, suffix):
    home, model = trained
    before = loaded("text", False, home).encode(TEXTS)
    (home / "openclip" / f"{TINY}.safetensors").unlink()
    torch.save({"state_dict": model.state_dict()}, home / "openclip" / f"{TINY}{suffix}")
    np.testing.assert_array_equal(loaded("text", False, home).encode(TEXTS), before)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_files_that_are_no_weights_of_the_model_are_refused(trained):
    home, model = trained
    path = home / "openclip" / f"{TINY}.safetensors"
    save_file({"logit_scale": model.state_dict()["logit_scale"]}, path)
    with pytest.raises(UsageError, match=f"no state dict of {TINY}"):
        loaded("image", False, home)
    path.write_bytes(b"not a file of weights")
    with pytest.raises(UsageError, match=f"no state dict of {TINY}"):
        loaded("image", False, home)

    path.unlink()
    touched = home / "touched"
    path.with_suffix(".pt").write_bytes(pickle.dumps({"weight": Payload(touched)}, protocol=2))
    with pytest.raises(UsageError, match=f"no state dict of {TINY}") as caught:
        loaded("image", False, home)
    assert "\n" not in str(caught.value)
    assert not touched.exists()


@pytest.mark.parametrize(
    ("modality", "model", "said"),
    [
        ("image", "ViT-B32", "nearest is ViT-B-32"),
        ("text", "ViT-B-16-SigLIP", "timm/ViT-B-16-SigLIP"),
        ("image", "hf-hub:Marqo/marqo-fashionCLIP", "has no model"),
        ("audio", "ViT-B-32", "not 'audio'"),
    ],
)
def test_what_cannot_be_had_is_refused_at_once(modality, model, said):
    with pytest.raises(UsageError, match=said) as caught:
        OpenClip(modality, True, around(), model=model)
    assert "\n" not in str(caught.value)


def test_pixels_are_scaled_as_the_published_weights_want_it():
    assert (
        open_clip.get_pretrained_cfg("MobileCLIP-S1", "datacompdr")["interpolation"] == "bilinear"
    )
    said = OpenClip("image", True, around(), model="MobileCLIP-S1").identity()["preprocessing"]
    assert tuple(said["mean"]) == (0, 0, 0)
    assert said["interpolation"] == "bilinear"
    said = OpenClip("image", True, around(), model="ViT-L-14").identity()["preprocessing"]
    assert tuple(said["mean"]) == open_clip.OPENAI_DATASET_MEAN


def test_the_torchvision_guard_lets_open_clip_and_transformers_be_imported():
    code = """
import sys
try:
    import torchvision
except RuntimeError:
    print("torchvision fails alone")
from mmbench.encoders.torchvision_guard import import_torchvision_safely
import_torchvision_safely()
import_torchvision_safely()
import open_clip, torchvision
from transformers import BertModel
import mmbench.encoders.sentence
assert "sentence_transformers" not in sys.modules
print(torchvision.__name__, open_clip.CLIP.__name__, BertModel.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torchvision CLIP BertModel"
