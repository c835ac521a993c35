"""open_clip's models by name, by tag and from the hub, and the guard for torchvision's import."""

import json
import subprocess
import sys

import huggingface_hub
import numpy as np
import pytest
import torch
from tiny_openclip import (
    COMMIT,
    CONFIG,
    IMAGES,
    SIGLIP,
    TEXTS,
    TINY,
    backend,
    in_hub,
    loaded,
    network,
    open_clip,
    save,
    save_tokenizer,
)

from mmbench.encoder_spec import encoder_spec
from mmbench.errors import UsageError
from mmbench.fingerprint import canonical, file_sha256

PUBLISHED = {
    **{"url": "", "hf_hub": "org/tiny/", "quick_gelu": True},
    **{"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)},
    **{"interpolation": "bilinear", "resize_mode": "squash"},
}


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("configs") / f"{TINY}.json"
    path.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(path)


@pytest.fixture
def tag(monkeypatch):
    """A published tag of the tiny model, of which its authors say that it ran QuickGELU."""
    table = {"quick": PUBLISHED, "address": {**PUBLISHED, "hf_hub": "", "url": "https://a.b/c.pt"}}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, TINY, table)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of the hub, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def features(model, pixels):
    with torch.inference_mode():
        return model.encode_image(pixels, normalize=True).numpy()


@pytest.mark.parametrize(("modality", "contents"), [("image", IMAGES), ("text", TEXTS)])
def test_contract(modality, contents):
    state = torch.get_rng_state()
    made = loaded(modality, random=True)
    assert torch.equal(torch.get_rng_state(), state)
    vectors = made.encode(contents)
    alone = np.concatenate([made.encode([content]) for content in contents])

    assert made.inputs == (modality,)
    assert vectors.shape == (len(contents), 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(alone, vectors, atol=1e-5)
    np.testing.assert_allclose(loaded(modality, random=True).encode(contents), vectors, atol=1e-6)
    assert made.identity()["weights"] == "random"
    assert canonical(made.identity())


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".bin"])
def test_local_weights_give_what_open_clip_gives(tmp_path, suffix):
    model = network()
    path = tmp_path / "openclip" / f"{TINY}{suffix}"
    save(model, path)
    if suffix != ".safetensors":
        torch.save({"epoch": 3, "state_dict": model.state_dict()}, path)
    theirs, _, transform = open_clip.create_model_and_transforms(TINY)
    theirs.load_state_dict(model.state_dict())
    with torch.inference_mode():
        pixels = torch.stack([transform(content.image) for content in IMAGES])
        images = theirs.eval().encode_image(pixels, normalize=True).numpy()
        tokens = open_clip.get_tokenizer(TINY)([content.text for content in TEXTS])
        texts = theirs.encode_text(tokens, normalize=True).numpy()
    image, text = (loaded(modality, models=tmp_path) for modality in ("image", "text"))
    np.testing.assert_allclose(image.encode(IMAGES), images, atol=1e-6)
    np.testing.assert_allclose(text.encode(TEXTS), texts, atol=1e-6)
    assert image.identity()["weights"] == "pretrained"
    assert image.identity()["sha256"] == file_sha256(path)


