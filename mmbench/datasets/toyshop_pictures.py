"""Draws the products of the toyshop in whole numbers, so that every machine draws the same bytes.

A picture is drawn three times as large as it is kept, as three grids: the plane a point belongs
to, the blend of the two colours of that plane, and the shade from ink to light. Averaged over
3 × 3 points, they are the index of a colour in the picture's own palette.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96  # pixels
FINE = 3  # points along a pixel
BLENDS, SHADES, BASE_SHADE = 5, 16, 11
WALL, PRODUCT, TRIM = range(3)  # planes; each has two colours

Grid = NDArray[np.int32]  # (points, points); no product of coordinates passes 2**31
Mask = NDArray[np.bool_]  # (points, points)
Shape = Callable[[Grid, Grid], Mask]  # x to the right, y downwards, a product within ±100
Colour = tuple[int, int, int]
T = TypeVar("T")
Fill = tuple[int, int | None]  # plane and blend; None stands for the pattern

BODY, PLAIN, DARK, PALE = (PRODUCT, None), (PRODUCT, 0), (TRIM, 0), (TRIM, 4)


def _ellipse(cx: int, cy: int, rx: int, ry: int) -> Shape:
    return lambda x, y: ((x - cx) * ry) ** 2 + ((y - cy) * rx) ** 2 <= (rx * ry) ** 2


def _ring(cx: int, cy: int, rx: int, ry: int, thick: int) -> Shape:
    return _without(_ellipse(cx, cy, rx, ry), _ellipse(cx, cy, rx - thick, ry - thick))


def _box(left: int, top: int, right: int, bottom: int, radius: int = 0) -> Shape:
    def inside(x: Grid, y: Grid) -> Mask:
        dx = np.maximum(np.maximum(left + radius - x, x - right + radius), 0)
        dy = np.maximum(np.maximum(top + radius - y, y - bottom + radius), 0)
        near: Mask = dx * dx + dy * dy <= radius * radius
        return near

    return inside


def _polygon(*corners: tuple[int, int]) -> Shape:
    def inside(x: Grid, y: Grid) -> Mask:
        odd = np.zeros(x.shape, np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            side = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
            odd ^= ((y >= y0) != (y >= y1)) & ((side < 0) == (y1 > y0))
        return odd

    return inside


def _both(one: Shape, other: Shape) -> Shape:
    return lambda x, y: one(x, y) & other(x, y)


def _either(*shapes: Shape) -> Shape:
    return lambda x, y: np.logical_or.reduce([shape(x, y) for shape in shapes])


def _without(whole: Shape, hole: Shape) -> Shape:
    return lambda x, y: whole(x, y) & ~hole(x, y)


# Each part is painted over the ones before it.
KINDS: Mapping[str, tuple[tuple[Fill, Shape], ...]] = {
    "mug": (
        (PLAIN, _ring(58, 10, 38, 40, 15)),
        (BODY, _box(-72, -62, 58, 84, 22)),
        (PALE, _ellipse(-7, -62, 65, 17)),
    ),
    "shirt": (
        (BODY, _polygon((-34, -80), (34, -80), (98, -32), (72, 8), (52, -8), (52, 86),
                        (-52, 86), (-52, -8), (-72, 8), (-98, -32))),
        (PALE, _both(_ellipse(0, -82, 30, 28), _box(-99, -80, 99, 99))),
    ),
    "lamp": (
        (DARK, _either(_box(-6, -10, 6, 78), _box(-42, 72, 42, 90, 8))),
        (PALE, _ellipse(0, 4, 16, 14)),
        (BODY, _polygon((-40, -90), (40, -90), (82, 4), (-82, 4))),
    ),
    "boot": (
        (BODY, _either(_box(-58, -88, 18, 70, 10), _box(-58, 8, 92, 70, 32), _box(0, 44, 92, 70))),
        (PLAIN, _box(-64, -92, 24, -68, 8)),
        (DARK, _either(_box(-64, 66, 98, 82, 6), _box(-64, 66, -18, 94, 4))),
    ),
    "bag": (
        (DARK, _ring(0, -28, 44, 60, 12)),
        (BODY, _polygon((-66, -38), (66, -38), (86, 86), (-86, 86))),
        (PALE, _ellipse(0, -8, 11, 11)),
    ),
    "chair": (
        (DARK, _either(_polygon((-62, 30), (-48, 30), (-58, 96), (-70, 96)),
                       _polygon((48, 30), (62, 30), (70, 96), (58, 96)))),
        (BODY, _box(-56, -92, 56, 34, 30)),
        (PLAIN, _box(-72, 16, 72, 44, 12)),
    ),
    "clock": (
        (DARK, _either(_polygon((-60, 64), (-40, 50), (-56, 96), (-70, 96)),
                       _polygon((40, 50), (60, 64), (70, 96), (56, 96)))),
        (PLAIN, _either(_ellipse(-50, -72, 26, 20), _ellipse(50, -72, 26, 20))),
        (BODY, _ellipse(0, 0, 86, 84)),
        (PALE, _ellipse(0, 0, 46, 45)),
        (DARK, _either(_box(-3, -36, 4, 6, 3), _box(-3, -3, 28, 4, 3))),
    ),
    "bottle": (
        (DARK, _box(-16, -96, 16, -70, 4)),
        (BODY, _either(_box(-20, -76, 20, 0), _ellipse(0, -4, 48, 40), _box(-48, -8, 48, 94, 16))),
    ),
    "teapot": (
        (PLAIN, _ring(-64, 14, 34, 38, 13)),
        (PLAIN, _polygon((40, 40), (74, -22), (98, -26), (92, -10), (62, 66))),
        (BODY, _ellipse(-2, 22, 68, 60)),
        (DARK, _box(-38, 74, 34, 88, 6)),
        (PLAIN, _both(_ellipse(-2, -30, 40, 22), _box(-99, -99, 99, -26))),
        (PALE, _ellipse(-2, -58, 12, 12)),
    ),
    "umbrella": (
        (DARK, _box(-5, -96, 5, 78, 4)),
        (DARK, _both(_ring(20, 76, 25, 22, 10), _box(-99, 74, 99, 99))),
        (BODY, _without(_both(_ellipse(0, 12, 98, 96), _box(-99, -99, 99, 12)), _either(
            _ellipse(-65, 14, 31, 18), _ellipse(0, 14, 31, 18), _ellipse(65, 14, 31, 18)))),
    ),
}  # fmt: skip

COLOURS: Mapping[str, Colour] = {
    "red": (206, 52, 56), "orange": (236, 134, 42), "yellow": (240, 204, 62),
    "green": (72, 158, 74), "teal": (38, 152, 152), "blue": (58, 98, 196), "grey": (134, 138, 146),
    "purple": (132, 76, 172), "pink": (236, 128, 170), "brown": (132, 88, 56),
}  # fmt: skip

# From x, y and the period: true where the second colour shows.
PATTERNS: Mapping[str, Callable[[Grid, Grid, int], Mask]] = {
    "plain": lambda x, _y, _period: np.zeros(x.shape, np.bool_),
    "stripes": lambda _x, y, period: y % period * 2 < period,
    "bars": lambda x, _y, period: x % period * 2 < period,
    "diagonals": lambda x, y, period: (x + y) % (period * 4 // 3) * 3 < period * 2,
    "dots": lambda x, y, period: _ellipse(0, 0, period * 3 // 10, period * 3 // 10)(
        x % period - period // 2, y % period - period // 2
    ),
    "checks": lambda x, y, period: (x * 2 // period + y * 2 // period) % 2 == 0,
    "zigzag": lambda x, y, period: (y + abs(x % period - period // 2)) % period * 2 < period,
    "grid": lambda x, y, period: np.minimum(x % period, y % period) * 5 < period,
}

# The panel on the wall behind the product.
SHAPES: Mapping[str, Shape] = {
    "circle": _ellipse(0, 0, 98, 98),
    "square": _box(-92, -92, 92, 92, 6),
    "diamond": lambda x, y: abs(x) + abs(y) <= 118,
    "triangle": _polygon((0, -118), (118, 88), (-118, 88)),
    "star": _polygon((0, -122), (36, -48), (116, -38), (58, 18), (72, 98),
                     (0, 60), (-72, 98), (-58, 18), (-116, -38), (-36, -48)),
    "cross": _either(_box(-44, -108, 44, 108, 8), _box(-108, -44, 108, 44, 8)),
    "heart": _either(_ellipse(-52, -40, 56, 56), _ellipse(52, -40, 56, 56),
                     _polygon((-101, -14), (0, -60), (101, -14), (0, 110))),
    "flower": _either(*(_ellipse(cx, cy, 44, 44) for cx, cy in
                        ((0, -64), (62, -20), (38, 54), (-38, 54), (-62, -20), (0, 0)))),
}  # fmt: skip

INK: Colour = (44, 36, 52)
WALLS: Sequence[Colour] = (
    (240, 228, 208), (214, 226, 234), (228, 218, 236),
    (220, 232, 214), (238, 220, 216), (228, 228, 224),
)  # fmt: skip
PANELS: Sequence[Colour] = (
    (206, 178, 138), (158, 184, 202), (184, 164, 200),
    (164, 190, 156), (208, 164, 158), (180, 180, 176),
)  # fmt: skip
CREAM: Colour = (250, 244, 230)
SECONDS: Sequence[Colour] = (CREAM, (236, 240, 248), (66, 58, 74))
TRIMS: Sequence[Colour] = ((120, 96, 76), (96, 100, 110), (190, 160, 92))


class Dice:
    """Whole numbers from a stream that is the same on every machine and in every NumPy."""

    def __init__(self, stream: np.random.RandomState) -> None:
        self.stream = stream

    def within(self, low: int, high: int) -> int:
        """Return a number from low to high, both included."""
        return int(self.stream.randint(low, high + 1, dtype=np.int64))

    def one(self, values: Sequence[T]) -> T:
        """Return one of the values."""
        return values[self.within(0, len(values) - 1)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """Return all values in another order."""
        return [values[place] for place in self.stream.permutation(len(values)).tolist()]


class _Canvas:
    """The plane, blend (0 to 4) and shade (0 to 15) of every point of a picture."""

    def __init__(self) -> None:
        points = SIDE * FINE
        self.plane = np.full((points, points), WALL, np.int8)
        self.blend = np.zeros((points, points), np.int8)
        self.shade = np.full((points, points), BASE_SHADE, np.int8)

    def fill(self, mask: Mask, plane: int, blend: Grid | int, shade: Grid | int) -> None:
        """Paint the points of a mask."""
        for layer, value in ((self.plane, plane), (self.blend, blend), (self.shade, shade)):
            np.copyto(layer, value, where=mask, casting="unsafe")

    def outline(self, mask: Mask) -> None:
        """Ink the rim of a mask."""
        inner = mask.copy()
        for axis in (0, 1):
            for step in (-4, 4):
                inner &= np.roll(mask, step, axis)
        np.copyto(self.shade, 1, where=mask & ~inner)

    def indices(self, grain: Grid) -> NDArray[np.uint8]:
        """Return the palette index of each pixel, (SIDE, SIDE); `grain` is added to the shade."""
        planes = np.stack([_per_pixel(self.plane == plane) for plane in (WALL, PRODUCT, TRIM)])
        blend, shade = ((_per_pixel(v) + FINE**2 // 2) // FINE**2 for v in (self.blend, self.shade))
        shade = np.clip(shade + grain, 0, SHADES - 1)
        index: Grid = (planes.argmax(axis=0) * BLENDS + blend) * SHADES + shade
        return index.astype(np.uint8)


def _per_pixel(points: NDArray[Any]) -> Grid:
    blocks = points.reshape(SIDE, FINE, SIDE * FINE).sum(axis=1, dtype=np.int32)  # (SIDE, points)
    sums: Grid = blocks.reshape(SIDE, SIDE, FINE).sum(axis=2, dtype=np.int32)  # (SIDE, SIDE)
    return sums


def _near(colour: Colour, reach: int, dice: Dice) -> Colour:
    red, green, blue = (min(max(v + dice.within(-reach, reach), 0), 255) for v in colour)
    return red, green, blue


def _place(shift: int, half: tuple[int, int], tilt: int, dice: Dice) -> tuple[Grid, Grid]:
    """Return x and y of every point about a centre near the middle; ±100 is `half` points."""
    middle, size = SIDE * FINE // 2, dice.within(*half)
    twice = np.arange(1, 2 * SIDE * FINE, 2, dtype=np.int32)  # (points,)
    x = (twice - 2 * (middle + dice.within(-shift, shift))) * 50 // size
    y = (twice - 2 * (middle + dice.within(-shift, shift)))[:, None] * 50 // size  # (points, 1)
    lean = dice.within(-tilt, tilt)
    return (x * 64 + y * lean) // 64, (y * 64 - x * lean) // 64


def _palette(planes: Sequence[tuple[Colour, Colour]]) -> bytes:
    colours = np.zeros((256, 3), np.uint8)
    pairs = np.array(planes, np.int32)[:, :, None, None]  # (planes, 2, 1, 1, 3)
    blend = np.arange(BLENDS, dtype=np.int32)[:, None, None]  # (blends, 1, 1)
    base = (pairs[:, 0] * (BLENDS - 1 - blend) + pairs[:, 1] * blend) // (BLENDS - 1)
    shade = np.arange(SHADES, dtype=np.int32)[:, None]  # (shades, 1)
    dark = (np.array(INK) * (BASE_SHADE - shade) + base * shade) // BASE_SHADE
    light = base + (255 - base) * (shade - BASE_SHADE) // 12
    shaded = np.where(shade <= BASE_SHADE, dark, light)  # (planes, blends, shades, 3)
    colours[: shaded.size // 3] = shaded.reshape(-1, 3)
    return colours.tobytes()


def _paint_product(canvas: _Canvas, kind: str, pattern: str, dice: Dice) -> None:
    x, y = _place(14, (86, 104), 6, dice)
    x = x * (2 * dice.within(0, 1) - 1)  # half of the products look to the left
    np.copyto(canvas.shade, BASE_SHADE - 4, where=_ellipse(0, 88, 92, 16)(x, y))  # its shadow
    period = dice.within(26, 39)
    where_second = PATTERNS[pattern](x + dice.within(0, 119), y + dice.within(0, 119), period)
    second = where_second.astype(np.int32) * (BLENDS - 1)
    light = BASE_SHADE + 1 - (x + y) // dice.within(36, 59)
    for (plane, blend), part in KINDS[kind]:
        mask = part(x, y)
        canvas.fill(mask, plane, second if blend is None else blend, light)
        canvas.outline(mask)


def draw(kind: str, colour: str, pattern: str, shape: str, dice: Dice) -> Image.Image:
    """Return the picture of a product: a palette image ("P") of SIDE × SIDE pixels.

    What says nothing about the product is thrown with `dice`: place, size, tilt, side, light,
    grain, tints, and the period and phase of the pattern.

    Args:
        kind, colour, pattern, shape: keys of KINDS, COLOURS, PATTERNS and SHAPES.
        dice: the same stream in the same state gives the same picture.
    """
    canvas = _Canvas()
    canvas.fill(SHAPES[shape](*_place(8, (116, 127), 4, dice)), WALL, BLENDS - 1, BASE_SHADE)
    _paint_product(canvas, kind, pattern, dice)
    walls = [_near(dice.one(tints), 8, dice) for tints in (WALLS, PANELS)]
    if dice.within(0, 1):
        walls.reverse()
    product = _near(COLOURS[colour], 12, dice), dice.one(SECONDS)
    grain = -(dice.stream.randint(0, 5, (SIDE, SIDE), dtype=np.int64) == 0).astype(np.int32)
    image = Image.frombytes("P", (SIDE, SIDE), canvas.indices(grain).tobytes())
    image.putpalette(_palette(((walls[0], walls[1]), product, (dice.one(TRIMS), CREAM))))
    return image
