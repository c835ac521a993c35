"""Values as JSON inside a page: no text can end the element that holds it."""

import json
from collections.abc import Mapping
from functools import partial
from math import isfinite
from typing import Any


def embedded(values: Any, name: str) -> str:
    """Return an element with values for a script, which `JSON.parse` reads; it is never run.

    Numbers that JSON has not (NaN, infinite) become their names.
    """
    text = _json(values)
    # In JSON these three stand within strings only, where an escape means the same.
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'


def _json(values: Any) -> str:
    write = partial(json.dumps, separators=(",", ":"), allow_nan=False)
    try:
        return write(values)
    except (TypeError, ValueError):  # rare, and looking at each value first takes its time
        return write(_plain(values))


def _plain(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return str(values) if isinstance(values, float) and not isfinite(values) else values