def test_a_tag_runs_with_the_activation_and_the_pixels_of_its_authors(tag, tmp_path):
    plain, quick = network(), network(quick_gelu=True)
    path = save(plain, tmp_path / "openclip" / TINY / "quick.safetensors")
    made = loaded("image", f"{TINY}/quick", models=tmp_path)
    said = made.identity()
    assert said["activation"] == "QuickGELU"
    assert {
        key: said["preprocessing"][key] for key in PUBLISHED if key in said["preprocessing"]
    } == {key: PUBLISHED[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    *_, transform = open_clip.create_model_and_transforms(
        TINY, image_mean=(0.1, 0.2, 0.3), image_std=(0.4, 0.5, 0.6),
        image_interpolation="bilinear", image_resize_mode="squash",
    )  # fmt: skip
    pixels = torch.stack([transform(content.image) for content in IMAGES])
    vectors = made.encode(IMAGES)
    np.testing.assert_allclose(vectors, features(quick, pixels), atol=1e-6)
    assert np.abs(vectors - features(plain, pixels)).max() > 1e-4
    untagged = backend("image", models=tmp_path, weights=path).identity()
    assert untagged["activation"] == "GELU"
    assert canonical(untagged) != canonical(said)


def test_real_tags_that_say_quickgelu_get_it_and_others_keep_their_name():
    said = {
        name: backend("image", name, random=True).identity()["activation"]
        for name in ("ViT-B-16/openai", "ViT-B-16-quickgelu/openai", "ViT-B-16/laion2b_s34b_b88k")
    }
    assert list(said.values()) == ["QuickGELU", "QuickGELU", "GELU"]


def test_a_tag_comes_from_the_hub_or_from_the_folder_or_file_named(tag, hub, tmp_path):
    model = network()
    path = save(model, in_hub(hub, "org/tiny") / "open_clip_model.safetensors")
    cached = loaded("image", f"{TINY}/quick", models=tmp_path)
    assert cached.identity()["revision"] == COMMIT
    for named in (path, path.parent):
        brought = loaded("image", f"{TINY}/quick", weights=named)
        assert brought.identity()["sha256"] == cached.identity()["sha256"]
        np.testing.assert_array_equal(brought.encode(IMAGES), cached.encode(IMAGES))
    path.unlink()
    torch.save(model.state_dict(), path.with_name("open_clip_pytorch_model.bin"))
    other = loaded("image", f"{TINY}/quick@{COMMIT}", models=tmp_path)
    np.testing.assert_array_equal(other.encode(IMAGES), cached.encode(IMAGES))


def test_what_is_not_here_is_told_with_where_to_get_it_and_where_to_put_it(tag, hub, tmp_path):
    place = str(tmp_path / "openclip" / TINY)
    for name, remedy in (
        (TINY, f"{place}.safetensors (or .pt, .bin), name one of its tags"),
        (f"{TINY}/quick", "`hf download org/tiny --local-dir FOLDER`"),
        (f"{TINY}/quick", f"{place}/quick.safetensors"),
        (f"{TINY}/address", f"fetch https://a.b/c.pt and put it at {place}/address.safetensors"),
        ("hf-hub:org/absent", "`hf download org/absent --local-dir FOLDER`"),
    ):
        with pytest.raises(UsageError) as caught:
            backend("image", name, models=tmp_path).identity()
        assert remedy in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_a_model_of_the_hub_brings_its_configuration_pixels_and_tokenizer(hub, tmp_path, file):
    model = network(SIGLIP)
    folder = in_hub(hub, "org/shop")
    settings = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash", "other": 1}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": SIGLIP, "preprocess_cfg": settings})
    )
    save(model, folder / file)
    if file.endswith(".bin"):
        torch.save(model.state_dict(), folder / file)
    save_tokenizer(in_hub(hub, "org/words"))
    image, text = (loaded(m, "hf-hub:org/shop", revision=COMMIT) for m in ("image", "text"))
    assert image.identity()["revision"] == text.identity()["revision"] == COMMIT
    assert text.identity()["tokenizer"].keys() >= {"tokenizer.json", "tokenizer_config.json"}

    save_tokenizer(folder)  # open_clip's own loader of local folders wants it there
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    assert next(theirs.parameters()).equal(next(model.parameters()))
    pixels = torch.stack([transform(content.image) for content in IMAGES])
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")([c.text for c in TEXTS])
        texts = model.encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(image.encode(IMAGES), features(model, pixels), atol=1e-6)
    np.testing.assert_allclose(text.encode(TEXTS), texts, atol=1e-6)
    brought = loaded("text", "hf-hub:org/shop", weights=folder)
    np.testing.assert_array_equal(brought.encode(TEXTS), text.encode(TEXTS))


def test_mobileclip_is_fused_and_gives_the_same_vectors():
    made = loaded("image", "MobileCLIP-S2/datacompdr", random=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs, _, transform = open_clip.create_model_and_transforms(
            "MobileCLIP-S2", image_mean=(0,) * 3, image_std=(1,) * 3, image_interpolation="bilinear"
        )  # fmt: skip
    branches = [any("conv_kxk" in key for key in m.state_dict()) for m in (made._network, theirs)]
    assert branches == [False, True]
    pixels = transform(IMAGES[0].image)[None]
    np.testing.assert_allclose(made.encode(IMAGES[:1]), features(theirs.eval(), pixels), atol=1e-5)


@pytest.mark.parametrize("name", ["mobileclip", "marqo-ecommerce", "marqo-ecommerce:large"])
def test_the_shortcuts_are_models_that_can_be_named(name):
    for modality, options in encoder_spec(name).modalities.items():
        assert options["backend"] == "openclip"
        made = backend(modality, **{key: options[key] for key in ("model", "revision")})
        assert made.name.repo.startswith(("apple/", "Marqo/"))
        assert made.name.revision is None or len(made.name.revision) == 40


def test_the_torchvision_guard_lets_open_clip_and_transformers_be_imported():
    code = """
try:
    import torchvision
except RuntimeError:
    print("torchvision fails alone")
from mmbench.encoders.torchvision_guard import import_torchvision_safely
import_torchvision_safely()
import_torchvision_safely()
import open_clip, torchvision
from transformers import BertModel
print(torchvision.__name__, open_clip.CLIP.__name__, BertModel.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torchvision CLIP BertModel"
