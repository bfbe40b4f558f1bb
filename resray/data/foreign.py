"""Images that come from elsewhere, to predict on: pickle, .npy, .npz, Parquet, folder of images.

Nothing in such a file runs: pickles go through `resray.data.foreign_pickle`, and NumPy's own
formats are read without pickles in them.
"""

import hashlib
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from resray.data.choices import Order
from resray.data.dataset import Images
from resray.data.decode import decode, inspect
from resray.data.foreign_pickle import as_text, read_pickle
from resray.data.foreign_pictures import Pictures, read_parquet_file, read_picture_folder
from resray.data.reading import readable, reading
from resray.data.splits import resize
from resray.errors import DataError, unknown
from resray.limits import require_size

PIXEL_KEYS = ("data", "images", "x")
LABEL_KEYS = ("labels", "fine_labels", "label", "y")
ID_KEYS = ("ids", "id", "ID")
CIFAR_KEYS = {"batch_label", "filenames"}
"""Keys of CIFAR's own files, whose rows are of the order chw."""
MOST_KEYS = 6
"""Keys of a foreign file that an error names."""

ACCEPTED = (
    "a pickle (.pkl, .pickle), .npy, .npz, Parquet (.parquet), or a folder of images, flat or "
    "with class subfolders"
)
MAGIC = {"npy": b"\x93NUMPY", "npz": b"PK\x03\x04", "parquet": b"PAR1", "pickle": b"\x80"}
PICKLE_SUFFIXES = ("", ".pkl", ".pickle")


@dataclass(frozen=True)
class ForeignImages:
    """Images from a file of one's own."""

    images: torch.Tensor
    """uint8 (n, 3, side, side), RGB."""
    labels: torch.Tensor | None
    """int64 (n,), or None where the file holds none."""
    ids: tuple[int | str, ...]
    """What names each image: its number from 0, its file, or what the file says."""
    checksum: str
    """SHA-256 of the images and labels, hexadecimal."""
    numbered: bool
    """Whether labels came as numbers, which count the classes, not as the classes' names."""

    def __len__(self) -> int:
        return len(self.images)

    def resized(self, size: int) -> "ForeignImages":
        """Return the images at ``size`` x ``size`` pixels, by `resray.data.splits.resize`."""
        unlabelled = Images(self.images, torch.zeros(len(self), dtype=torch.int64))
        return replace(self, images=resize(unlabelled, size).images)


def read_foreign(
    path: Path, *, class_names: Sequence[str], image_size: int, order: Order | None = None
) -> ForeignImages:
    """Read foreign images with their labels and ids, where these come along.

    A pickle is a dict with the key ``data``; an .npz file holds ``images``, ``x`` or ``data``;
    both may hold labels and ids. Their pixels, and those of an .npy file, are uint8 arrays
    (n, side, side, 3), (n, 3, side, side) or (n, 3 * side * side), the last in the given
    ``order``, which the keys of CIFAR's own files say too. Labels are of ``class_names``, or count
    from 0 in their order. Encoded images (Parquet, folders) that differ in size are brought to
    ``image_size``.

    Raises:
        DataError: the file is missing, damaged, of no accepted kind, or does not fit the classes.
    """
    found = _read(path, order)
    count = len(found.images)
    if not count:
        raise DataError(f"{path}: holds no images")
    ids = range(count) if found.ids is None else _listed(found.ids, count, path, "ids")
    labels, numbered = None, False
    if found.labels is not None:
        labels, numbered = _labels(found.labels, count, path, class_names)
    images = found.images
    if not isinstance(images, torch.Tensor):
        side, _, _ = inspect([images], image_size)
        images = decode(images, side)
    return ForeignImages(images, labels, tuple(ids), _checksum(images, labels), numbered)


def given_images(images: Any) -> ForeignImages:
    """Return images that are there as an array or tensor, uint8 of a shape that `pixels` takes.

    Raises DataError for any other, and where there are none.
    """
    array = images.cpu().numpy() if isinstance(images, torch.Tensor) else images
    square = pixels(array, None, "images")
    if not len(square):
        raise DataError("images: there are none")
    return ForeignImages(square, None, tuple(range(len(square))), _checksum(square, None), False)


def numbers_that_mislead(class_names: Sequence[str]) -> str | None:
    """Return a warning for labels that are numbers, where classes are named by other numbers."""
    wrong = [
        f"label {label} is class {name!r}"
        for label, name in enumerate(class_names)
        if (name.lstrip("0") or "0") != str(label)
    ]
    if not wrong or not all(map(str.isdecimal, class_names)):
        return None
    return f"Warning: classes are named by numbers that are not their labels: {wrong[0]}"


def _read(path: Path, order: Order | None) -> Pictures:
    with reading(path):
        kind = _kind(path)
    if kind == "folder":
        return read_picture_folder(path)
    if kind == "parquet":
        return read_parquet_file(path)
    if kind == "pickle":
        return _from_mapping(path, read_pickle(path, {*PIXEL_KEYS, *LABEL_KEYS, *ID_KEYS}), order)
    loaded = _load_numpy(path)
    if isinstance(loaded, np.ndarray):
        return Pictures(pixels(loaded, order, str(path)))
    return _from_mapping(path, loaded, order)


