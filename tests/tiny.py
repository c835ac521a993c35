"""Small real files that the tests of several modules give to encoders."""

from pathlib import Path

from transformers.convert_slow_tokenizer import import_protobuf

# Ids of the words of `spm`: a piece's place, one higher for the <pad> that XLM-RoBERTa has at 1.
RED_SHOE = [0, 4, 5, 6, 7, 2]  # <s> ▁a ▁red ▁sh oe </s>


def spm(words=("▁a", "▁red", "▁sh", "oe", "▁", *"abcdehorsBmr")):
    """Return a SentencePiece model of a few words."""
    model = import_protobuf().ModelProto()
    for place, word in enumerate(("<unk>", "<s>", "</s>", *dict.fromkeys(words))):
        kind = 2 if place == 0 else 3 if place < 3 else 1
        model.pieces.add(piece=word, score=-float(place), type=kind)
    model.trainer_spec.model_type = 1
    return model.SerializeToString()


class Payload:
    """What creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))
