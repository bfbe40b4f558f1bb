"""Whatever mode Pillow holds an image in, its values come scaled right or it is refused by name."""

import io
import struct
import zlib
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageFile

from resray.data.decode import EIGHT_BITS, SIXTEEN_BITS, Files, decode, inspect, to_rgb
from resray.errors import DataError

GREY, GREY_ALPHA, COLOUR, PALETTE, COLOUR_ALPHA = 0, 4, 2, 3, 6
"""Colour types of PNG."""
RAMP = bytes([10, 20, 30, 40, 50, 60])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, bits: int, colour: int, row: bytes, **chunks: bytes) -> bytes:
    """A PNG of one row, as written: no library in between changes its depth."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour, 0, 0, 0)
    more = b"".join(chunk(kind.encode(), data) for kind, data in chunks.items())
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + pixels + chunk(b"IEND", b"")


def values(content: bytes) -> list[list[int]]:
    """The pixels of the first row in RGB; grey ones as one number."""
    with Image.open(io.BytesIO(content)) as image:
        row = np.asarray(to_rgb(image))[0].tolist()
    return [pixel[:1] if len(set(pixel)) == 1 else pixel for pixel in row]


PNGS = {
    "1": (png(8, 1, GREY, b"\xa0"), [[255], [0], [255], [0], [0], [0], [0], [0]]),
    "1, white transparent": (
        png(2, 1, GREY, b"\x80", tRNS=b"\0\1"), [[0], [0]]),
    "L of 2 bits": (png(4, 2, GREY, b"\x1b"), [[0], [85], [170], [255]]),
    "L of 4 bits": (png(2, 4, GREY, b"\x1f"), [[17], [255]]),
    "L": (png(3, 8, GREY, b"\x00\x80\xff"), [[0], [128], [255]]),
    "L, 128 transparent": (png(3, 8, GREY, b"\x00\x80\xff", tRNS=b"\0\x80"), [[0], [0], [255]]),
    "I;16": (
        png(5, 16, GREY, struct.pack(">5H", 0, 128, 129, 0x8080, 0xFFFF)),
        [[0], [0], [1], [128], [255]]),
    "LA": (png(3, 8, GREY_ALPHA, bytes([200, 255, 200, 128, 200, 0])), [[200], [100], [0]]),
    "LA of 16 bits": (png(1, 16, GREY_ALPHA, struct.pack(">2H", 0xC8C8, 0x8080)), [[100]]),
    "RGB": (png(2, 8, COLOUR, RAMP), [[10, 20, 30], [40, 50, 60]]),
    "RGB, a colour transparent": (
        png(2, 8, COLOUR, RAMP, tRNS=b"\0\x0a\0\x14\0\x1e"), [[0], [40, 50, 60]]),
    "RGB of 16 bits": (
        png(1, 16, COLOUR, struct.pack(">3H", 0x0A0A, 0x1414, 0xFFFF)), [[10, 20, 255]]),
    "P": (png(2, 8, PALETTE, b"\1\0", PLTE=RAMP), [[40, 50, 60], [10, 20, 30]]),
    "P of 1 bit": (png(2, 1, PALETTE, b"\x80", PLTE=RAMP), [[40, 50, 60], [10, 20, 30]]),
    "P, one transparent": (
        png(2, 8, PALETTE, b"\0\1", PLTE=RAMP, tRNS=b"\0"), [[0], [40, 50, 60]]),
    "P, half transparent": (
        png(2, 8, PALETTE, b"\0\1", PLTE=RAMP, tRNS=b"\x80\xff"), [[5, 10, 15], [40, 50, 60]]),
    "RGBA": (
        png(3, 8, COLOUR_ALPHA, bytes([200, 100, 50, 255, 200, 100, 50, 128, 200, 100, 50, 0])),
        [[200, 100, 50], [100, 50, 25], [0]]),
    "RGBA of 16 bits": (
        png(1, 16, COLOUR_ALPHA, struct.pack(">4H", 0xC8C8, 0x6464, 0x3232, 0xFFFF)),
        [[200, 100, 50]]),
}  # fmt: skip


@pytest.mark.parametrize("mode", PNGS)
def test_every_kind_of_png(mode: str) -> None:
    content, expected = PNGS[mode]
    assert values(content) == expected
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == mode.partition(",")[0].partition(" ")[0] or "16 bits" in mode


def saved(image: Image.Image, image_format: str) -> list[int]:
    """The one colour that an image of it has once it was written and read."""
    buffer = io.BytesIO()
    lossless = {"lossless": True} if image_format == "WEBP" else {"quality": 100}
    image.save(buffer, image_format, **lossless)
    with Image.open(buffer) as encoded:
        pixels = np.asarray(to_rgb(encoded)).reshape(-1, 3)
    assert (pixels == pixels[0]).all()
    return [int(value) for value in pixels[0]]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("L", 128, [128] * 3), ("RGB", (200, 100, 50), [200, 100, 50]),
     ("CMYK", (55, 155, 205, 0), [200, 100, 50]),
     # Y is 0.299 R + 0.587 G + 0.114 B; Cb and Cr are the distances of B and R from it.
     ("YCbCr", (128, 128, 128), [128] * 3), ("YCbCr", (76, 85, 255), [254, 0, 0])],
)  # fmt: skip
def test_every_mode_of_jpeg(mode: str, colour: int | tuple[int, ...], expected: list[int]) -> None:
    found = saved(Image.new(mode, (16, 16), colour), "JPEG")
    assert np.abs(np.subtract(found, expected)).max() <= 2


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("RGB", (200, 100, 50), [200, 100, 50]), ("RGBA", (200, 100, 50, 255), [200, 100, 50]),
     ("RGBA", (200, 100, 50, 128), [100, 50, 25])],
)  # fmt: skip
def test_every_mode_of_webp(mode: str, colour: tuple[int, ...], expected: list[int]) -> None:
    assert saved(Image.new(mode, (16, 16), colour), "WEBP") == expected


UNKNOWN = ("F", "La", "RGBa", "LAB", "HSV")
WHITE: dict[str, tuple[int, ...]] = {"CMYK": (0, 0, 0, 0), "YCbCr": (255, 128, 128)}
WHITE_GREY = dict.fromkeys(SIXTEEN_BITS, 65535)


@pytest.mark.parametrize("mode", [*EIGHT_BITS, *SIXTEEN_BITS, *UNKNOWN])
def test_a_mode_is_known_or_refused(mode: str) -> None:
    """Also those that today's formats do not give, such as I of an older Pillow."""
    white = WHITE_GREY.get(mode) or WHITE.get(mode) or "white"
    made = Image.new("P", (2, 2), white) if mode == "PA" else Image.new(mode, (2, 2), white)
    image = cast(ImageFile.ImageFile, made.convert("PA") if mode == "PA" else made)
    if mode in UNKNOWN:
        with pytest.raises(ValueError, match=f"mode {mode}: the range of its values is not known"):
            to_rgb(image)
    else:
        assert np.asarray(to_rgb(image)).min() == 255


@pytest.mark.parametrize(
    "content",
    [png(4, 2, GREY, b"\x1b", tRNS=b"\0\1"), png(2, 4, GREY, b"\x1f", tRNS=b"\0\1"),
     png(1, 16, GREY, b"\x10\x10", tRNS=b"\x10\x10"),
     png(1, 16, COLOUR, b"\1\0\2\0\3\0", tRNS=b"\1\0\2\0\3\0")],
)  # fmt: skip
def test_a_transparent_colour_that_pillow_cannot_compare_is_refused_by_name(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.png: is no image .*: a transparent colour of other"):
        decode(Files([path]), inspect([Files([path])], 8)[0])
