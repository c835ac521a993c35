"""Texts that are longer than the model reads: cut, read in chunks, or shortened to keywords."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil, log

from mmbench.encoders.network import Network, Tokens
from mmbench.errors import UsageError

WORD = re.compile(r"\w+")
LEAD = 0.5  # share of what the model reads that the beginning of a text keeps


def pieces(backend: Network, texts: Sequence[str], policy: str) -> tuple[list[list[Tokens]], int]:
    """Return what the model reads of each text, and how many texts it could not read whole.

    Args:
        backend: the model, loaded.
        texts: one a item.
        policy: `truncate` keeps the first piece of each; `mean-of-chunks` all of them;
            `lead+keywords` half a piece of the beginning and the words of the rest that tell most
            (term frequency × inverse document frequency over these texts), in their order.
    """
    whole = backend.chunks(texts)
    long = [place for place, chunks in enumerate(whole) if len(chunks) > 1]
    if policy == "mean-of-chunks":
        return whole, len(long)
    read = [chunks[:1] for chunks in whole]
    if policy == "lead+keywords" and long:
        rarity = _rarity(texts)
        short = [_shortened(texts[place], whole[place], rarity) for place in long]
        for place, chunks in zip(long, backend.chunks(short), strict=True):
            read[place] = chunks[:1]
    elif policy not in ("truncate", "lead+keywords"):
        raise UsageError(f"--long-texts {policy}: truncate, mean-of-chunks or lead+keywords")
    return read, len(long)


def _rarity(texts: Sequence[str]) -> Mapping[str, float]:
    counts = Counter(word for text in texts for word in set(WORD.findall(text.lower())))
    return {word: log((1 + len(texts)) / (1 + count)) for word, count in counts.items()}


def _shortened(text: str, chunks: Sequence[Tokens], rarity: Mapping[str, float]) -> str:
    words = text.split()
    tokens = sum(map(len, chunks))
    n_read = ceil(len(words) * len(chunks[0]) / tokens)  # words that the model would read
    lead, rest = words[: int(LEAD * n_read)], words[int(LEAD * n_read) :]
    if not lead:  # one endless word: the tokenizer cuts it
        return text
    said = set(WORD.findall(" ".join(lead).lower()))
    found = Counter(word for word in WORD.findall(" ".join(rest).lower()) if word not in said)
    telling = sorted(found, key=lambda word: (-found[word] * rarity[word], word))
    chosen = set(telling[: n_read - len(lead)])
    kept = [word for word in found if word in chosen]  # in the order of the text
    return " ".join([*lead, *kept])
