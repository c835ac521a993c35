"""One HTML page about features: the warnings, neighbours to look at, the numbers; no scripts."""

import base64
import io
from collections.abc import Sequence
from html import escape

from PIL import Image

from mmbench.feature_report.contact_sheet import QUERY, THUMB, Card, Entry, Row, fitted
from mmbench.feature_report.diagnostics.table import Table

_TEXT = 240  # letters of an item's text that are shown
_JPEG = 80  # quality
_STYLE = """
:root { color-scheme: light dark; --pale: #6b6b6b; --box: #ececea; --rule: #d8d8d4; }
@media (prefers-color-scheme: dark) { :root { --pale: #a3a3a3; --box: #2c2c2b; --rule: #444; } }
* { box-sizing: border-box; }
body { font: 16px/1.4 system-ui, sans-serif; margin: 0 auto; max-width: 84rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; } h3 { font-size: .9rem; margin: .8rem 0 .3rem; }
h3, .pale, figcaption { color: var(--pale); }
h1, h2, p, td, figcaption { overflow-wrap: anywhere; }
ul.warnings { border-left: .25rem solid #c98a00; padding: .3rem .3rem .3rem 1.6rem; }
section.entry { border-top: 1px solid var(--rule); display: grid; gap: 0 1.5rem; }
section.entry { grid-template-columns: minmax(0, 1fr); }
section.entry { padding: 1rem 0; }
@media (min-width: 48rem) { section.entry { grid-template-columns: 200px minmax(0, 1fr); } }
.row { display: flex; gap: .6rem; list-style: none; margin: 0; overflow-x: auto; }
.row { padding: 0 0 .5rem; }
.row li { flex: 0 0 7rem; }
figure { margin: 0; }
.box { aspect-ratio: 1; overflow: hidden; }
.box img { display: block; height: 100%; width: 100%; }
.box img { object-fit: contain; object-position: left bottom; }
.box.none { background: var(--box); font-size: .8rem; padding: .5rem; }
.query .box { max-width: 200px; }
figcaption { font-size: .8rem; }
figcaption b { color: CanvasText; display: block; font-weight: 500; }
.row figcaption b { display: -webkit-box; overflow: hidden; -webkit-box-orient: vertical; }
.row figcaption b { -webkit-line-clamp: 3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 0 0 1.5rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .8rem .25rem 0; text-align: left; }
th { font-weight: 500; vertical-align: top; } thead th { color: var(--pale); }
td { font-variant-numeric: tabular-nums; }
"""


def feature_page(
    heading: str,
    facts: Sequence[str],
    warnings: Sequence[str],
    tables: Sequence[Table],
    entries: Sequence[Entry],
) -> str:
    """Return the page, whole in itself: pictures are small JPEGs inside it.

    Args:
        heading: what it is about.
        facts: lines below the heading.
        warnings: what is odd.
        tables: the numbers.
        entries: items and their neighbours.
    """
    odd = "".join(f"<li>{escape(line)}</li>" for line in warnings)
    parts = [
        f"<h1>{escape(heading)}</h1>",
        *(f'<p class="pale">{escape(line)}</p>' for line in facts),
        f'<ul class="warnings">{odd}</ul>' if odd else "<p>Nothing in the numbers is odd.</p>",
        *map(_entry, entries),
        *map(_table, tables),
    ]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(heading)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _entry(entry: Entry) -> str:
    query = entry.query
    text = query.text if len(query.text) <= _TEXT else query.text[:_TEXT].rstrip() + "…"
    rows = "".join(map(_row, entry.rows))
    about = f'<p class="pale">{escape(text)}</p>' if text else ""
    return (
        f'<section class="entry">\n<div class="query">{_box(query, QUERY)}\n'
        f'<h2 dir="auto">{escape(query.title)}</h2>\n<p class="pale">item {escape(query.item)}</p>'
        f"{about}</div>\n<div>{rows}</div>\n</section>"
    )


def _row(row: Row) -> str:
    said = f"{row.name}: {row.note}" if row.note else f"nearest by {row.name} (cosine)"
    cells = "".join(
        f"<li><figure>{_box(card, THUMB)}<figcaption>{cosine:.3f}"
        f'<b dir="auto">{escape(card.title)}</b></figcaption></figure></li>\n'
        for card, cosine in row.neighbours
    )
    # A row that scrolls must be within reach of the keyboard.
    listed = f'<ol class="row" tabindex="0" aria-label="{escape(said)}">{cells}</ol>'
    return f"<h3>{escape(said)}</h3>\n{listed if cells else ''}\n"


def _box(card: Card, side: int) -> str:
    title = escape(card.title)
    if card.picture is None:
        said = f'role="img" aria-label="no picture of {title}"'
        return f'<div class="box none" dir="auto" {said}>{title}</div>'
    # Twice the size it is shown in: screens of phones are that fine.
    source = _data(fitted(card.picture, min(2 * side, max(card.picture.size))))
    return f'<div class="box"><img src="{source}" alt="picture of {title}" loading="lazy"></div>'


def _data(picture: Image.Image) -> str:
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=_JPEG, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(held.getvalue()).decode("ascii")


def _table(table: Table) -> str:
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    head = f"<thead><tr><td></td>{names}</tr></thead>\n" if any(table.columns) else ""
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{escape(word)}</td>" for word in words)
        + "</tr>\n"
        for label, *words in table.rows
    )
    return (
        f"<h2>{escape(table.title)}</h2>\n"
        f'<div class="scroll" tabindex="0"><table>{head}'
        f"<tbody>{rows}</tbody></table></div>"
    )
