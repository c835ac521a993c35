"""open_clip against transformers: the same random CLIP through both of our backends."""

from mmbench.encoders.openclip import OpenClip  # isort: skip - first: it sees to torchvision

import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizerFast

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.huggingface import HuggingFace

LAYERS, WIDTH, DIM, SIDE, PATCH = 3, 64, 48, 64, 16
NAMES = {  # open_clip's → transformers', after the name of the tower
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
OUTSIDE = {
    "logit_scale": "logit_scale",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
}
NORMS = {
    "ln_final": "text_model.final_layer_norm",
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
}
TURNED = {  # a matrix that multiplies from the other side
    "text_projection": "text_projection.weight",
    "visual.proj": "visual_projection.weight",
}
TEXTS = ["a red shoe", "", "Two blue SHOES & a hat 😀", "shoe " * 200]


def converted(state):
    """Return a state dict of transformers' CLIP under open_clip's names."""
    made = {ours: state[theirs] for ours, theirs in OUTSIDE.items()}
    made |= {ours: state[theirs].T.contiguous() for ours, theirs in TURNED.items()}
    for ours, theirs in NORMS.items():
        made |= {f"{ours}.{kind}": state[f"{theirs}.{kind}"] for kind in ("weight", "bias")}
    for tower, encoder in (("", "text_model"), ("visual.", "vision_model")):
        for layer in range(LAYERS):
            block = f"{tower}transformer.resblocks.{layer}"
            source = f"{encoder}.encoder.layers.{layer}"
            for kind in ("weight", "bias"):
                made |= {
                    f"{block}.{o}.{kind}": state[f"{source}.{t}.{kind}"] for o, t in NAMES.items()
                }
                stacked = [state[f"{source}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                made[f"{block}.attn.in_proj_{kind}"] = torch.cat(stacked)
    return made


def clip(activation):
    """Return a small CLIP of transformers whose random weights are far from zero."""
    tower = {
        **{"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS},
        **{"num_attention_heads": 2, "hidden_act": activation},
    }
    words = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = CLIPModel(
            CLIPConfig(
                text_config={**tower, **words, "max_position_embeddings": 77},
                vision_config={**tower, "image_size": SIDE, "patch_size": PATCH},
                projection_dim=DIM,
            )
        )
        for name, parameter in model.named_parameters():
            scale = name.endswith("weight") and parameter.ndim == 1  # of a LayerNorm
            torch.nn.init.normal_(parameter, mean=float(scale), std=0.1)
    return model.eval()


def write_transformers(model, folder):
    """Write the folder of a CLIP of the hub, with the words of open_clip's vocabulary."""
    model.save_pretrained(folder)
    words = open_clip.tokenizer.SimpleTokenizer()
    merges = [" ".join(pair) for pair in words.bpe_ranks if len(pair) == 2]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    vocabulary = dict(words.encoder)
    for old, new in (("start_of_text", "startoftext"), ("end_of_text", "endoftext")):
        vocabulary[f"<|{new}|>"] = vocabulary.pop(f"<{old}>")
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    CLIPTokenizerFast.from_pretrained(folder, model_max_length=77).save_pretrained(folder)
    size = {"crop_size": {"height": SIDE, "width": SIDE}, "size": {"shortest_edge": SIDE}}
    CLIPImageProcessor(**size).save_pretrained(folder)


def write_open_clip(model, folder, quick):
    tower = {"width": WIDTH, "layers": LAYERS}
    config = {
        "embed_dim": DIM,
        "quick_gelu": quick,
        "vision_cfg": {**tower, "image_size": SIDE, "head_width": WIDTH // 2, "patch_size": PATCH},
        "text_cfg": {**tower, "heads": 2, "context_length": 77, "vocab_size": 49408},
    }
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(converted(model.state_dict()), folder / "open_clip_model.safetensors")


def images():
    noise = np.random.RandomState(0)
    sizes = [(64, 64, 3), (90, 61, 3), (20, 200, 3)]
    return [Image.fromarray(noise.randint(0, 255, size, dtype=np.uint8)) for size in sizes]


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def backends(request, tmp_path_factory):
    """For a modality, our two backends with the same weights, and the model itself."""
    folder = tmp_path_factory.mktemp("clip")
    model = clip(request.param)
    write_transformers(model, folder / "hf")
    write_open_clip(model, folder / "oc", request.param == "quick_gelu")

    def loaded(modality):
        both = (
            OpenClip(modality, False, Surroundings("cpu", folder, folder / "oc"), "hf-hub:a/b"),
            HuggingFace(modality, False, Surroundings("cpu", folder, folder / "hf"), "a/b"),
        )
        for backend in both:
            backend.load()
        return both

    return model, loaded


@pytest.mark.parametrize("modality", ["image", "text"])
def test_both_backends_give_the_same_unit_vectors(backends, modality):
    ours, theirs = backends[1](modality)
    contents = (
        [Content(image, None) for image in images()]
        if modality == "image"
        else [Content(None, text) for text in TEXTS]
    )
    left, right = ours.encode(contents), theirs.encode(contents)
    assert np.abs(left - right).max() <= 1e-6
    assert np.abs(left[0] - left[1]).max() > 1e-2


def test_both_models_give_the_same_features(backends):
    model, loaded = backends
    image, text = loaded("image")[0], loaded("text")[0]
    pixels = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    ids = text._tokenizer.padded([pieces[0] for pieces in text.chunks(TEXTS)])
    with torch.inference_mode():
        pictures = model.get_image_features(pixel_values=pixels).pooler_output
        words = model.get_text_features(input_ids=ids).pooler_output
        assert (image._network.encode_image(pixels) - pictures).abs().max() <= 1e-5
        assert (text._network.encode_text(ids) - words).abs().max() <= 1e-5


def test_both_cut_texts_into_the_same_pieces(backends):
    ours, theirs = backends[1]("text")
    for left, right in zip(ours.chunks(TEXTS), theirs.chunks(TEXTS), strict=True):
        assert [piece.tolist() for piece in left] == [piece.tolist() for piece in right]
