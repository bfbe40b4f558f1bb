"""Folders of image files: train/<class>/*.png and test/<class>/*.png, or <class>/*.png alone."""

import hashlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from resray.data.decode import Files
from resray.data.raw import Decoded, Reader, decode_splits
from resray.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}
HELD_OUT = ("test", "val", "validation")
"""Folders beside train/: the first that is there is for test, another one for validation."""


def image_folder_reader(
    folder: Path, image_size: int | None, *, own_validation: bool = False
) -> Reader | None:
    """Return the reader of ``folder``, or None where it has no class folders.

    ``own_validation`` is whether val/ or validation/ is read too, where there is one beside test/.
    Without class folders in train/, those in the folder itself are one set that is not split yet.

    Raises:
        DataError: there is a train/, but nothing to test on.
    """
    if class_folders(folder / "train"):
        parts = split_folders(folder)
        kind = f"image folder, {parts[1].name}/ as test" if parts[1].name != "test" else None
        parts = parts if own_validation else parts[:2]
    elif any(image_files(folder / name) for name in class_folders(folder)):
        parts, kind = [folder], None
    else:
        return None
    return Reader(
        kind or "image folder", partial(fingerprint, parts), partial(read_folder, parts, image_size)
    )


def split_folders(folder: Path) -> list[Path]:
    """Return the folders of train and of test, and of validation where there is one too."""
    held_out = [folder / name for name in HELD_OUT if (folder / name).is_dir()]
    if not held_out:
        names = ", ".join(f"{name}/" for name in HELD_OUT)
        raise DataError(
            f"{folder}: there is train/, but none of {names} to test on; class folders that are "
            "not in train/ are split by resray"
        )
    return [folder / "train", *held_out[:2]]


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


def fingerprint(parts: Sequence[Path]) -> str:
    """Return a SHA-256 over path, size and time of change of every image."""
    digest = hashlib.sha256()
    classes = class_folders(parts[0])
    for split in parts:
        for path in image_paths(split, classes)[0]:
            status = path.stat()
            text = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\n"
            digest.update(os.fsencode(text))
    return digest.hexdigest()


def read_folder(parts: Sequence[Path], image_size: int | None) -> Decoded:
    """Decode all images of the parts, train first; its class folders' names are the class names.

    Raises:
        DataError: another part is empty or has other classes, or an image cannot be used.
    """
    classes = class_folders(parts[0])
    found, labels = [], []
    for split in parts:
        if extra := set(class_folders(split)) - set(classes):
            raise DataError(f"{split}: class {min(extra)!r} is not in {parts[0].name}/")
        paths, values = image_paths(split, classes)
        if not paths:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise DataError(f"{split}: there are no images ({suffixes}) in class folders")
        found.append([Files(paths)])
        labels.append(values)
    return decode_splits(found, labels, tuple(classes), image_size)
