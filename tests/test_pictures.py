"""Picture files as people have them: each made here, none assumed."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from mmbench.datasets.pictures import MAX_SIDE, UnreadablePicture, check_picture, read_picture

RED = (200, 30, 40)
WHITE = (255, 255, 255)


def _noise(size=(64, 48)):
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _png_header(width, height, colour_type=2):
    """A PNG that promises a size and holds next to nothing."""
    chunks = b""
    head = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data
        chunks += struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


def _write(path: Path, content) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content.save(path)
    return path


def _jpeg_bytes():
    buffer = io.BytesIO()
    _noise().save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cut.jpg", _jpeg_bytes()[:-400], "cannot be decoded: image file is truncated"),
        ("head.jpg", _jpeg_bytes()[:20], "cannot be decoded"),
        ("empty.jpg", b"", "the file is empty (zero bytes)"),
        ("text.jpg", b"I am no picture.\n", "not a picture in a known format"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known format"),
        ("letter.jpg", b"BM is how this letter begins, and it goes on.", "cannot be decoded"),
        ("hollow.png", _png_header(300, 300), "cannot be decoded"),
        ("cut.gif", b"GIF89a\x10\x00\x10\x00\x80\x00\x00", "cannot be decoded"),
        ("nothing.webp", b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(16), "cannot be decoded"),
    ],
)
def test_bytes_that_are_no_picture_give_one_short_reason(tmp_path, name, content, reason):
    path = _write(tmp_path / name, content)
    with pytest.raises(UnreadablePicture) as error:
        read_picture(path)
    assert reason in error.value.reason
    assert check_picture(path) == error.value.reason == str(error.value)
    assert "\n" not in error.value.reason
    assert len(error.value.reason) < 130


def test_paths_that_are_no_file_give_a_reason(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert check_picture(tmp_path) == "a folder, not a file"
    assert check_picture(tmp_path / "missing.jpg") == "no such file or directory"
    assert check_picture(tmp_path / "pipe.jpg") == "not a regular file"
    assert check_picture(tmp_path / "a\0b.jpg") == "the path holds a NUL character"
    assert check_picture(tmp_path / ("x" * 5000)) == "file name too long"


@pytest.mark.parametrize(("width", "height"), [(40_000, 10), (40_000, 40_000), (8_000, 7_000)])
def test_a_bomb_is_refused_by_its_header_with_its_size(tmp_path, width, height):
    path = _write(tmp_path / "bomb.png", _png_header(width, height))
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reason = check_picture(path)
    assert reason is not None
    assert f"too large: {width} x {height} pixels" in reason
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_a_bomb_in_a_decoder_that_allocates_on_opening_is_refused(tmp_path):
    canvas = (16383 - 1).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    path = _write(tmp_path / "bomb.webp", b"RIFF" + struct.pack("<I", len(body)) + body)
    # Pillow 12 refuses it while opening, later ones tell its size.
    assert str(check_picture(path)).startswith(("too large", "cannot be decoded"))


def test_the_largest_side_is_still_read(tmp_path):
    path = _write(tmp_path / "wide.png", Image.new("RGB", (MAX_SIDE, 2), RED))
    assert read_picture(path).size == (MAX_SIDE, 2)


def _flat(mode, colour):
    return Image.new(mode, (8, 6), colour)


@pytest.mark.parametrize(
    ("name", "picture", "colour"),
    [
        ("plain.png", _flat("RGB", RED), RED),
        ("plain.bmp", _flat("RGB", RED), RED),
        ("plain.ppm", _flat("RGB", RED), RED),
        ("cmyk.jpg", _flat("CMYK", (0, 255, 255, 0)), (254, 0, 0)),
        ("cmyk.tif", _flat("CMYK", (0, 255, 255, 0)), (255, 0, 0)),
        ("grey.jpg", _flat("L", 77), (77, 77, 77)),
        ("bit.png", _flat("1", 1), WHITE),
        ("bit.tif", _flat("1", 0), (0, 0, 0)),
        ("la.png", _flat("LA", (0, 51)), (204, 204, 204)),
        ("rgba.png", _flat("RGBA", (255, 0, 0, 51)), (255, 204, 204)),
        ("clear.png", _flat("RGBA", (255, 0, 0, 0)), WHITE),
        ("rgba.webp", _flat("RGBA", (0, 0, 0, 0)), WHITE),
        ("16bit.png", Image.fromarray(np.full((6, 8), 257 * 200, np.uint16)), (200, 200, 200)),
        ("16bit.tif", Image.fromarray(np.full((6, 8), 257 * 200, np.uint16)), (200, 200, 200)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, name, picture, colour):
    read = read_picture(_write(tmp_path / name, picture))
    assert (read.mode, read.size) == ("RGB", (8, 6))
    pixels = np.asarray(read).astype(int)
    assert np.abs(pixels - np.array(colour)).max() <= (2 if name.endswith("jpg") else 0)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    ramp = np.arange(256, dtype=np.uint16)[None] * 257
    for name in ("ramp.png", "ramp.tif"):
        read = read_picture(_write(tmp_path / name, Image.fromarray(ramp)))
        assert np.asarray(read)[0, :, 0].tolist() == list(range(256))


def test_32_bit_and_float_grey_are_stretched(tmp_path):
    whole = np.array([[-1000, 0, 1000]], np.int32)
    real = np.array([[0.25, np.nan, 0.75, np.inf]], np.float32)
    read = read_picture(_write(tmp_path / "whole.tif", Image.fromarray(whole)))
    assert np.asarray(read)[0, :, 0].tolist() == [0, 128, 255]
    read = read_picture(_write(tmp_path / "real.tif", Image.fromarray(real)))
    assert np.asarray(read)[0, :, 0].tolist() == [0, 0, 255, 0]
    even = Image.fromarray(np.full((1, 2), 7.0, np.float32))
    assert np.asarray(read_picture(_write(tmp_path / "even.tif", even))).max() == 0


def test_a_transparent_palette_colour_is_white(tmp_path):
    picture = Image.new("P", (8, 6), 0)
    picture.putpalette([0, 0, 0, *RED])
    picture.putpixel((3, 2), 1)
    for name in ("palette.png", "palette.gif"):
        picture.save(tmp_path / name, transparency=0)
        read = read_picture(tmp_path / name)
        assert read.getpixel((0, 0)) == WHITE
        assert read.getpixel((3, 2)) == RED


@pytest.mark.parametrize("name", ["film.gif", "film.webp", "film.png", "film.tif"])
def test_of_an_animation_the_first_frame_is_read(tmp_path, name):
    frames = [_flat("RGB", (0, 0, 255)), _flat("RGB", RED)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    with Image.open(tmp_path / name) as film:
        assert film.n_frames == 2
    assert read_picture(tmp_path / name).getpixel((4, 3)) == (0, 0, 255)


def test_an_mpo_of_a_camera_is_read(tmp_path):
    path = tmp_path / "camera.jpg"
    _noise().save(path, "MPO", save_all=True, append_images=[_noise()])
    with Image.open(path) as picture:
        assert picture.format == "MPO"
    assert read_picture(path).size == (64, 48)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow was built without AVIF")
def test_avif_is_read(tmp_path):
    assert read_picture(_write(tmp_path / "new.avif", _noise())).size == (64, 48)


@pytest.mark.parametrize(
    ("orientation", "laid"),  # how a camera that wrote this orientation lays the scene down
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_the_orientation_of_exif_is_applied_once(tmp_path, orientation, laid):
    scene = Image.new("RGB", (8, 6), "white")
    scene.putpixel((1, 0), RED)
    lying = scene.transpose(laid)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying.save(tmp_path / "photo.png", exif=exif)
    read = read_picture(tmp_path / "photo.png")
    assert read.tobytes() == scene.tobytes()
    assert read.getexif().get(0x0112) is None


def test_a_damaged_exif_block_costs_no_picture(tmp_path):
    _noise().save(tmp_path / "photo.png", exif=b"Exif\0\0not a TIFF header at all")
    assert check_picture(tmp_path / "photo.png") is None
