"""What tests against a baseline said of the cells of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmbench.board.cell import Key

LEVEL = 0.05
DAGGER = "†"


@dataclass(frozen=True)
class Outcome:
    """The outcome: cell and metric → p, corrected for all comparisons of that metric.

    legend: what the mark means, with the name of the test. left_out: what was not tested, and why.
    """

    p: Mapping[tuple[Key, str], float] = field(default_factory=dict)
    legend: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


UNTESTED = Outcome()
