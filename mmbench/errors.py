"""The one error a person can mend: bad input, told in one line with its remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN = 12  # names in a message when none is close


class UsageError(ValueError):
    """Bad input. The message names the thing, why it is refused and what to type instead.

    The command line prints it as one line and exits with status 2.
    """


class DiskError(UsageError):
    """Nothing can be written: the disk is full or read-only; what follows would fail as well."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that names the values nearest to a wrong one.

    >>> nearest("VBRP", ["VBPR", "BPR", "Pop"])
    'the nearest is VBPR'
    """
    known = sorted(names)
    folded = {known_name.casefold(): known_name for known_name in known}
    close = get_close_matches(name.casefold(), folded, n=2, cutoff=0.5)
    if close:
        return "the nearest is " + " or ".join(folded[match] for match in close)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return "known: " + ", ".join(known[:SHOWN]) + more if known else "there is none yet"
