"""Validation while training: a line a record, a panel a recommender."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any

from mmbench.board_page.drawing import (
    WIDTH,
    across,
    cut,
    figure,
    mark,
    polyline,
    svg,
    upwards,
    words,
)
from mmbench.board_page.names import Named, by_panel
from mmbench.board_page.scale import Scale, spanning
from mmbench.board_page.styles import Style, legend
from mmbench.records import Record

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 230, 52, 10, 22, 40
MOST = 80  # points of a line; of more, some are left out evenly


@dataclass(frozen=True)
class Curve:
    """The validation scores of one record: (epoch, score), and the epoch that was kept."""

    named: Named
    seed: int
    points: tuple[tuple[float, float], ...]
    best: float | None


def curve_figure(place: str, cells: Sequence[Named], looks: Mapping[str, Style]) -> str:
    """Return the figure; empty where no record was validated while it was trained."""
    panels = []
    drawn: list[Named] = []
    for name, of in by_panel(cells).items():
        found = [curve for each in of for curve in curves(each)]
        if found:
            panels.append(_panel(name, found, looks))
            drawn += of
    if not panels:
        return ""
    told = ["The metric that chooses the epoch, on validation; the mark is the epoch chosen."]
    return figure(f"{place}validation while training", told, panels, legend(drawn, looks))


def curves(each: Named) -> list[Curve]:
    """Return the curves of a cell, a seed each, of the records that have at least two scores."""
    made = [_curve(each, record) for record in each.cell.records]
    return [curve for curve in made if len(curve.points) > 1]


def _curve(each: Named, record: Record) -> Curve:
    epochs = record.values.get("epochs")
    epochs = epochs if isinstance(epochs, Mapping) else {}
    scored = [point for row in epochs.get("curve") or () if (point := _scored(row))]
    best = epochs.get("best")
    return Curve(each, int(record.trial["seed"]), tuple(_thinned(scored, best)), best)


def _thinned(points: Sequence[tuple[float, float]], best: Any) -> list[tuple[float, float]]:
    """Return about `MOST` points at most, the first, the last and the best epoch's among them."""
    step = max(1, -(-len(points) // MOST))
    last = len(points) - 1
    return [
        point
        for place, point in enumerate(points)
        if place % step == 0 or place == last or point[0] == best
    ]


def _scored(row: Any) -> tuple[float, float] | None:
    """Return epoch and score of a line of the curve (epoch, loss, score), None without a score."""
    if not isinstance(row, Sequence) or len(row) != 3:
        return None
    epoch, _, score = row
    told = isinstance(score, int | float) and isfinite(score)
    return (float(epoch), float(score)) if told else None


def _panel(name: str, found: Sequence[Curve], looks: Mapping[str, Style]) -> str:
    bottom = HEIGHT - BOTTOM
    x = spanning([e for c in found for e, _ in c.points], LEFT, WIDTH - RIGHT)
    y = spanning([score for curve in found for _, score in curve.points], bottom, TOP)
    parts = [words(LEFT, 14, cut(name, 42), "name"), *across(x, TOP, bottom)]
    parts += upwards(y, LEFT, WIDTH - RIGHT)
    parts.append(words((LEFT + WIDTH) / 2, HEIGHT - 6, "epoch", "tick", "middle"))
    parts += [_line(curve, x, y, looks[curve.named.series]) for curve in found]
    return svg(WIDTH, HEIGHT, f"{name}: validation score by epoch, {_heard(found)}", parts)


def _heard(found: Iterable[Curve]) -> str:
    """Return the best score of each encoder in words."""
    best: dict[str, float] = {}
    for curve in found:
        top = max(score for _, score in curve.points)
        best[curve.named.label] = max(best.get(curve.named.label, top), top)
    return "; ".join(f"{label} at most {score:.4f}" for label, score in best.items())


def _line(curve: Curve, x: Scale, y: Scale, style: Style) -> str:
    path = polyline([(x.at(epoch), y.at(score)) for epoch, score in curve.points])
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    title = f"{curve.named.name}, seed {curve.seed}"
    ends = [point for point in curve.points if point[0] == curve.best]
    marks = [mark(style.shape, x.at(e), y.at(s), f"{style.classes} small") for e, s in ends]
    return (
        f'<g data-curve="{curve.named.id}"><title>{escape(title)}</title>'
        f'<path class="curve {style.classes}" d="{path}"{dash}/>{"".join(marks)}</g>'
    )
