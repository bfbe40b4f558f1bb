"""Images that come from elsewhere, to predict on: pickle, .npy, .npz, Parquet, folder of images.

Nothing in such a file runs: pickles go through `resray.data.foreign_pickle`, and NumPy's own
formats are read without pickles in them.
"""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from resray.data.dataset import Images
from resray.data.foreign_pickle import read_pickle
from resray.data.foreign_pictures import Pictures, read_parquet_file, read_picture_folder
from resray.data.splits import resize
from resray.errors import DataError

Order = Literal["hwc", "chw"]
"""How a flat row holds an image: pixel by pixel (hwc), or channel by channel as CIFAR does."""
ORDERS = ("hwc", "chw")

PIXEL_KEYS = ("data", "images", "x")
LABEL_KEYS = ("labels", "fine_labels", "label", "y")
ID_KEYS = ("ids", "id", "ID")
MOST_KEYS = 6
"""Keys of a foreign file that an error names."""

ACCEPTED = (
    "a pickle (.pkl, .pickle), .npy, .npz, Parquet (.parquet), or a folder of images, flat or "
    "with class subfolders"
)
MAGIC = {"npy": b"\x93NUMPY", "npz": b"PK", "parquet": b"PAR1", "pickle": b"\x80"}
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

    def __len__(self) -> int:
        return len(self.images)

    def resized(self, size: int) -> "ForeignImages":
        """Return the images at ``size`` x ``size`` pixels, by `resray.data.splits.resize`."""
        unlabelled = Images(self.images, torch.zeros(len(self), dtype=torch.int64))
        return replace(self, images=resize(unlabelled, size).images)


def read_foreign(
    path: Path, *, class_names: Sequence[str], image_size: int, order: Order = "hwc"
) -> ForeignImages:
    """Read foreign images with their labels and ids, where these come along.

    A pickle is a dict with the key ``data``; an .npz file holds ``images``, ``x`` or ``data``;
    both may hold labels and ids. Their pixels, and those of an .npy file, are uint8 arrays
    (n, side, side, 3), (n, 3, side, side) or (n, 3 * side * side), the last in the given
    ``order``. Labels count from 0 in the order of ``class_names``; class subfolders are named so.
    Encoded images (Parquet, folders) that differ in size are brought to ``image_size``.

    Raises:
        DataError: the file is missing, damaged, of no accepted kind, or does not fit the classes.
    """
    found = _read(path, class_names, image_size, order)
    if not len(found.images):
        raise DataError(f"{path}: holds no images")
    labels = found.labels
    if labels is not None and not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
        wrong = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
        last = len(class_names) - 1
        raise DataError(f"{path}: a label is {wrong}, but the model's classes are 0 to {last}")
    return ForeignImages(found.images, labels, found.ids, _checksum(found))


def _read(path: Path, class_names: Sequence[str], image_size: int, order: Order) -> Pictures:
    kind = _kind(path)
    if kind == "folder":
        return read_picture_folder(path, class_names, image_size)
    if kind == "parquet":
        return read_parquet_file(path, image_size)
    if kind == "npy":
        images = pixels(_load_numpy(path), order, str(path))
        return Pictures(images, None, tuple(range(len(images))))
    content = read_pickle_dict(path) if kind == "pickle" else _load_numpy(path)
    return _from_mapping(path, content, order)


def _kind(path: Path) -> str:
    """Recognise the kind by how the file begins; pickles, which may begin anyhow, by suffix too."""
    if path.is_dir():
        return "folder"
    try:
        with path.open("rb") as file:
            begin = file.read(6)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give {ACCEPTED}") from error
    for kind, magic in MAGIC.items():
        if begin.startswith(magic):
            return kind
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return "pickle"
    raise DataError(f"{path}: is of no kind that is accepted; give {ACCEPTED}")


def read_pickle_dict(path: Path) -> dict[Any, Any]:
    """Return the dict that a pickle holds, its keys as text, also those that Python 2 wrote.

    Raises:
        DataError: the pickle is refused, damaged, or holds something else.
    """
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: the pickle holds a {type(content).__name__}; a dict is needed")
    return {_text(key): value for key, value in content.items()}


def _load_numpy(path: Path) -> Any:
    """Return the array of an .npy file, or a dict of those of an .npz file."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile) as error:
        message = f"{path}: is damaged, or holds Python objects, which are not opened ({error})"
        raise DataError(message) from error


def _from_mapping(path: Path, content: Mapping[str, Any], order: Order) -> Pictures:
    key = next((key for key in PIXEL_KEYS if key in content), None)
    if key is None:
        found = [str(key) for key in content]
        more = f" and {len(found) - MOST_KEYS} more" if len(found) > MOST_KEYS else ""
        keys = f"{', '.join(found[:MOST_KEYS])}{more}" if found else "nothing"
        raise DataError(f"{path}: has no {', '.join(PIXEL_KEYS)} to hold the images (has {keys})")
    images = pixels(content[key], order, f"{path}: {key}")
    labels = _first(content, LABEL_KEYS)
    ids = _first(content, ID_KEYS)
    return Pictures(
        images,
        None if labels is None else _labels(labels, len(images), path),
        tuple(range(len(images))) if ids is None else _ids(ids, len(images), path),
    )


def _first(content: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((content[key] for key in keys if content.get(key) is not None), None)


def pixels(array: Any, order: Order, place: str) -> torch.Tensor:
    """Return uint8 images (n, 3, side, side) of an array of one of the accepted shapes.

    Raises:
        DataError: it is no uint8 array, or of another shape; begins with ``place``.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"{place}: pixels must be a uint8 array (0 to 255), not {kind}")
    square = _square(array, order)
    if square is None:
        raise DataError(
            f"{place}: is of shape {array.shape}; accepted are (n, side, side, 3), "
            "(n, 3, side, side) and (n, 3 * side * side), for example (n, 3072)"
        )
    return torch.from_numpy(square.copy(order="C"))


def _square(array: np.ndarray, order: Order) -> np.ndarray | None:
    """Return the array as (n, 3, side, side), or None where its shape is none of the accepted."""
    shape = array.shape
    if len(shape) == 2:
        side = round((shape[1] / 3) ** 0.5)
        if side == 0 or shape[1] != 3 * side**2:
            return None
        shape = (len(array), side, side, 3) if order == "hwc" else (len(array), 3, side, side)
        array = array.reshape(shape)
    if len(shape) == 4 and shape[3] == 3 and shape[1] == shape[2]:
        return array.transpose(0, 3, 1, 2)
    return array if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] else None


def _labels(values: Any, count: int, path: Path) -> torch.Tensor:
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iu" or array.shape != (count,):
        raise DataError(
            f"{path}: labels must be {count} whole numbers, one for each image; found "
            f"{array.dtype} of shape {array.shape}"
        )
    return torch.from_numpy(array.astype(np.int64))


def _ids(values: Any, count: int, path: Path) -> tuple[int | str, ...]:
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    ids = [_text(entry) for entry in listed] if isinstance(listed, list | tuple) else []
    if len(ids) != count or not all(isinstance(entry, int | str) for entry in ids):
        raise DataError(f"{path}: ids must be {count} whole numbers or texts, one for each image")
    return tuple(ids)


def _text(entry: Any) -> Any:
    return entry.decode("utf-8", "replace") if isinstance(entry, bytes) else entry


def _checksum(found: Pictures) -> str:
    digest = hashlib.sha256(str(tuple(found.images.shape)).encode())
    for tensor in (found.images, found.labels):
        if tensor is not None:
            digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
