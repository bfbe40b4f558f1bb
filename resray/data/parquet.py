"""Parquet files in the layouts of dataset hubs: one row an image."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resray.data.decode import Rows
from resray.data.raw import Decoded, Reader, decode_splits, fingerprint
from resray.data.reading import readable
from resray.errors import DataError
from resray.limits import require_size

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("fine_label", "label")
ID_COLUMNS = ("id", "ID", "ids")
# Repositories of hubs keep the files one level down.
SUBFOLDERS = (".", "data", "plain_text", "default", "cifar100")
SPLITS = ("train", "test")

LEAST_IMAGE = 8 * 8 * 3
"""Bytes that a row takes at least once it is an image."""
BATCH_ROWS, BATCH_BYTES = 1024, 2**27
"""Rows read at a time, fewer where one value repeated could make them more bytes than that."""

_SHARD = re.compile(r"(\d+)-of-(\d+)")


@dataclass(frozen=True)
class Shard:
    """What one Parquet file holds."""

    images: Rows
    labels: list[int] | None
    ids: list[int] | list[str] | None
    class_names: tuple[str, ...] | None
    """By label, from the schema's metadata."""


def parquet_reader(folder: Path, image_size: int | None) -> Reader | None:
    """Return the reader of ``folder``, or None where it holds no Parquet files of a train split.

    Raises:
        DataError: shards are missing, there are several sets of them, or there is no test split.
    """
    places = (folder / subfolder for subfolder in SUBFOLDERS)
    place = next((p for p in places if split_files(p, "train")), None)
    if place is None:
        return None
    validation, files = split_files(place, "validation"), [split_files(place, s) for s in SPLITS]
    if not files[1]:
        there = f"{validation[0].name} is there, but " if validation else ""
        raise DataError(f"{place}: {there}there is no test-*.parquet")
    return Reader(
        "Parquet folder",
        partial(fingerprint, [*files[0], *files[1]]),
        partial(read_parquet, files, image_size),
    )


def parquet_file_reader(path: Path, image_size: int | None) -> Reader:
    """Return the reader of a single file, whose images are one set that is not split yet."""
    files = [[path]]
    return Reader(
        "Parquet file", partial(fingerprint, [path]), partial(read_parquet, files, image_size)
    )


def split_files(folder: Path, split: str) -> list[Path]:
    """Return the split's files in order: train-*.parquet, train.parquet or train/0000.parquet.

    Raises:
        DataError: shards are missing, or there are several sets of them.
    """
    sets: dict[str, list[Path]] = {}
    for pattern in (f"{split}-*.parquet", f"{split}.parquet", f"{split}/[0-9]*.parquet"):
        for path in sorted(p for p in folder.glob(pattern) if not p.name.startswith(".")):
            shard = _SHARD.search(path.name)
            name = pattern.replace("*", f"*-of-{shard[2]}") if shard else pattern
            sets.setdefault(name, []).append(path)
    files = [path for paths in sets.values() for path in paths]
    shards = {path: match for path in files if (match := _SHARD.search(path.name))}
    numbers = {int(match[1]) for match in shards.values()}
    if len(sets) > 1 or len(numbers) < len(shards):
        raise DataError(f"{folder}: holds {split} images twice ({', '.join(sets)}); keep one set")
    for path, shard in shards.items():
        absent = next((n for n in range(int(shard[2])) if n not in numbers), None)
        if absent is not None:
            name = path.name.replace(shard[0], f"{absent:0{len(shard[1])}}-of-{shard[2]}")
            raise DataError(f"{folder}: {name} is not there ({len(files)} of {int(shard[2])})")
    return files


def read_parquet(files: Sequence[Sequence[Path]], image_size: int | None) -> Decoded:
    """Decode all images of the files of train and, where there are such, of test.

    Raises:
        DataError: a file is damaged or lacks a column, or an image or a label cannot be used.
    """
    splits = [[read_file(path) for path in paths] for paths in files]
    labels = [[label for shard in shards for label in shard.labels or ()] for shards in splits]
    names = _class_names(splits[0][0], labels)
    images = [[shard.images for shard in shards] for shards in splits]
    return decode_splits(images, labels, names, image_size)


