"""What weights an encoder began with, by which questions of training are counted apart."""

from mmbench.encoder_spec import UNKNOWN
from mmbench.questions.study import Case

PUBLISHED, RANDOM, STRANGE = "published", "random", "strange"
GROUPS = {
    PUBLISHED: ", pre-trained encoders",
    STRANGE: ", encoders from files of unknown origin",
    RANDOM: ", encoders from random weights",
}


def group(case: Case) -> str:
    """Return one of `GROUPS`. Weights in a folder of one's own may be anything, also random."""
    if case.random:
        return RANDOM
    own = case.cell.records[0].trial.get("weights") is not None
    return STRANGE if own or case.kind == UNKNOWN else PUBLISHED
