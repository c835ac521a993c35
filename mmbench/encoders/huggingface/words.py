"""Texts as a model of transformers takes them: cut and padded as its authors do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from transformers import AutoTokenizer

from mmbench.encoders.chunks import chunked
from mmbench.encoders.huggingface.files import VOCABULARIES, require_one_of
from mmbench.encoders.network import Tokens, padded
from mmbench.errors import UsageError

# Tokens of a text where the model's processor, not its tokenizer, says how many.
LENGTHS = {"align": 64, "siglip2": 64, "tipsv2": 64}
# Trained on texts padded to their full length: these see the padding.
FULL = frozenset({"siglip", "siglip2", "tipsv2"})
# Trained on texts in lower case, which SigLIP2's tokenizer leaves to whoever calls it.
LOWER = frozenset({"siglip", "siglip2"})
# Their positions begin behind the id of the padding.
SHIFTED = frozenset({"altclip_text_model", "camembert", "roberta", "xlm-roberta"})


@dataclass(frozen=True)
class Words:
    """The tokenizer of a model.

    tokenizer: of transformers.
    length: tokens after which a text is cut, special ones in.
    full: texts are padded to that length, not to that of the longest.
    lower: texts are put into lower case first.
    known: ids below this one have an embedding.
    """

    tokenizer: Any
    length: int
    full: bool
    lower: bool
    known: int

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return the pieces of each text, the first as the tokenizer cuts it."""
        told = [text.lower() for text in texts] if self.lower else texts
        if self.tokenizer.is_fast:
            return chunked(self.tokenizer, told, self.length)
        return [self._pieces(text) for text in told]

    def _pieces(self, text: str) -> list[Tokens]:
        # Tokenizers in Python do not say to which text an overflowing part belongs.
        bare = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        room = self.length - self.tokenizer.num_special_tokens_to_add()
        parts = [bare[start : start + room] for start in range(0, max(len(bare), 1), room)]
        make = self.tokenizer.build_inputs_with_special_tokens
        return [np.array(make(part), np.int64) for part in parts]

    def inputs(self, tokens: Sequence[Tokens]) -> dict[str, Tensor]:
        """Return what the model takes: ids, and a mask where it has one, (n, length) each.

        Raises:
            UsageError: an id that the model has no embedding for.
        """
        left = self.tokenizer.padding_side == "left"
        turned = [one[::-1].copy() if left else one for one in tokens]
        ids, mask = padded(
            turned, self.tokenizer.pad_token_id, self.length if self.full else None
        )  # (n, length)
        if int(ids.max()) >= self.known:
            raise UsageError(
                f"the tokenizer gives the id {int(ids.max())}, the model knows {self.known} "
                "tokens: it is the tokenizer of another model"
            )
        made = {"input_ids": ids}
        if "attention_mask" in self.tokenizer.model_input_names:
            made["attention_mask"] = mask
        return {name: part.flip(1) if left else part for name, part in made.items()}


def read_words(config: Any, folder: Path) -> Words:
    """Return the tokenizer of a model's folder.

    Raises:
        UsageError: it is not there, or cannot pad.
    """
    require_one_of(folder, VOCABULARIES, "tokenizer")  # transformers would make an empty one
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # tokenizers raises plain ones
        if isinstance(error, ImportError) and "sentencepiece" in str(error).lower():
            raise UsageError(
                f"{folder}: its tokenizer needs a package: pip install sentencepiece protobuf"
            ) from error
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"{folder}: no tokenizer can be made of it ({reason})") from error
    if tokenizer.pad_token_id is None:
        raise UsageError(f"{folder}: its tokenizer has no token for padding: name one there")
    text = getattr(config, "text_config", config)
    masked = "attention_mask" in tokenizer.model_input_names
    full = config.model_type in FULL or not masked  # else a vector would depend on its batch
    lower = config.model_type in LOWER and tokenizer.init_kwargs.get("do_lower_case", True)
    return Words(tokenizer, _length(config, text, tokenizer), full, lower, text.vocab_size)


def habits(config: Any) -> dict[str, Any]:
    """Return what is done to the texts of a model beside what its tokenizer's files say."""
    kind = config.model_type
    return {"length": LENGTHS.get(kind), "full": kind in FULL, "lower": kind in LOWER}


def _length(config: Any, text: Any, tokenizer: Any) -> int:
    positions = text.max_position_embeddings
    if text.model_type in SHIFTED:
        positions -= text.pad_token_id + 1
    said = LENGTHS.get(config.model_type, positions)
    return int(min(said, positions, tokenizer.model_max_length))
