"""Picture files of strangers: upright RGB, or one reason why not. Nothing here crashes on bytes."""

import stat
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

# Raster formats only: Pillow would hand an EPS file to Ghostscript. A JPEG may prove to be an MPO.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF")
MAX_PIXELS = 50_000_000
MAX_SIDE = 20_000

_UPRIGHT = {  # EXIF orientation → what puts the picture on its feet
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadablePicture(ValueError):  # noqa: N818 - says it all
    """A file that gives no picture; `reason` says why in a few words, without the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_picture(path: Path) -> str | None:
    """Return why a file gives no picture, or None when it gives one (it is decoded to know)."""
    try:
        read_picture(path)
    except UnreadablePicture as error:
        return error.reason
    return None


def read_picture(path: Path) -> Image.Image:
    """Return the first frame of a picture file: RGB, decoded, upright as its EXIF says.

    Transparency is laid on white. 16-bit grey is divided by 257; 32-bit and float grey are
    stretched from their least to their greatest value.

    Raises:
        UnreadablePicture: no such file, no picture in one of `FORMATS`, damaged, or larger than
            `MAX_PIXELS` or `MAX_SIDE` (known from its header, before anything is decoded).
    """
    _require_file(path)
    try:
        with path.open("rb") as file:
            picture = _header(file)
            _require_size(picture)
            picture.load()
            return _upright(picture, _as_rgb(picture))
    except (UnreadablePicture, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # some decoders look at sizes on their own
        raise UnreadablePicture(f"too large: {_short(error)}") from error
    except Exception as error:  # on damaged bytes a decoder raises whatever it likes
        raise UnreadablePicture(f"cannot be decoded: {_short(error)}") from error


def _require_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadablePicture((error.strerror or "cannot be opened").lower()) from error
    except ValueError as error:
        raise UnreadablePicture("the path holds a NUL character") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadablePicture("a folder, not a file")
    if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for without end
        raise UnreadablePicture("not a regular file")
    if status.st_size == 0:
        raise UnreadablePicture("the file is empty (zero bytes)")


def _header(file: IO[bytes]) -> Image.Image:
    # Image.open would judge the size by Pillow's global limit, with a warning that only the
    # process-wide warning filters could silence. Its table of openers reads the header alone.
    Image.init()
    prefix = file.read(16)
    file.seek(0)
    for name in FORMATS:
        opener, accepts = Image.OPEN.get(name, (None, None))
        verdict = accepts(prefix) if accepts else False
        if isinstance(verdict, str):
            raise UnreadablePicture(f"this Pillow was built without {name}")
        if opener and verdict:
            return opener(file, "")
    raise UnreadablePicture("not a picture in a known format")


def _require_size(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise UnreadablePicture(
            f"too large: {width} x {height} pixels "
            f"(at most {MAX_SIDE} a side and {MAX_PIXELS // 10**6} million in all)"
        )


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):
        values: NDArray[Any] = np.asarray(picture).astype(np.uint32)
        return _grey((values + 128) // 257)
    if picture.mode in ("I", "F"):
        return _grey(_stretched(np.asarray(picture).astype(np.float64)))
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture.convert("RGBA"))
        return paper.convert("RGB")
    return picture.convert("RGB")


def _grey(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")  # (height, width) of 0..255


def _stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros_like(values)
    low, high = values[finite].min(), values[finite].max()
    known = np.where(finite, values, low)
    scaled: NDArray[np.float64] = np.rint((known - low) / (high - low or 1.0) * 255)
    return scaled


def _upright(source: Image.Image, rgb: Image.Image) -> Image.Image:
    try:
        turn = _UPRIGHT.get(source.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged EXIF block says nothing against the pixels
        turn = None
    upright = rgb.transpose(turn) if turn is not None else rgb
    upright.info.clear()  # whoever reads the orientation again would turn the picture again
    return upright


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:100].rstrip(".") or type(error).__name__
