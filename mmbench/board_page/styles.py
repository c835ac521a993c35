"""How an encoder is drawn: a colour, and a mark and a dash for those who see no colour."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from html import escape

from mmbench.board_page.drawing import MARKS, mark
from mmbench.board_page.names import Named

COLOURS = 8  # of style.css
DASHES = ("", "5 3", "2 2", "8 3 2 3")


@dataclass(frozen=True)
class Style:
    """The looks of an encoder.

    classes: of its marks, with their colour. shape: one of `MARKS`. dash: of its lines.
    hollow: whether it is a control.
    """

    classes: str
    shape: str
    dash: str
    hollow: bool


def styles(cells: Iterable[Named]) -> dict[str, Style]:
    """Return encoder → style; the first 40 differ in colour, mark or both."""
    found: dict[str, Style] = {}
    for each in cells:
        place = len(found)
        made = Style(
            f"c{place % COLOURS}",
            MARKS[place % len(MARKS)],
            DASHES[place % len(DASHES)],
            each.cell.control,
        )
        found.setdefault(each.series, made)
    return {
        name: replace(style, classes=f"{style.classes} hollow") if style.hollow else style
        for name, style in found.items()
    }


def legend(cells: Iterable[Named], looks: Mapping[str, Style]) -> str:
    """Return the list that says which mark is which encoder."""
    shown = dict.fromkeys(each.series for each in cells)
    lines = "".join(_line(name, looks[name]) for name in looks if name in shown)
    return f'<ul class="legend">{lines}</ul>'


def _line(name: str, style: Style) -> str:
    dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
    drawn = (
        f'<svg width="34" height="14" aria-hidden="true"><path class="curve {style.classes}" '
        f'd="M1 7H33"{dash}/>{mark(style.shape, 17, 7, style.classes)}</svg>'
    )
    said = " (control, hollow)" if style.hollow else ""
    return f"<li>{drawn}<span>{escape(name)}{said}</span></li>"
