"""Recall by the popularity of the items, a panel a recommender, of records that measured it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isfinite

from mmbench.board.cell import Cell, part_tested
from mmbench.board_page.drawing import WIDTH, cut, figure, mark, polyline, rule, svg, upwards, words
from mmbench.board_page.names import Named, by_panel
from mmbench.board_page.scale import spanning
from mmbench.board_page.styles import Style, legend

GROUPS = ("head", "mid", "tail", "cold")
METRIC = re.compile(rf"recall-({'|'.join(GROUPS)})@(\d+)")
HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 230, 52, 10, 22, 26


def group_figure(
    place: str, metric: str, cells: Sequence[Named], looks: Mapping[str, Style]
) -> str:
    """Return the figure, at the cutoff of `metric` where it was measured; empty where none was."""
    cutoffs = sorted({cutoff for each in cells for cutoff in _cutoffs(each.cell)})
    if not cutoffs:
        return ""
    wanted = metric.partition("@")[2]
    cutoff = int(wanted) if wanted.isdigit() and int(wanted) in cutoffs else cutoffs[-1]
    found = {each.id: _values(each.cell, cutoff) for each in cells}
    shown = [each for each in cells if found[each.id]]
    panels = [_panel(name, of, found, looks) for name, of in by_panel(shown).items()]
    told = [
        "Head: the most popular items that make up a fifth of the training interactions; tail: the "
        "least popular that make up a fifth; cold: items without any."
    ]
    return figure(f"{place}recall@{cutoff} by popularity", told, panels, legend(shown, looks))


def _cutoffs(cell: Cell) -> set[int]:
    names = (name for record in cell.records for name in part_tested(record))
    return {int(match[2]) for name in names if (match := METRIC.fullmatch(name))}


def _values(cell: Cell, cutoff: int) -> dict[str, float]:
    """Return group → mean over the seeds, of the groups that have a number."""
    means = {group: cell.mean(f"recall-{group}@{cutoff}") for group in GROUPS}
    return {group: mean for group, mean in means.items() if mean is not None and isfinite(mean)}


def _panel(
    name: str,
    cells: Sequence[Named],
    found: Mapping[str, Mapping[str, float]],
    looks: Mapping[str, Style],
) -> str:
    bottom = HEIGHT - BOTTOM
    y = spanning([0.0, *(v for each in cells for v in found[each.id].values())], bottom, TOP)
    step = (WIDTH - RIGHT - LEFT) / len(GROUPS)
    places = {group: LEFT + (place + 0.5) * step for place, group in enumerate(GROUPS)}
    parts = [words(LEFT, 14, cut(name, 42), "name"), *upwards(y, LEFT, WIDTH - RIGHT)]
    for group, x in places.items():
        parts += [rule(x, TOP, x, bottom), words(x, bottom + 15, group, "tick", "middle")]
    for each in cells:
        points = {group: (places[group], y.at(v)) for group, v in found[each.id].items()}
        parts += _line(each, found[each.id], points, looks[each.series])
    return svg(WIDTH, HEIGHT, f"{name}: {_heard(cells, found)}", parts)


def _line(
    each: Named,
    values: Mapping[str, float],
    points: Mapping[str, tuple[float, float]],
    style: Style,
) -> list[str]:
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    path = polyline(list(points.values()))
    marks = [
        mark(style.shape, *place, style.classes, f"{each.name}, {group}: {values[group]:.4f}")
        for group, place in points.items()
    ]
    line = f'<path class="curve {style.classes}" d="{path}"{dash}/>'
    return [f"<g><title>{escape(each.name)}</title>{line}</g>", *marks]


def _heard(cells: Iterable[Named], found: Mapping[str, Mapping[str, float]]) -> str:
    told = []
    for each in cells:
        values = ", ".join(f"{group} {value:.4f}" for group, value in found[each.id].items())
        told.append(f"{each.label} {values}")
    return "; ".join(told)
