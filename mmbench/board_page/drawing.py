"""Lines, marks and words of SVG; all words are escaped. Places and sizes are in pixels."""

from collections.abc import Iterable, Sequence
from html import escape

from mmbench.board_page.scale import Scale, tick

WIDTH = 340  # fits a phone
MARKS = ("circle", "square", "diamond", "triangle", "cross")
_SHAPES = {
    "square": "M-4 -4h8v8h-8z",
    "diamond": "M0 -5.5L5.5 0L0 5.5L-5.5 0z",
    "triangle": "M0 -5.5L5.2 4H-5.2z",
    "cross": "M-2 -5h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
}
Point = tuple[float, float]


def svg(width: float, height: float, label: str, parts: Iterable[str]) -> str:
    """Return a drawing; `label` is what a person hears who does not see it."""
    return (
        f'<svg class="plot" role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def words(x: float, y: float, text: str, classes: str = "", anchor: str = "start") -> str:
    """Return a line of text; `anchor` is start, middle or end."""
    named = f' class="{classes}"' if classes else ""
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}{end}>{escape(text)}</text>'


def cut(text: str, length: int) -> str:
    """Return a text of at most so many letters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def mark(shape: str, x: float, y: float, classes: str, title: str = "") -> str:
    """Return a mark; `title` is shown where a pointer rests on it."""
    told = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<path class="mark {classes}" transform="translate({x:.1f} {y:.1f})" '
        f'd="{_SHAPES[shape]}">{told}</path>'
    )


def rule(x1: float, y1: float, x2: float, y2: float, classes: str = "rule") -> str:
    """Return a straight line."""
    return f'<path class="{classes}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def polyline(points: Sequence[Point]) -> str:
    """Return the path through some points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def across(scale: Scale, top: float, bottom: float) -> list[str]:
    """Return a horizontal axis at `bottom`: ticks below, thin lines up to `top`."""
    return [
        rule(scale.at(value), top, scale.at(value), bottom)
        + words(scale.at(value), bottom + 14, tick(value), "tick", "middle")
        for value in scale.ticks()
    ]


def upwards(scale: Scale, left: float, right: float) -> list[str]:
    """Return a vertical axis at `left`: ticks beside it, thin lines to `right`."""
    return [
        rule(left, scale.at(value), right, scale.at(value))
        + words(left - 5, scale.at(value) + 4, tick(value), "tick", "end")
        for value in scale.ticks()
    ]


def figure(heading: str, captions: Iterable[str], panels: Iterable[str], below: str = "") -> str:
    """Return a section of a page: a heading, what it shows in words, and the drawings."""
    told = "".join(f'<p class="pale">{escape(line)}</p>' for line in captions)
    return (
        f'<section class="figure"><h3>{escape(heading)}</h3>{told}'
        f'<div class="panels">{"".join(panels)}</div>{below}</section>'
    )
