"""Small real models of open_clip, their tokenizers and their repositories, for several tests."""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from mmbench.encoders.base import Content, Surroundings
from mmbench.encoders.openclip import OpenClip

import open_clip  # isort: skip - once mmbench has seen to torchvision

TINY = "mmbench-tiny"
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
CONFIG = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
# As SigLIP: a tokenizer of the hub, 64 tokens, the last one pooled, no mask.
SIGLIP = {
    **CONFIG,
    "custom_text": True,
    "init_logit_bias": -10,
    "text_cfg": {
        **{**TEXT, "context_length": 64, "vocab_size": 40},
        **{"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
        "hf_tokenizer_name": "org/words",
        "tokenizer_kwargs": {"clean": "canonicalize"},
    },
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOISE = np.random.RandomState(0).randint(0, 255, (3, 40, 50, 3), dtype=np.uint8)
IMAGES = [Content(Image.fromarray(pixels), None) for pixels in NOISE]
TEXTS = [Content(None, text) for text in ("a red shoe", "", "😀", "shoe " * 20_000)]


def backend(modality, model=TINY, random=False, models=Path("none"), weights=None, **options):
    return OpenClip(modality, random, Surroundings("cpu", models, weights), model, **options)


def loaded(*args, **options):
    made = backend(*args, **options)
    made.load()
    return made


def network(config=CONFIG, **more):
    """A model with random weights that are not near zero, as open_clip makes it."""
    settings = json.loads(json.dumps({**config, **more}))
    kind = open_clip.CustomTextCLIP if settings.pop("custom_text", False) else open_clip.CLIP
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return kind(**settings).eval()


def save(model, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), path)
    return path


def in_hub(cache, repo):
    """The folder of a repository at COMMIT, in the layout of the hub's cache."""
    root = cache / f"models--{repo.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    folder = root / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


def save_tokenizer(folder, side="right"):
    """Write a tokenizer of words, which ends a text with </s> and pads with it, as SigLIP's."""
    words = {word: at for at, word in enumerate(["<unk>", "</s>", "[SEP]", "a", "red", "shoe"])}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=made,
        padding_side=side,
        **{"unk_token": "<unk>", "pad_token": "</s>", "eos_token": "</s>", "sep_token": "[SEP]"},
    ).save_pretrained(folder)
