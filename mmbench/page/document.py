"""A page of HTML that is whole in itself: nothing fetched or run but its own, light and dark."""

import base64
import hashlib
from collections.abc import Sequence
from html import escape

# Should a text ever slip through unescaped, the browser runs and fetches nothing all the same.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --pale: #6b6b6b; --box: #ececea; --rule: #d8d8d4; }
@media (prefers-color-scheme: dark) { :root { --pale: #a3a3a3; --box: #2c2c2b; --rule: #444; } }
* { box-sizing: border-box; }
body { font: 16px/1.4 system-ui, sans-serif; margin: 0 auto; max-width: 84rem; padding: 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; } h3 { font-size: .9rem; margin: .8rem 0 .3rem; }
h3, .pale, figcaption { color: var(--pale); }
h1, h2, p, td, li, figcaption { overflow-wrap: anywhere; }
ul.warnings { border-left: .25rem solid #c98a00; padding: .3rem .3rem .3rem 1.6rem; }
figure { margin: 0; }
figcaption { font-size: .8rem; }
.box { aspect-ratio: 1; overflow: hidden; }
.box img { display: block; height: 100%; width: 100%; }
.box img { object-fit: contain; object-position: left bottom; }
.box.none { background: var(--box); font-size: .8rem; padding: .5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: 0 0 1.5rem; }
th, td { border-bottom: 1px solid var(--rule); padding: .25rem .8rem .25rem 0; text-align: left; }
th { font-weight: 500; vertical-align: top; } thead th { color: var(--pale); }
td { font-variant-numeric: tabular-nums; }
"""


def document(heading: str, style: str, parts: Sequence[str], script: str = "") -> str:
    """Return the page.

    Args:
        heading: its title, and the first line of it; plain text.
        style: what this page adds to the style of all.
        parts: HTML, below the heading.
        script: what the page runs when it is read; the browser runs nothing else.
    """
    body = "\n".join([f"<h1>{escape(heading)}</h1>", *parts])
    run = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(heading)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n{run}</body>\n</html>\n"
    )


def _policy(script: str) -> str:
    if not script:
        return _POLICY
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return f"{_POLICY}; script-src 'sha256-{digest}'"
