"""BEiT-3's words: the SentencePiece model beit3.spm, with the ids of XLM-RoBERTa."""

from dataclasses import dataclass
from pathlib import Path

from mmbench.encoders.torchvision_guard import import_torchvision_safely
from mmbench.errors import UsageError

import_torchvision_safely()  # before the first import of transformers

from transformers import PreTrainedTokenizerFast  # noqa: E402
from transformers.convert_slow_tokenizer import XLMRobertaConverter  # noqa: E402

ADDRESS = "https://github.com/addf400/files/releases/download/beit3"
NAME = "beit3.spm"
WORDS = 64010  # rows of the embedding
SPECIAL = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}  # word → its id
ROLES = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "padding_side": "right",
    "truncation_side": "right",
}


def vocabulary(folder: Path) -> Path:
    """Return the path of `<folder>/beit3.spm`.

    Raises:
        UsageError: it is not there.
    """
    path = folder / NAME
    if not path.is_file():
        raise UsageError(
            f"the vocabulary of BEiT-3 is missing: fetch {ADDRESS}/{NAME} and put it at {path}"
        )
    return path


def tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a SentencePiece file: `<s> text </s>`.

    XLMRobertaTokenizer itself would need the package sentencepiece and another file name.

    Raises:
        UsageError: the file is no SentencePiece model, or has words that BEiT-3 has not.
    """
    try:
        source = _Source(str(path))
        rules = XLMRobertaConverter(source).converted()  # type: ignore[no-untyped-call]
    except Exception as error:  # protobuf, its converter and tokenizers have no common error
        reason = " ".join(str(error).split())[:160]
        raise UsageError(
            f"{path}: no SentencePiece model ({reason}): fetch {ADDRESS}/{NAME} again"
        ) from error
    n_words = rules.get_vocab_size()
    if not len(SPECIAL) + 1 < n_words <= WORDS:  # <mask> comes last
        raise UsageError(
            f"{path}: {n_words} words, but BEiT-3 has up to {WORDS}: fetch {ADDRESS}/{NAME} again"
        )
    return PreTrainedTokenizerFast(tokenizer_object=rules, **ROLES)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Source:
    """What the converter asks of the tokenizer it converts."""

    vocab_file: str

    def convert_tokens_to_ids(self, word: str) -> int:
        return SPECIAL[word]
