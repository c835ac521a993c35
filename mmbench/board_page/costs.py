"""Quality against cost: which cells no other beats in both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape

from mmbench.board.cell import Cell
from mmbench.board.costs import cost
from mmbench.board.figures import figure as number
from mmbench.board.ranks import sign
from mmbench.board.table import Measure
from mmbench.board_page.drawing import across, figure, mark, polyline, svg, upwards, words
from mmbench.board_page.names import Named
from mmbench.board_page.scale import Scale, spanning
from mmbench.board_page.styles import Style, legend

WIDTH, HEIGHT = 400, 320
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 22, 44
LEAST = 0.01  # of a cost, as it is drawn: an axis of factors has no 0
Cost = Callable[[Cell], float | None]
SECONDS = ("encode_seconds", "finetune_seconds", "train_seconds")


@dataclass(frozen=True)
class Point:
    """A cell: what it cost, in a unit, and what it gave."""

    named: Named
    cost: float
    unit: str
    value: float

    @property
    def told(self) -> str:
        """The cost in words."""
        return f"{number(self.cost, Measure('', '', cost=True))} {self.unit}"


def cost_figure(place: str, metric: str, cells: Sequence[Named], looks: Mapping[str, Style]) -> str:
    """Return the figure: a panel for seconds, one for memory; empty where no cost is known."""
    kinds: dict[tuple[str, str], Cost] = {
        ("seconds to encode, fine-tune and train", "s"): seconds,
        ("peak of memory, MiB", "MiB"): partial(cost, name="host_peak_mb"),
    }
    panels, fronts = [], []
    for (head, unit), of in kinds.items():
        points = _points(metric, cells, of, unit)
        if points:
            best = front(points, sign(metric))
            panels.append(_panel(head, metric, points, best, looks))
            fronts.append(_told(head, metric, best))
    if not panels:
        return ""
    told = [
        "The line is the Pareto front: no other cell gives more for less. Controls do not join."
    ]
    below = legend(cells, looks) + "".join(fronts)
    return figure(f"{place}{metric} against cost", told, panels, below)


def seconds(cell: Cell) -> float | None:
    """Return what encoding, fine-tuning and training took together, None where unknown."""
    known = [value for name in SECONDS if (value := cost(cell, name)) is not None]
    return sum(known) if known else None


def front(points: Iterable[Point], direction: int = 1) -> list[Point]:
    """Return the points that no other beats in value at the same or a lower cost, cheapest first.

    Args:
        points: controls among them are left out. direction: 1 where more is better, -1 where less.
    """
    real = [point for point in points if not point.named.cell.control]
    found: list[Point] = []
    for point in sorted(real, key=lambda point: (point.cost, -direction * point.value)):
        if not found or direction * point.value > direction * found[-1].value:
            found.append(point)
    return found


def _points(metric: str, cells: Iterable[Named], of: Cost, unit: str) -> list[Point]:
    told = ((each, of(each.cell), each.cell.mean(metric)) for each in cells)
    return [Point(each, c, unit, v) for each, c, v in told if c is not None and v is not None]


def _panel(
    head: str,
    metric: str,
    points: Sequence[Point],
    best: Sequence[Point],
    looks: Mapping[str, Style],
) -> str:
    bottom = HEIGHT - BOTTOM
    x = spanning([max(p.cost, LEAST) for p in points], LEFT, WIDTH - RIGHT, log=True)
    y = spanning([p.value for p in points], bottom, TOP)
    parts = [words(LEFT, 14, metric, "name"), *across(x, TOP, bottom), *upwards(y, LEFT, WIDTH)]
    parts.append(words((LEFT + WIDTH) / 2, HEIGHT - 8, head, "tick", "middle"))
    if best:
        parts.append(f'<path class="front" d="{_steps(best, x, y)}"/>')
    for point in points:
        style = looks[point.named.series]
        said = f"{point.named.name}: {metric} {point.value:.4f}, {point.told}"
        parts.append(mark(style.shape, *_at(point, x, y), style.classes, said))
    for place, point in enumerate(best, 1):
        left, top = _at(point, x, y)
        parts.append(words(left - 6, top - 7, str(place), "number", "end"))
    heard = f"{len(points)} cells, {metric} against {head}; {len(best)} on the front, listed below"
    return svg(WIDTH, HEIGHT, heard, parts)


def _at(point: Point, x: Scale, y: Scale) -> tuple[float, float]:
    return x.at(max(point.cost, LEAST)), y.at(point.value)


def _steps(best: Sequence[Point], x: Scale, y: Scale) -> str:
    """Return the path along the front: a cell holds until a dearer one gives more."""
    corners: list[tuple[float, float]] = []
    for point in best:
        left, top = _at(point, x, y)
        corners += [(left, corners[-1][1])] if corners else []
        corners.append((left, top))
    return polyline([*corners, (x.end, corners[-1][1])])


def _told(head: str, metric: str, best: Sequence[Point]) -> str:
    lines = "".join(
        f"<li>{escape(point.named.name)}: {point.value:.4f}, {point.told}</li>" for point in best
    )
    said = f"The front of {metric} against {head}, cheapest first:"
    return f'<p class="pale">{escape(said)}</p><ol class="front">{lines}</ol>' if best else ""
