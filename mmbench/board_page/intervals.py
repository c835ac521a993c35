"""A metric by encoder, a panel a recommender: means over the seeds, 95 % intervals over users."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

import numpy as np

from mmbench.board_page.drawing import WIDTH, across, cut, figure, mark, rule, svg, words
from mmbench.board_page.names import Named, by_panel
from mmbench.board_page.scale import Scale, spanning
from mmbench.board_page.styles import Style, legend
from mmbench.errors import UsageError
from mmbench.per_user import align
from mmbench.statistics import Values, bootstrap_intervals

MOST, LEAST = 120, 12  # cells that a figure draws: what is read for them takes a millisecond a seed
ON_A_PAGE = 600  # cells that all figures of a page draw, if there are not very many figures
RESAMPLES = 2000  # enough for what a pixel shows
TOP, SIDE = 22, 10
LINE, STRIP = 14, 20  # height of a line of words, and of what is drawn below them
Interval = tuple[float, float]


def share(n_figures: int) -> int:
    """Return how many cells a figure draws of a page that has so many figures."""
    return max(LEAST, min(MOST, ON_A_PAGE // max(n_figures, 1)))


def interval_figure(
    place: str, metric: str, cells: Sequence[Named], looks: Mapping[str, Style], most: int = MOST
) -> str:
    """Return the figure of the first `most` cells, its heading begun by `place`.

    It is empty where no cell has a value.
    """
    known = [each for each in cells if each.cell.mean(metric) is not None]
    if not known:
        return ""
    shown = known[:most]
    found = intervals(metric, shown)
    means = [_mean(metric, each) for each in shown]
    ends = [end for interval in found.values() for end in interval]
    scale = spanning([*means, *ends], SIDE, WIDTH - SIDE)
    panels = [_panel(name, metric, of, found, scale, looks) for name, of in _panels(shown, metric)]
    told = ["The mean over the seeds; the line is its 95 % interval, users drawn anew (BCa)."]
    if len(known) > most:
        told.append(f"Drawn are the first {most} of {len(known):,} rows.")
    if len(found) < len(shown):
        without = len(shown) - len(found)
        told.append(f"{without} without a line: no metrics of each user lie beside their records.")
    return figure(f"{place}{metric} by encoder", told, panels, legend(shown, looks))


def intervals(metric: str, cells: Iterable[Named]) -> dict[str, Interval]:
    """Return id → interval of the mean, of those cells whose records hold their users' values."""
    columns: dict[bytes, list[tuple[str, Values]]] = defaultdict(list)
    for each in cells:
        try:
            aligned = align([each.cell.records], metric)
        except UsageError:
            continue
        if len(aligned.users) > 1:
            # One draw of the users serves all cells that have the same.
            columns[aligned.users.tobytes()].append((each.id, aligned.seed_means()[0]))
    found: dict[str, Interval] = {}
    for same in columns.values():
        table = np.stack([values for _, values in same], axis=1)  # (n_users, n_cells)
        ends = bootstrap_intervals(table, resamples=RESAMPLES)
        for (id_, _), (low, high) in zip(same, ends, strict=True):
            found[id_] = float(low), float(high)
    return found


def _mean(metric: str, each: Named) -> float:
    mean = each.cell.mean(metric)
    return 0.0 if mean is None else mean


def _panels(shown: Iterable[Named], metric: str) -> Iterable[tuple[str, list[Named]]]:
    for name, of in by_panel(shown).items():
        yield name, sorted(of, key=lambda each: -_mean(metric, each))


def _panel(
    name: str,
    metric: str,
    cells: Sequence[Named],
    found: Mapping[str, Interval],
    scale: Scale,
    looks: Mapping[str, Style],
) -> str:
    tops = list(accumulate(map(_height, cells), initial=TOP))
    parts = [words(SIDE, 14, cut(name, 48), "name"), *across(scale, TOP, tops[-1])]
    heard = []
    for top, each in zip(tops, cells, strict=False):
        mean, ends = _mean(metric, each), found.get(each.id)
        said = f"{mean:.4f} ({ends[0]:.4f}–{ends[1]:.4f})" if ends else f"{mean:.4f}"
        heard.append(f"{each.label} {said}")
        parts += _line(top, each, mean, ends, said, scale, looks[each.series])
    return svg(WIDTH, tops[-1] + 20, f"{name}, {metric}: {'; '.join(heard)}", parts)


def _height(each: Named) -> int:
    return STRIP + (2 * LINE if each.note else LINE)


def _line(
    top: float,
    each: Named,
    mean: float,
    ends: Interval | None,
    said: str,
    scale: Scale,
    style: Style,
) -> list[str]:
    y = top + _height(each) - STRIP / 2
    parts = [
        words(SIDE, top + LINE - 2, cut(each.series, 28)),
        words(WIDTH - SIDE, top + LINE - 2, said, "tick", "end"),
    ]
    if each.note:
        parts.append(words(SIDE, top + 2 * LINE - 2, cut(each.note, 54), "tick"))
    if ends:
        left, right = map(scale.at, ends)
        drawn = f"curve {style.classes}"
        parts += [rule(left, y, right, y, drawn), rule(left, y - 3, left, y + 3, drawn)]
        parts.append(rule(right, y - 3, right, y + 3, drawn))
    return [*parts, mark(style.shape, scale.at(mean), y, style.classes, f"{each.name}: {said}")]
