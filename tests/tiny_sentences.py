"""Small models of sentence-transformers on disk, written without that library."""

import json
import string

import torch
import transformers as tf
from safetensors.torch import save_file

from mmbench.encoders.sentence import published  # noqa: F401 - its models need the guard

OWN = "sentence_transformers.models."
FLAGS = {"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens", "lasttoken": "lasttoken"}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "shoe", "Red", "##s")
HIDDEN = 16


def make(folder, pooling="mean", dense=None, unit=True, length=12, seed=7, **limits):
    """Write a model: a BERT, a pooling, perhaps a linear layer with an activation, unit length."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bert(folder)
        modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
        flags = {f"pooling_mode_{flag}": name == pooling for name, flag in FLAGS.items()}
        write(folder / "1_Pooling", "config.json", {"word_embedding_dimension": HIDDEN, **flags})
        if dense:
            modules.append(("2_Dense", "Dense"))
            config = {"in_features": HIDDEN, "out_features": 6, "bias": True}
            config["activation_function"] = f"torch.nn.modules.activation.{dense}"
            write(folder / "2_Dense", "config.json", config)
            state = {"linear.weight": torch.randn(6, HIDDEN), "linear.bias": torch.randn(6)}
            save_file(state, folder / "2_Dense" / "model.safetensors")
    if unit:
        modules.append(("3_Normalize", "Normalize"))
    listed = [
        {"idx": idx, "name": str(idx), "path": path, "type": OWN + kind}
        for idx, (path, kind) in enumerate(modules)
    ]
    write(folder, "modules.json", listed)
    write(folder, "sentence_bert_config.json", {"max_seq_length": length, **limits})
    return folder


def bert(folder):
    """Write a BERT with random weights, biases and norms too, and its tokenizer."""
    letters = string.ascii_letters + string.digits + ",!."
    words = [*WORDS, *letters, *(f"##{letter}" for letter in letters)]
    config = tf.BertConfig(
        vocab_size=len(words),
        hidden_size=HIDDEN,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=20,
    )
    model = tf.BertModel(config)
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
    vocab = {word: place for place, word in enumerate(words)}
    tf.BertTokenizer(vocab=vocab, do_lower_case=False).save_pretrained(folder)


def write(folder, name, content):
    """Write JSON."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
