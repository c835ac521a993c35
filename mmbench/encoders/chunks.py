"""A text as the pieces that a model can read, cut by the model's own tokenizer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mmbench.encoders.network import Tokens


def chunked(tokenizer: Callable[..., Any], texts: Sequence[str], length: int) -> list[list[Tokens]]:
    """Return each text as one or more id arrays, in order; the first is the truncated text.

    Args:
        tokenizer: a fast tokenizer of transformers.
        texts: what is cut.
        length: the longest piece, special tokens counted.
    """
    if not texts:
        return []
    cut = tokenizer(
        list(texts),
        truncation=True,
        max_length=length,
        return_overflowing_tokens=True,
        return_token_type_ids=False,
        return_attention_mask=False,
    )
    found: list[list[Tokens]] = [[] for _ in texts]
    for place, ids in zip(cut["overflow_to_sample_mapping"], cut["input_ids"], strict=True):
        found[place].append(np.array(ids, dtype=np.int64))  # (length of the piece,)
    return found
