"""How a number is written: four decimals of a metric, costs as short as they are of use."""

from mmbench.board.table import Measure

DECIMALS = 4
LARGE = 100


def figure(value: float, measure: Measure) -> str:
    """Return the text of a value or of a deviation."""
    if not measure.cost:
        return f"{value:.{DECIMALS}f}"
    return f"{value:,.0f}" if abs(value) >= LARGE else f"{value:.3g}"
