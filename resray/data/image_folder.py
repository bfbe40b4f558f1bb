"""Folders of image files: train/<class>/*.png and test/<class>/*.png."""

import hashlib
import os
from functools import partial
from pathlib import Path

from resray.data.decode import Files
from resray.data.raw import Decoded, Reader, decode_splits
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
    """Return the names of a split's class folders, in order; empty where there is no split.

    Names that are all whole numbers are in the order of these, so that 0 to n-1 are the labels.
    """
    if not split.is_dir():
        return []
    names = [p.name for p in split.iterdir() if p.is_dir() and not p.name.startswith(".")]
    numbered = all(map(str.isdecimal, names))
    return sorted(names, key=lambda name: (int(name) if numbered else 0, name))


def image_files(folder: Path, pattern: str = "**/*") -> list[Path]:
    """Return a folder's image files in order, but for what is hidden by a dot at any depth."""
    return sorted(
        path
        for path in folder.glob(pattern)
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.is_dir()
    )


def image_paths(split: Path, classes: list[str]) -> tuple[list[Path], list[int]]:
    """Return a split's image files and their labels, in order of class and path."""
    by_class = [image_files(split / name) for name in classes]
    labels = [label for label, paths in enumerate(by_class) for _ in paths]
    return [path for paths in by_class for path in paths], labels


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 over path, size and time of change of every image."""
    digest = hashlib.sha256()
    classes = class_folders(folder / "train")
    for split in ("train", "test"):
        for path in image_paths(folder / split, classes)[0]:
            status = path.stat()
            text = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(os.fsencode(text))
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
        parts.append([Files(paths)])
        labels.append(values)
    return decode_splits(parts, labels, tuple(classes), image_size)
