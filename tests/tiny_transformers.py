"""Small real models of transformers, as the hub would hold them, for the tests of several modules.

Each has the classes, the tokenizer and the image processor of its kind; only the sizes are small.
"""

import json
import string

import numpy as np
import torch
import transformers as tf
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

from mmbench.encoders import huggingface  # noqa: F401 - its models need the guard

TOWER = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2}
TOWER |= {"num_attention_heads": 4}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}
HALF = [0.5, 0.5, 0.5]
SIDE = {"height": 32, "width": 32}
LETTERS = sorted(ByteLevel.alphabet())
NOISE = np.random.RandomState(0)
IMAGES = [
    Image.fromarray(NOISE.randint(0, 256, (*size, 3), dtype=np.uint8))
    for size in ((51, 40), (32, 32), (7, 90), (33, 31))
]
TEXTS = ["a red shoe", "", "😀 Crème Shoes, 2 pairs!", "red shoe " * 40]


def _clip_words(folder):
    vocab = {letter: place for place, letter in enumerate(LETTERS)}
    vocab |= {f"{letter}</w>": len(vocab) + place for place, letter in enumerate(LETTERS)}
    merges = [("r", "e"), ("re", "d</w>"), ("s", "h")]
    for left, right in merges:
        vocab[left + right] = len(vocab)
    for special in ("<|startoftext|>", "<|endoftext|>"):
        vocab[special] = len(vocab)
    made = tf.CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=16)
    made.save_pretrained(folder)
    return len(vocab)


def _bert_words(folder):
    letters = string.ascii_lowercase + string.digits + ",!"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "shoe", *letters]
    words += [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(words))
    made = tf.BertTokenizer(
        vocab={word: place for place, word in enumerate(words)}, model_max_length=512
    )
    made.save_pretrained(folder)
    return len(words)


def _unigrams(first):
    letters = [(letter, -5.0) for letter in string.ascii_letters + string.digits + ",!▁"]
    return [(word, 0.0) for word in first] + [("▁red", -1.0), ("▁shoe", -1.5), *letters]


def _roberta_words(folder):
    vocab = _unigrams(["<s>", "<pad>", "</s>", "<unk>"])
    made = tf.XLMRobertaTokenizer(vocab=vocab, model_max_length=512)
    made.save_pretrained(folder)
    return len(made)


def _siglip_words(folder):
    vocab = _unigrams(["<unk>", "</s>"])
    made = Tokenizer(models.Unigram(vocab, unk_id=0))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tf.PreTrainedTokenizerFast(
        tokenizer_object=made,
        **{"unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>"},
        **{"model_input_names": ["input_ids"], "model_max_length": 16},
    ).save_pretrained(folder)
    return len(vocab)


def _gemma_words(folder):
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    words += [f"<0x{byte:02X}>" for byte in range(256)] + [*string.printable[:94], "▁", "re", "red"]
    tf.GemmaTokenizer(
        vocab={word: place for place, word in enumerate(dict.fromkeys(words))},
        merges=[("r", "e"), ("re", "d")],
        **{"add_bos_token": False, "add_eos_token": True, "padding_side": "right"},
        **{"model_input_names": ["input_ids"], "do_lower_case": True},
    ).save_pretrained(folder)
    return len(words)


def _clip_pixels(folder):
    made = tf.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIDE)
    made.save_pretrained(folder)


def _siglip_pixels(folder):
    tf.SiglipImageProcessorPil(size=SIDE, image_mean=HALF, image_std=HALF).save_pretrained(folder)


def _align_pixels(folder):
    tf.EfficientNetImageProcessorPil(
        size={"height": 40, "width": 40},
        **{"do_center_crop": True, "crop_size": SIDE, "include_top": False},
        **{"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False},
    ).save_pretrained(folder)


def _clip(words, **more):
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 16, "projection_dim": 24}
    ends = {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1}
    text |= {**ends, **more}
    vision = {**VISION, "projection_dim": 24}
    return tf.CLIPModel(tf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))


def _siglip(words):
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 16}
    text |= {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    return tf.SiglipModel(tf.SiglipConfig(text_config=text, vision_config=VISION))


def _align(words):
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 128}
    vision = {"image_size": 32, "hidden_dim": 16, "num_block_repeats": [1, 1], "strides": [1, 2]}
    vision |= {"kernel_sizes": [3, 3], "in_channels": [32, 16], "out_channels": [16, 16]}
    vision |= {"expand_ratios": [1, 2], "width_coefficient": 1.0, "depth_coefficient": 1.0}
    config = tf.AlignConfig(text_config=text, vision_config=vision, projection_dim=16)
    return tf.AlignModel(config)


def _altclip(words):
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 18, "project_dim": 24}
    text |= {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    vision = {**VISION, "projection_dim": 24}
    config = tf.AltCLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
    return tf.AltCLIPModel(config)


def _chinese_clip(words):
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 16}
    config = tf.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    return tf.ChineseCLIPModel(config)


KINDS = {
    "clip": (_clip_words, _clip_pixels, _clip),
    "old-clip": (_clip_words, _clip_pixels, lambda words: _clip(words, eos_token_id=2)),
    "siglip": (_siglip_words, _siglip_pixels, _siglip),
    "siglip2": (_gemma_words, _siglip_pixels, _siglip),
    "align": (_bert_words, _align_pixels, _align),
    "altclip": (_roberta_words, _clip_pixels, _altclip),
    "chinese-clip": (_bert_words, _clip_pixels, _chinese_clip),
}


def make(kind, folder, seed=7):
    """Write a model of a kind into a folder as the hub would hold it, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    words, pixels, build = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(words(folder)).eval()
        for parameter in model.parameters():  # biases and norms too, so that each one is needed
            parameter.data += 0.2 * torch.randn(parameter.shape)
    pixels(folder)
    model.save_pretrained(folder)
    return model


def vit(folder):
    """Write a model that reads pictures only."""
    tf.ViTModel(tf.ViTConfig(**VISION)).save_pretrained(folder)
    tf.ViTImageProcessorPil(size=SIDE).save_pretrained(folder)


def naflex(folder):
    """Write a SigLIP2 whose pictures keep their own proportions."""
    vision = {**TOWER, "num_patches": 16, "patch_size": 8}
    tf.Siglip2Model(tf.Siglip2Config(text_config=TOWER, vision_config=vision)).save_pretrained(
        folder
    )
    tf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)


def aimv2(folder):
    """Write a model whose text tower is causal only where there is padding."""
    words = _clip_words(folder)
    text = {**TOWER, "vocab_size": words, "max_position_embeddings": 16, "eos_token_id": words - 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = tf.Aimv2Model(tf.Aimv2Config(text_config=text, vision_config=VISION))
        for parameter in model.parameters():
            parameter.data += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder)


def in_cache(cache, repo, commit, branch="main"):
    """Return the folder of a commit in a cache of the hub, with a branch that points to it."""
    home = cache / f"models--{repo.replace('/', '--')}"
    (home / "refs").mkdir(parents=True, exist_ok=True)
    (home / "refs" / branch).write_text(commit)
    folder = home / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


def edit(path, **values):
    """Change keys of a JSON file; None takes one out."""
    held = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in held.items() if value is not None}))
