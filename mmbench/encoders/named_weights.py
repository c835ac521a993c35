"""The weights that a person named with --weights: for one backend, or for each half of a pair."""

from pathlib import Path

from mmbench.encoders.base import Surroundings
from mmbench.errors import UsageError

HALVES = ("image", "text")
USE = "add --weights FOLDER (half of a pair: have it as FOLDER/{})"  # of what a person downloads


def named_weights(surroundings: Surroundings, modality: str) -> Path | None:
    """Return what was named for a modality, None where its usual place is meant.

    A folder that holds `image` or `text` speaks for the two halves of a pair, each of which takes
    its own; a half that it lacks keeps its usual place.

    Raises:
        UsageError: there is nothing at the path.
    """
    named = surroundings.weights
    if named is None:
        return None
    if not named.exists():
        raise UsageError(f"--weights {named}: there is nothing: name a file or folder of weights")
    if not any((named / half).exists() for half in HALVES):
        return named
    half = named / modality
    return half if half.exists() else None