def _kind(path: Path) -> str:
    """Recognise the kind by how the file begins; pickles, which may begin anyhow, by suffix too."""
    if path.is_dir():
        return "folder"
    with readable(path) as file:
        begin = file.read(6)
    for kind, magic in MAGIC.items():
        if begin.startswith(magic):
            return kind
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return "pickle"
    raise DataError(f"{path}: is of no kind that is accepted; give {ACCEPTED}")


def _load_numpy(path: Path) -> Any:
    """Return the array of an .npy file, or a dict of those of an .npz file that are used."""
    with readable(path) as file:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        groups = (PIXEL_KEYS, LABEL_KEYS, ID_KEYS)
        used = {next((key for key in group if key in loaded.files), None) for group in groups}
        for key in used - {None}:
            member = loaded.zip.getinfo(f"{key}.npy")
            # Of these ways a member unpacks to no more than it claims.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{path}: {key} is compressed in a way that NumPy does not write")
            require_size(member.file_size, f"{path}: {key}")
        return {key: loaded[key] if key in used else None for key in loaded.files}


def _from_mapping(path: Path, content: Mapping[str, Any], order: Order | None) -> Pictures:
    key = next((key for key in PIXEL_KEYS if key in content), None)
    if key is None:
        found = [" ".join(str(key).split()) for key in content]
        more = f" and {len(found) - MOST_KEYS} more" if len(found) > MOST_KEYS else ""
        keys = f"{', '.join(found[:MOST_KEYS])}{more}" if found else "nothing"
        raise DataError(f"{path}: has no {', '.join(PIXEL_KEYS)} to hold the images (has {keys})")
    cifar = content.keys() >= CIFAR_KEYS
    images = pixels(content[key], order, f"{path}: {key}", cifar=cifar)
    return Pictures(images, _first(content, LABEL_KEYS), _first(content, ID_KEYS))


def _first(content: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((content[key] for key in keys if content.get(key) is not None), None)


def pixels(array: Any, order: Order | None, place: str, *, cifar: bool = False) -> torch.Tensor:
    """Return uint8 images (n, 3, side, side) of an array of one of the accepted shapes.

    ``cifar`` says that flat rows are as in CIFAR's own files.

    Raises:
        DataError: it is no uint8 array, of another shape or order, or of flat rows of which
            nothing says the order; begins with ``place``.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{place}: pixels must be a uint8 array (0 to 255), not {kind}")
    shapes = _shapes(array.shape)
    if cifar and array.ndim == 2:
        shapes.pop("hwc", None)
    if not shapes:
        raise DataError(
            f"{place}: is of shape {array.shape}; accepted are (n, side, side, 3), "
            "(n, 3, side, side) and (n, 3 * side * side), for example (n, 3072)"
        )
    if order is None and len(shapes) > 1:
        raise DataError(
            f"{place}: nothing says how images lie in shape {array.shape}; give --order hwc (pixel "
            "by pixel) or --order chw (channel by channel, as in CIFAR's own files)"
        )
    chosen = order or next(iter(shapes))
    if chosen not in shapes:
        raise DataError(f"{place}: is {next(iter(shapes))}, not --order {order}; leave it out")
    square = array.reshape(shapes[chosen])
    if chosen == "hwc":
        square = square.transpose(0, 3, 1, 2)
    return torch.from_numpy(square.copy(order="C"))


def _shapes(shape: tuple[int, ...]) -> dict[Order, tuple[int, ...]]:
    """Return the orders in which an array can hold square images, each with its unrolled shape."""
    if len(shape) not in (2, 4):
        return {}
    side = shape[2] if len(shape) == 4 else math.isqrt(shape[1] // 3)
    flat = (shape[0], 3 * side**2)
    unrolled: dict[Order, tuple[int, ...]]
    unrolled = {"hwc": (shape[0], side, side, 3), "chw": (shape[0], 3, side, side)}
    return {order: full for order, full in unrolled.items() if side and shape in (full, flat)}


def _labels(
    values: Any, count: int, path: Path, class_names: Sequence[str]
) -> tuple[torch.Tensor, bool]:
    """Return labels of the model's classes, int64 (n,), and whether they came as numbers."""
    listed = _listed(values, count, path, "labels")
    known: dict[int | str, int] = {name: label for label, name in enumerate(class_names)}
    known |= {label: label for label in range(len(class_names))}
    for entry in listed:
        if entry in known:
            continue
        if isinstance(entry, str):
            raise DataError(unknown(f"{path}: class", entry, class_names))
        last = len(class_names) - 1
        raise DataError(f"{path}: a label is {entry}, but the model's classes are 0 to {last}")
    numbered = any(isinstance(entry, int) for entry in listed)
    return torch.tensor([known[entry] for entry in listed]), numbered


def _listed(values: Any, count: int, path: Path, what: str) -> list[int | str]:
    """Return one whole number or text for each image; DataError if that is not what there is."""
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    entries = [as_text(entry) for entry in listed] if isinstance(listed, list | tuple) else []
    plain = {type(entry) for entry in entries} <= {int, str}
    huge = any(isinstance(entry, int) and entry.bit_length() > 64 for entry in entries)
    if len(entries) != count or not plain or huge:
        raise DataError(
            f"{path}: {what} must be {count} whole numbers or texts, one for each image"
        )
    require_size(sum(len(str(entry)) for entry in entries), f"{path}: {what}")
    return entries


def _checksum(images: torch.Tensor, labels: torch.Tensor | None) -> str:
    digest = hashlib.sha256(str(tuple(images.shape)).encode())
    for tensor in (images, labels):
        if tensor is not None:
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
