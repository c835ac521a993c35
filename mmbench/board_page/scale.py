"""Where a value lies on an axis, and which values stand beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

ROOM = 0.04  # of the length of an axis, at each end
STEPS = (1, 2, 5, 10)
NARROW = 5  # times: an axis of powers that spans less has evenly spaced ticks
FEW_DECADES = 2.5  # up to so many, an axis of powers has ticks between them


@dataclass(frozen=True)
class Scale:
    """An axis: values from `low` to `high` lie at `start` to `end`, in pixels.

    log: whether equal distances are equal factors; values are above 0 then.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value."""
        low, high, value = map(self._bent, (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values within the axis, about `most`."""
        if self.log and self.high > NARROW * self.low:
            return self._powers()
        rough = (self.high - self.low) / most
        unit = 10.0 ** floor(log10(rough))
        step = next(unit * each for each in STEPS if unit * each >= rough * (1 - 1e-9))
        first, last = ceil(self.low / step), floor(self.high / step)
        return [number * step for number in range(first, last + 1)]

    def _powers(self) -> list[float]:
        first, last = floor(log10(self.low)), ceil(log10(self.high))
        between = STEPS[:-1] if log10(self.high / self.low) <= FEW_DECADES else STEPS[:1]
        every = [each * 10.0**power for power in range(first, last + 1) for each in between]
        return [value for value in every if self.low <= value <= self.high]

    def _bent(self, value: float) -> float:
        return log10(value) if self.log else value


def spanning(values: Iterable[float], start: float, end: float, log: bool = False) -> Scale:
    """Return the axis that holds some values, at least one, with a little room at both ends."""
    known = list(values)
    low, high = min(known), max(known)
    if log:
        low, high = (low, high) if high > low else (low / 2, high * 2)
        room = (high / low) ** ROOM
        return Scale(low / room, high * room, start, end, log)
    if high - low <= abs(high) * 1e-9:
        around = abs(high) * 0.1 or 1.0
        low, high = low - around, high + around
    room = (high - low) * ROOM
    return Scale(low - room, high + room, start, end)


def tick(value: float) -> str:
    """Return the text of a tick."""
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:.3g}"
