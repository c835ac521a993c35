"""Texts that are longer than the model reads: what of them it sees."""

import pytest
from letters import LIMIT, Letters, piece

from mmbench.extraction.long_texts import pieces


class Words(Letters):
    """Reads four words; a token is a word's place in `seen`."""

    def chunks(self, texts):
        self.seen = [text.split() for text in texts]
        return [
            [piece("w" * len(words[s : s + 4])) for s in range(0, len(words), 4)]
            for words in self.seen
        ]


def test_truncate_is_what_the_tokenizer_leaves():
    found, long = pieces(Letters("text"), ["abc", "a" * 30, ""], "truncate")
    assert [len(chunks) for chunks in found] == [1, 1, 1]
    assert [len(chunks[0]) for chunks in found] == [4, LIMIT, 1]
    assert long == 1


def test_chunks_are_all_of_the_text():
    found, long = pieces(Letters("text"), ["abc", "a" * 30], "mean-of-chunks")
    assert [len(chunks) for chunks in found] == [1, 4]
    assert sum(len(tokens) - 1 for tokens in found[1]) == 30
    assert long == 1


def test_lead_and_keywords_keep_the_beginning_and_the_rare_words():
    backend = Words("text")
    long = "Red shoe the and the of and blue the waterproof"
    texts = [long, "the and of", "the of and", "of the blue"]
    found, n_long = pieces(backend, texts, "lead+keywords")
    assert backend.seen == [["Red", "shoe", "blue", "waterproof"]]
    assert n_long == 1
    assert [len(chunks) for chunks in found] == [1, 1, 1, 1]


def test_a_text_of_one_endless_word_is_cut():
    found, long = pieces(Letters("text"), ["a" * 50], "lead+keywords")
    assert len(found[0][0]) == LIMIT
    assert long == 1


@pytest.mark.parametrize("policy", ["truncate", "lead+keywords", "mean-of-chunks"])
def test_no_texts_at_all(policy):
    assert pieces(Letters("text"), [], policy) == ([], 0)
