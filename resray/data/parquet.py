"""Folders of Parquet files in the layout of dataset hubs: one row an image."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from resray.data.dataset import Images
from resray.data.decode import Rows, decode, inspect
from resray.data.raw import Decoded, Reader
from resray.errors import DataError

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("fine_label", "label")
# Repositories of hubs keep the files one level down.
SUBFOLDERS = (".", "data", "plain_text", "cifar100")


def parquet_reader(folder: Path, image_size: int | None) -> Reader | None:
    """Return the reader of ``folder``, or None where it holds no train-*.parquet."""
    places = (folder / subfolder for subfolder in SUBFOLDERS)
    place = next((p for p in places if any(p.glob("train-*.parquet"))), None)
    if place is None:
        return None
    return Reader(
        "Parquet folder",
        partial(fingerprint, place),
        partial(read_parquet, place, image_size),
    )


def files(folder: Path, split: str) -> list[Path]:
    """Return the split's files in order.

    Raises:
        DataError: there are none.
    """
    found = sorted(folder.glob(f"{split}-*.parquet"))
    if not found:
        raise DataError(f"{folder}: there is no {split}-*.parquet")
    return found


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 over the contents of all the files."""
    digest = hashlib.sha256()
    for path in [*files(folder, "train"), *files(folder, "test")]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def read_parquet(folder: Path, image_size: int | None) -> Decoded:
    """Decode all images of the folder.

    Raises:
        DataError: a file is damaged or lacks a column, or an image cannot be used.
    """
    tables = [read_table(folder, split) for split in ("train", "test")]
    rows = [
        Rows(image_bytes(table, folder), folder, split)
        for table, split in zip(tables, ("train", "test"), strict=True)
    ]
    labels = [label_values(table, folder) for table in tables]
    side, formats, uniform = inspect(rows, image_size)
    train, test = (
        Images(decode(part, side), values) for part, values in zip(rows, labels, strict=True)
    )
    count = 1 + max(int(values.max()) for values in labels)
    return Decoded(train, test, class_names(tables[0], count), formats, not uniform)


def read_table(folder: Path, split: str) -> pa.Table:
    """Return the image and label columns of a split, with the schema's metadata."""
    try:
        table = pa.concat_tables([pq.read_table(path) for path in files(folder, split)])
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{folder}: {split}-*.parquet cannot be read ({reason})") from error
    if not len(table):
        raise DataError(f"{folder}: {split}-*.parquet holds no rows")
    return table


def image_bytes(table: pa.Table, folder: Path) -> list[bytes | None]:
    """Return the encoded images of a table."""
    column = table[find_column(table, IMAGE_COLUMNS, folder)]
    if not pa.types.is_struct(column.type) or column.type.get_field_index("bytes") < 0:
        raise DataError(f"{folder}: images must be structs with 'bytes', not {column.type}")
    return [row["bytes"] if row else None for row in column.to_pylist()]


def label_values(table: pa.Table, folder: Path) -> torch.Tensor:
    """Return the labels of a table, int64 (n,)."""
    name = find_column(table, LABEL_COLUMNS, folder)
    column = table[name]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise DataError(f"{folder}: column {name!r} must be integers without nulls")
    labels = torch.tensor(column.to_pylist(), dtype=torch.int64)
    if int(labels.min()) < 0:
        raise DataError(f"{folder}: column {name!r} holds {int(labels.min())}; labels start at 0")
    return labels


def find_column(table: pa.Table, names: tuple[str, ...], folder: Path) -> str:
    """Return the first of ``names`` that the table has."""
    for name in names:
        if name in table.column_names:
            return name
    wanted, there = " or ".join(names), ", ".join(table.column_names)
    raise DataError(f"{folder}: the Parquet files have no column {wanted} (they have {there})")


def class_names(table: pa.Table, count: int) -> tuple[str, ...]:
    """Return the class names from the schema's metadata, else the labels as text."""
    metadata = table.schema.metadata or {}
    if listed := metadata.get(b"class_names"):
        return tuple(name.strip() for name in listed.decode().split(","))
    try:
        features: Any = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        column = next(name for name in LABEL_COLUMNS if name in features)
        return tuple(str(name) for name in features[column]["names"])
    except (KeyError, TypeError, ValueError, StopIteration):
        return tuple(str(label) for label in range(count))