def _class_names(shard: Shard, labels: Sequence[Sequence[int]]) -> tuple[str, ...]:
    """Return the names of the classes, or the numbers that train and test hold, as text.

    Raises:
        DataError: a label without a name, or one too high for each class to have an image.
    """
    folder, known = shard.images.path.parent, shard.class_names
    count, what = (len(known), "names") if known else (len(labels[0]), "training images")
    for split, values in zip(SPLITS, labels, strict=False):
        if (highest := max(values)) >= count:
            raise DataError(f"{folder}: a {split} label is {highest}, but there are {count} {what}")
    return known or tuple(map(str, range(1 + max(map(max, labels)))))


def read_file(path: Path, *, labelled: bool = True) -> Shard:
    """Return a file's images, still encoded, with its labels and ids.

    Raises:
        DataError: the file is damaged, lacks a column (labels only if ``labelled``), holds paths in
            place of images, or would unpack to more than `resray.limits` allows.
    """
    with readable(path, pa.ArrowException) as file:
        source = pq.ParquetFile(file)
        schema = source.schema_arrow
        image = _column(schema, IMAGE_COLUMNS, path)
        label = _column(schema, LABEL_COLUMNS, path, needed=labelled)
        identity = _column(schema, ID_COLUMNS, path, needed=False)
        kind = schema.field(image).type
        plain = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        if not plain and (not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0):
            message = f"images must be bytes, or structs with 'bytes', not {kind}"
            raise DataError(f"{path}: {message}")
        column = str(image) if plain else f"{image}.bytes"
        columns = [column, *filter(None, (label, identity))]
        rows = _require_images(source, columns, path)
        table = pa.Table.from_batches(source.iter_batches(rows, columns=columns))
        encoded = table[image] if plain else pc.struct_field(table[image], "bytes")
        return Shard(
            images=Rows(path, encoded.cast(pa.large_binary())),
            labels=None if label is None else _labels(table[label], f"{path}: column {label!r}"),
            ids=None if identity is None else table[identity].to_pylist(),
            class_names=_names(schema.metadata or {}),
        )


def _column(
    schema: pa.Schema, names: tuple[str, ...], path: Path, *, needed: bool = True
) -> str | None:
    """Return the first of ``names`` that the file has; DataError if it has none that is needed."""
    # A name that several columns have has no index.
    name = next((name for name in names if schema.get_field_index(name) >= 0), None)
    if name is None and needed:
        wanted, there = " or ".join(names), ", ".join(schema.names)
        raise DataError(f"{path}: has no column {wanted} (it has {there})")
    return name


def _require_images(source: pq.ParquetFile, columns: Sequence[str], path: Path) -> int:
    """Return how many rows to read at a time, having looked at all of them.

    Many rows may repeat one value that is stored once, so the sizes in a file promise too little.

    Raises:
        DataError: there are no rows, images are null, or it all is above the limit.
    """
    stored = source.metadata
    if not stored.num_rows:
        raise DataError(f"{path}: holds no images")
    sizes = [stored.row_group(group).total_byte_size for group in range(stored.num_row_groups)]
    require_size(max(sum(sizes), stored.num_rows * LEAST_IMAGE), path)
    rows, unpacked = max(1, min(BATCH_ROWS, BATCH_BYTES // max(1, *sizes))), 0
    for batch in source.iter_batches(rows, columns=columns):
        images = pc.struct_field(batch[columns[0].removesuffix(".bytes")], "bytes")
        if images.null_count:
            raise DataError(f"{path}: the file holds paths instead of images ('bytes' are null)")
        unpacked += batch.nbytes
        require_size(unpacked, path)
    return rows


def _labels(column: pa.ChunkedArray, place: str) -> list[int]:
    """Return labels as whole numbers of any size; DataError if they are anything else."""
    if not pa.types.is_integer(column.type) or column.null_count:
        raise DataError(f"{place} must be integers without nulls")
    labels: list[int] = column.to_pylist()
    if labels and min(labels) < 0:
        raise DataError(f"{place} holds {min(labels)}; labels start at 0")
    return labels


def _names(metadata: Mapping[bytes, bytes]) -> tuple[str, ...] | None:
    """Return the class names that a schema's metadata holds, None if there are none."""
    try:
        if listed := metadata.get(b"class_names"):
            return tuple(name.strip() for name in listed.decode().split(","))
        features: Any = json.loads(metadata[b"huggingface"])["info"]["features"]
        column = next(name for name in LABEL_COLUMNS if name in features)
        return tuple(map(str, features[column]["names"]))
    except (KeyError, TypeError, ValueError, StopIteration, RecursionError):
        return None
