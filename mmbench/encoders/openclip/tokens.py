"""Texts as the token ids that a model of open_clip reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from torch import Tensor

from mmbench.encoders.chunks import chunked
from mmbench.encoders.network import Tokens, padded
from mmbench.errors import UsageError

# Its merges are quadratic in the length of a word: 100,000 letters without a space take a minute.
# The first 77 tokens hold at most 77 × 32 letters, and what is cut off behind can change merges
# at most 866 letters before the cut: a merge depends on what is right of it only through an
# earlier merge that overlaps it, and the longest such chain in CLIP's vocabulary is that long.
LONGEST_WORD = 5000


class Tokenizer(Protocol):
    """Texts → ids, and back to back in a batch."""

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return each text as one or more pieces that the model can read."""

    def padded(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return the ids of a batch, (n, context length) int64."""


class _ShortWords(SimpleTokenizer):  # type: ignore[misc]
    """CLIP's tokenizer in a time that grows with the text, not with its square."""

    def bpe(self, token: str) -> str:
        merged: str = super().bpe(token[:LONGEST_WORD])
        return merged


class ClipTokenizer:
    """The tokenizer of CLIP: the start token, the text's own ids, the end token, zeros.

    Args:
        text: the configuration of the text tower.

    Raises:
        UsageError: the tokenizer draws which tokens of a long text it keeps.
    """

    def __init__(self, text: Mapping[str, Any]) -> None:
        options = text.get("tokenizer_kwargs", {})
        if options.get("reduction_mask"):
            raise UsageError(f"a tokenizer that drops tokens at random has no vectors: {options}")
        self.length = int(text.get("context_length", DEFAULT_CONTEXT_LENGTH))
        self._tokenizer = _ShortWords(context_length=self.length, **options)

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return each text in pieces of `length` ids at most, each with a start and an end."""
        return [self._pieces(self._tokenizer.encode(text)) for text in texts]

    def padded(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return (n, length) ids, zeros behind the text."""
        return padded(tokens, 0, self.length)[0]

    def _pieces(self, ids: Sequence[int]) -> list[Tokens]:
        start, end = self._tokenizer.sot_token_id, self._tokenizer.eot_token_id
        room = self.length - 2
        return [
            np.array([start, *ids[at : at + room], end], dtype=np.int64)
            for at in range(0, max(len(ids), 1), room)
        ]


class HubTokenizer:
    """A tokenizer of transformers (SigLIP, CLIPA, XLM-R ...) with open_clip's cleaning of texts.

    Args:
        text: the configuration of the text tower.
        folder: its files.

    Raises:
        UsageError: the files are no tokenizer, or the configuration asks for what is not known.
    """

    def __init__(self, text: Mapping[str, Any], folder: Path) -> None:
        if text.get("tokenizer_mode"):
            raise UsageError(f"tokenizer_mode '{text['tokenizer_mode']}' of open_clip is not known")
        self.length = int(text.get("context_length", DEFAULT_CONTEXT_LENGTH))
        try:
            self._tokenizer = HFTokenizer(
                str(folder),
                context_length=self.length,
                local_files_only=True,
                trust_remote_code=False,
                **text.get("tokenizer_kwargs", {}),
            )
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            reason = " ".join(str(error).split())[:160]
            raise UsageError(f"{folder}: holds no tokenizer ({reason}): fetch it again") from error

    def chunks(self, texts: Sequence[str]) -> list[list[Tokens]]:
        """Return each cleaned text in pieces of `length` ids at most."""
        inner = self._tokenizer.tokenizer
        cleaned = [self._tokenizer.clean_fn(text) for text in texts]
        found = chunked(inner, cleaned, self.length)
        if not self._tokenizer.strip_sep_token:
            return found
        for piece in (piece for each in found for piece in each):
            piece[piece == inner.sep_token_id] = 0  # as the authors of CLIPA trained it
        return found

    def padded(self, tokens: Sequence[Tokens]) -> Tensor:
        """Return (n, length) ids, the padding on the side where the tokenizer puts it."""
        inner = self._tokenizer.tokenizer
        ids, _ = padded(tokens, inner.pad_token_id, self.length)
        if inner.padding_side == "right":
            return ids
        return torch.stack(
            [row.roll(self.length - len(each)) for row, each in zip(ids, tokens, strict=True)]
        )
