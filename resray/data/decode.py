"""Encoded images to one uint8 tensor, by Pillow, which torchvision brings along."""

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps

from resray.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP")

# Pillow warns of images so large that they may be meant to exhaust the memory, and refuses larger.
BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)


class Encoded(Protocol):
    """Encoded images, read one at a time, each with a place to name in errors."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> bytes:
        """Return the encoded image."""
        ...

    def place(self, index: int) -> str:
        """Return where it lies, for people."""
        ...


def inspect(parts: Sequence[Encoded], image_size: int | None) -> tuple[int, tuple[str, ...], bool]:
    """Return the side to decode to, the formats met, and whether images are at their own size.

    Reads headers only. Images that differ in size, or are not square, need ``image_size``.

    Raises:
        DataError: such images without ``image_size``, or an image that cannot be read.
    """
    first: tuple[int, int] | None = None
    formats, uniform = set(), True
    for part in parts:
        for index in range(len(part)):
            image = _open(part, index)
            formats.add(str(image.format))
            first = first or image.size
            if image.size == (first[0], first[0]):
                continue
            uniform = False
            if image_size is None:
                raise DataError(_size_message(part.place(index), image.size, first))
    assert first is not None, "a source without images is refused before it is decoded"
    side = first[0] if uniform or image_size is None else image_size
    return side, tuple(sorted(formats)), uniform


def decode(part: Encoded, side: int) -> torch.Tensor:
    """Return uint8 images (n, 3, side, side), RGB.

    An image of another size is scaled to cover the square and cut in its middle.

    Raises:
        DataError: an image is damaged; the message names it.
    """
    images = np.empty((len(part), side, side, 3), dtype=np.uint8)
    for index, image in enumerate(_images(part)):
        if image.size != (side, side):
            image = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
        images[index] = np.asarray(image)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def _images(part: Encoded) -> Iterator[Image.Image]:
    for index in range(len(part)):
        try:
            yield _open(part, index).convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{part.place(index)}: the image is damaged ({error})") from error


def _open(part: Encoded, index: int) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(io.BytesIO(part.read(index)), formats=FORMATS)
    except (OSError, SyntaxError, ValueError, *BOMBS) as error:
        formats = ", ".join(FORMATS)
        raise DataError(f"{part.place(index)}: is no image that can be read ({formats})") from error


def _size_message(place: str, size: tuple[int, int], first: tuple[int, int]) -> str:
    shape = f"{size[0]}x{size[1]} pixels"
    if size != first:
        shape += f" where the first image has {first[0]}x{first[1]}"
    return f"{place}: {shape}; set data.image_size to bring all images to one square size"


class Files:
    """Encoded images that are files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> bytes:
        """Return the file's contents."""
        return self.paths[index].read_bytes()

    def place(self, index: int) -> str:
        """Return the file's path."""
        return str(self.paths[index])


class Rows:
    """Encoded images that are values of a Parquet column."""

    def __init__(self, values: Sequence[bytes | None], folder: Path, split: str) -> None:
        self.values, self.folder, self.split = values, folder, split

    def __len__(self) -> int:
        return len(self.values)

    def read(self, index: int) -> bytes:
        """Return the value; a missing one is an empty, hence unreadable, image."""
        return self.values[index] or b""

    def place(self, index: int) -> str:
        """Return the split's files and the row, counted from 0 over all of them."""
        return f"{self.folder}: {self.split}-*.parquet, row {index}"
