"""Foreign images that are encoded: the rows of a Parquet file, or the files of a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from resray.data.decode import Encoded, Files, Rows, decode, inspect
from resray.data.image_folder import SUFFIXES, class_folders, image_paths
from resray.data.parquet import LABEL_COLUMNS, image_bytes, label_values
from resray.errors import DataError, unknown

ID_COLUMNS = ("id", "ID", "ids")


@dataclass(frozen=True)
class Pictures:
    """What a foreign file holds, unchecked against a model."""

    images: torch.Tensor
    """uint8 (n, 3, side, side)."""
    labels: torch.Tensor | None
    """int64 (n,)."""
    ids: tuple[int | str, ...]


class FileRows(Rows):
    """Encoded images that are the rows of one Parquet file."""

    def place(self, index: int) -> str:
        """Return the file and the row, counted from 0."""
        return f"{self.folder}: row {index}"


def read_parquet_file(path: Path, image_size: int) -> Pictures:
    """Read a Parquet file with the columns of `resray.data.parquet`, and perhaps ``id``."""
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: is no readable Parquet file ({reason})") from error
    if not len(table):
        raise DataError(f"{path}: holds no images")
    images = decoded(FileRows(image_bytes(table, path), path, ""), image_size)
    labelled = any(name in table.column_names for name in LABEL_COLUMNS)
    return Pictures(images, label_values(table, path) if labelled else None, _row_ids(table, path))


def _row_ids(table: pa.Table, path: Path) -> tuple[int | str, ...]:
    name = next((name for name in ID_COLUMNS if name in table.column_names), None)
    if name is None:
        return tuple(range(len(table)))
    kind = table[name].type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (textual or pa.types.is_integer(kind)) or table[name].null_count:
        raise DataError(f"{path}: column {name!r} must be whole numbers or text, without nulls")
    return tuple(table[name].to_pylist())


def read_picture_folder(folder: Path, class_names: Sequence[str], image_size: int) -> Pictures:
    """Read a folder of image files: flat, or in subfolders whose names are the classes'."""
    flat = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    classes = class_folders(folder)
    if flat and classes:
        raise DataError(
            f"{folder}: holds images beside folders ({classes[0]} ...); give either a flat folder "
            "or one with class subfolders only"
        )
    if not classes:
        return _pictures(folder, flat, None, image_size)
    for name in classes:
        if name not in class_names:
            raise DataError(unknown(f"{folder}: class folder", name, class_names))
    paths, positions = image_paths(folder, classes)
    labels = [class_names.index(classes[position]) for position in positions]
    return _pictures(folder, paths, torch.tensor(labels, dtype=torch.int64), image_size)


def _pictures(
    folder: Path, paths: Sequence[Path], labels: torch.Tensor | None, image_size: int
) -> Pictures:
    if not paths:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise DataError(f"{folder}: there are no images ({suffixes}) in it or in its subfolders")
    ids = tuple(path.relative_to(folder).as_posix() for path in paths)
    return Pictures(decoded(Files(paths), image_size), labels, ids)


def decoded(part: Encoded, image_size: int) -> torch.Tensor:
    """Return uint8 (n, 3, side, side): at their own size, or ``image_size`` where they differ."""
    side, _, _ = inspect([part], image_size)
    return decode(part, side)
