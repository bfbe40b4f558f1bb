"""Foreign images that are encoded: the rows of a Parquet file, or the files of a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from resray.data.decode import Encoded, Files
from resray.data.image_folder import SUFFIXES, class_folders, image_files, image_paths
from resray.data.parquet import read_file
from resray.errors import DataError


@dataclass(frozen=True)
class Pictures:
    """What a foreign file holds, unchecked against a model."""

    images: torch.Tensor | Encoded
    """uint8 (n, 3, side, side), or images that are still encoded."""
    labels: Any = None
    """One for each image: the class's name or its number; None where there are none."""
    ids: Any = None
    """What names each image; None where nothing does."""


def read_parquet_file(path: Path) -> Pictures:
    """Read a Parquet file with the columns of `resray.data.parquet`, and perhaps ``id``."""
    shard = read_file(path, labelled=False)
    labels: Sequence[int | str] | None = shard.labels
    names = shard.class_names
    if shard.labels and names is not None:
        if (highest := max(shard.labels)) >= len(names):
            raise DataError(f"{path}: a label is {highest}, but there are {len(names)} names")
        labels = [names[label] for label in shard.labels]
    return Pictures(shard.images, labels, shard.ids)


def read_picture_folder(folder: Path) -> Pictures:
    """Read a folder of image files: flat, or in subfolders whose names are the classes'."""
    flat, classes = image_files(folder, "*"), class_folders(folder)
    if flat and classes:
        raise DataError(
            f"{folder}: holds images beside folders ({classes[0]} ...); give either a flat folder "
            "or one with class subfolders only"
        )
    paths, positions = image_paths(folder, classes) if classes else (flat, [])
    if not paths:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{folder}: there are no images ({suffixes}) in it or in its subfolders")
    labels = [classes[position] for position in positions] or None
    return Pictures(Files(paths), labels, [path.relative_to(folder).as_posix() for path in paths])
