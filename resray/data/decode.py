"""Encoded images to one uint8 tensor, by Pillow, which torchvision brings along."""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from resray.data.reading import DAMAGE, readable, reason
from resray.errors import DataError
from resray.limits import require_size

FORMATS = ("PNG", "JPEG", "WEBP")

EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes whose values go from 0 to 255, as `Image.convert` takes them to."""
SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of grey images from 0 to 65,535: no format of `FORMATS` fills the 32 bits of ``I``."""

MOST_SIZES = 4
"""Named where images differ in size."""

# Pillow warns of images so large that they may be meant to exhaust the memory, and refuses larger.
BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)


class Encoded(Protocol):
    """Encoded images, read one at a time, each with a place to name in errors."""

    def __len__(self) -> int: ...

    def open(self, index: int) -> AbstractContextManager[BinaryIO]:
        """Open the encoded image."""
        ...

    def place(self, index: int) -> str:
        """Return where it lies, for people."""
        ...


def inspect(parts: Sequence[Encoded], image_size: int | None) -> tuple[int, tuple[str, ...], bool]:
    """Return the side to decode to, the formats met, and whether images are at their own size.

    Reads headers only. Images that differ in size, or are not square, need ``image_size``.

    Raises:
        DataError: such images without ``image_size``, an image that cannot be read, or more pixels
            in all than `resray.limits` allows.
    """
    formats: set[str] = set()
    sizes: dict[tuple[int, int], list[str]] = {}
    for part in parts:
        for index in range(len(part)):
            with _opened(part, index) as image:
                sizes.setdefault(image.size, []).append(part.place(index))
                formats.add(str(image.format))
    (width, height), *others = sizes
    uniform = not others and width == height
    if not uniform and image_size is None:
        raise DataError(_size_message(sizes))
    side = width if uniform or image_size is None else image_size
    count = sum(map(len, parts))
    pixels = sum(size[0] * size[1] * len(places) for size, places in sizes.items())
    place = f"{parts[0].place(0)} and {count - 1:,} more images"
    require_size(3 * max(pixels, count * side**2), place)
    return side, tuple(sorted(formats)), uniform


def decode(part: Encoded, side: int) -> torch.Tensor:
    """Return uint8 images (n, 3, side, side), RGB.

    An image of another size is scaled to cover the square and cut in its middle.

    Raises:
        DataError: an image is damaged; the message names it.
    """
    images = np.empty((len(part), side, side, 3), dtype=np.uint8)
    for index in range(len(part)):
        with _opened(part, index) as encoded:
            image = to_rgb(encoded)
        if image.size != (side, side):
            image = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
        images[index] = np.asarray(image)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def to_rgb(image: ImageFile.ImageFile) -> Image.Image:
    """Return an image in 8-bit RGB, whatever Pillow's mode: 65,535 becomes 255 as 255 does.

    What is transparent shows black, as what augmentation brings in beside an image does. Pillow
    itself takes the upper byte of 16-bit colour. Raises ValueError where the range of the values,
    or the colour that is transparent, is not known.
    """
    if "transparency" in image.info and image.mode != "P" and image.tile[0].args != image.mode:
        raise ValueError("a transparent colour of other than 8 bits")
    rgb: Image.Image = image
    if image.mode in SIXTEEN_BITS:
        rgb = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode not in EIGHT_BITS:
        raise ValueError(f"mode {image.mode}: the range of its values is not known")
    elif image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        rgb = Image.alpha_composite(black, image.convert("RGBA"))
    return rgb.convert("RGB")


@contextmanager
def _opened(part: Encoded, index: int) -> Iterator[ImageFile.ImageFile]:
    """Open an image, of which Pillow reads the header, and the pixels once they are asked for."""
    with part.open(index) as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield Image.open(file, formats=FORMATS)
        except (*DAMAGE, *BOMBS) as error:
            why = "" if isinstance(error, UnidentifiedImageError) else f": {reason(error)}"
            kinds = ", ".join(FORMATS)
            message = f"{part.place(index)}: is no image that can be read ({kinds}){why}"
            raise DataError(message) from error


def _size_message(sizes: dict[tuple[int, int], list[str]]) -> str:
    """Say which sizes images have, the most frequent first, each with one of its images."""
    ranked = sorted(sizes.items(), key=lambda item: -len(item[1]))
    told = [
        f"{width}x{height} pixels ({len(places):,}, such as {places[0]})"
        for (width, height), places in ranked[:MOST_SIZES]
    ]
    more = f" and {len(sizes) - MOST_SIZES} more sizes" if len(sizes) > MOST_SIZES else ""
    return (
        f"images are not of one square size: {', '.join(told)}{more}; choose data.image_size, "
        f"such as {min(ranked[0][0])}, to bring all to it"
    )


class Files:
    """Encoded images that are files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> AbstractContextManager[BinaryIO]:
        """Open the file."""
        return readable(self.paths[index])

    def place(self, index: int) -> str:
        """Return the file's path."""
        return str(self.paths[index])


class Rows:
    """Encoded images that are rows of a Parquet file: ``values`` is a column of pyarrow's bytes."""

    def __init__(self, path: Path, values: Any) -> None:
        self.path, self.values = path, values

    def __len__(self) -> int:
        return len(self.values)

    def open(self, index: int) -> AbstractContextManager[BinaryIO]:
        """Open the row's bytes."""
        return io.BytesIO(self.values[index].as_py())

    def place(self, index: int) -> str:
        """Return the file and the row, counted from 0."""
        return f"{self.path}: row {index}"
