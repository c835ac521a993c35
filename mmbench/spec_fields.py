"""Which keys may stand at a place within a spec: what a wrong one is compared with."""

from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel


def fields_at(kind: Any, place: Sequence[int | str]) -> list[str]:
    """Return the keys that may stand where the last part of `place` does; none where any may.

    Args:
        kind: the outermost model, or what a field of one is annotated with.
        place: keys and positions from the outside in, as pydantic tells where an error is.
    """
    if get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields
        if len(place) == 1:
            return list(fields)
        found = fields.get(str(place[0]))
        return fields_at(found.annotation, place[1:]) if found else []
    held = [inner for inner in get_args(kind) if inner not in (type(None), Ellipsis)]
    if not held:
        return []
    if type(None) in get_args(kind):  # no part of the place stands for "or nothing"
        return fields_at(held[0], place)
    return fields_at(held[-1], place[1:]) if len(place) > 1 else []
