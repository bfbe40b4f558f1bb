"""Folders of image files: train/<class>/*.png and test/<class>/*.png."""

import hashlib
from functools import partial
from pathlib import Path

import torch

from resray.data.dataset import Images
from resray.data.decode import Files, decode, inspect
from resray.data.raw import Decoded, Reader
from resray.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


def image_folder_reader(folder: Path, image_size: int | None) -> Reader | None:
    """Return the reader of ``folder``, or None where it has no train/<class>/."""
    if not class_folders(folder / "train"):
        return None
    return Reader(
        "image folder", partial(fingerprint, folder), partial(read_folder, folder, image_size)
    )


def class_folders(split: Path) -> list[str]:
    """Return the names of a split's class folders, in order; empty where there is no split."""
    if not split.is_dir():
        return []
    return sorted(p.name for p in split.iterdir() if p.is_dir() and not p.name.startswith("."))


def image_paths(split: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    """Return a split's image files and their labels, in order of class and path."""
    paths, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(p for p in (split / name).rglob("*") if p.suffix.lower() in SUFFIXES)
        paths += found
        labels += [label] * len(found)
    return paths, labels


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 over path, size and time of change of every image."""
    digest = hashlib.sha256()
    classes = class_folders(folder / "train")
    for split in ("train", "test"):
        for path in image_paths(folder / split, classes)[0]:
            status = path.stat()
            digest.update(f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def read_folder(folder: Path, image_size: int | None) -> Decoded:
    """Decode all images of the folder; its class folders' names are the class names.

    Raises:
        DataError: the test part is missing or has other classes, or an image cannot be used.
    """
    classes = class_folders(folder / "train")
    if extra := set(class_folders(folder / "test")) - set(classes):
        raise DataError(f"{folder / 'test'}: class {min(extra)!r} is not in train/")
    parts, labels = [], []
    for split in ("train", "test"):
        paths, values = image_paths(folder / split, classes)
        if not paths:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise DataError(f"{folder / split}: there are no images ({suffixes}) in class folders")
        parts.append(Files(paths))
        labels.append(torch.tensor(values, dtype=torch.int64))
    side, formats, uniform = inspect(parts, image_size)
    train, test = (Images(decode(p, side), v) for p, v in zip(parts, labels, strict=True))
    return Decoded(train, test, tuple(classes), formats, not uniform)
