"""Pictures made small enough that all of them fit a page, each an address that is the picture."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from mmbench.datasets.pictures import UnreadablePicture, read_picture
from mmbench.page.thumbnail import fitted

SIDES = (208, 176, 144, 112, 80)  # pixels of the longer side; the largest with which all fit
ROOM = 2_000_000  # letters of all addresses, about
_SAMPLE = 24  # pictures by which the side is chosen
_QUALITY = 68  # of WebP: half of a JPEG that looks the same


@dataclass(frozen=True)
class Thumbnail:
    """A small picture.

    address: of an <img>; empty where there is no picture, and `trouble` says why.
    shape: its width by its height; 0 without a picture.
    """

    address: str
    shape: float
    trouble: str = ""


def thumbnails(paths: Iterable[Path], room: int = ROOM) -> dict[Path, Thumbnail]:
    """Return path → thumbnail, each file read once or twice; all together about `room` letters."""
    known = list(dict.fromkeys(paths))
    side = _side(known, room)
    return {path: thumbnail(path, side) for path in known}


def thumbnail(path: Path, side: int) -> Thumbnail:
    """Return a picture with its longer side at `side` pixels at most."""
    try:
        picture = read_picture(path)
    except UnreadablePicture as error:
        return Thumbnail("", 0.0, f"picture {error.reason}")
    width, height = picture.size
    return Thumbnail(_address(fitted(picture, min(side, max(width, height)))), width / height)


def _side(paths: Sequence[Path], room: int) -> int:
    sample = paths[:: max(1, len(paths) // _SAMPLE)]
    for side in SIDES[:-1]:
        letters = sum(len(thumbnail(path, side).address) for path in sample)
        if letters * len(paths) <= room * len(sample):
            return side
    return SIDES[-1]


def _address(picture: Image) -> str:
    held = io.BytesIO()
    picture.save(held, "WEBP", quality=_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode("ascii")
