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
    first: tuple[int, int] | None = None
    formats, uniform, pixels = set(), True, 0
    for part in parts:
        for index in range(len(part)):
            with _opened(part, index) as image:
                size = image.size
                formats.add(str(image.format))
            first = first or size
            pixels += size[0] * size[1]
            if size == (first[0], first[0]):
                continue
            uniform = False
            if image_size is None:
                raise DataError(_size_message(part.place(index), size, first))
    assert first is not None, "a source without images is refused before it is decoded"
    side = first[0] if uniform or image_size is None else image_size
    count = sum(map(len, parts))
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
