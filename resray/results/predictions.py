"""What networks predicted of the test images, and pictures of those that most of them miss.

predictions/                      a table like others, of which one row is a trial's predictions
thumbnails/<checksum>.parquet     of each set of test images the most missed, replaced whole
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from resray.errors import InputError
from resray.limits import require_size
from resray.results.files import encoded, require_checksum
from resray.results.storage import LocalFolder, Storage
from resray.results.store import read_table
from resray.results.summary import parsed_json

THUMBNAILS = pa.schema(
    [
        ("test_checksum", pa.string()),
        ("image", pa.int64()),
        ("label", pa.string()),
        ("missed", pa.int64()),
        ("networks", pa.int64()),
        ("png", pa.binary()),
    ]
)
"""Columns of the pictures; docs/schema.md says what they mean."""


def read_predictions(folder: Path) -> pd.DataFrame:
    """Return the predictions table of one study's results folder with arrays in place of bytes.

    ``predicted`` and ``labels`` are arrays (images,) of class indices, uint8 up to 256 classes,
    else uint16 or uint32; ``class_names`` are lists. Rows with the same ``test_checksum`` are of
    the same images in the same order. Trials of an older resray have no row until `resray evaluate
    --kind test`, those of a search never. Raises InputError as `read_table` does, and where a row
    does not hold a class that has a name for each image.
    """
    frame = read_table(folder, "predictions")
    frame["class_names"] = column_of([parsed_json(text, []) for text in frame["class_names"]])
    for column in ("predicted", "labels"):
        cells = zip(frame[column], frame["images"], frame["class_names"], strict=True)
        try:
            frame[column] = column_of([class_indices(*each) for each in cells])
        except ValueError as error:
            raise InputError(f"{folder}/predictions: {column}: {error}; `resray evaluate --kind "
                             "test --force` makes it again") from error  # fmt: skip
    return frame


def class_indices(content: bytes | None, images: int, names: Sequence[str]) -> np.ndarray:
    """Return the class of each image, read-only, uint8 or wider; ValueError where that is none."""
    size = len(content or b"")
    width = next((each for each in (1, 2, 4) if size == each * images), None)
    if content is None or width is None or not images:
        raise ValueError(f"{size} bytes for {images} images (expected 1, 2 or 4 each)")
    indices = np.frombuffer(content, f"<u{width}")
    if (highest := indices.max()) >= len(names):
        raise ValueError(f"class {highest} of {len(names)}")
    return indices


def column_of(values: list[object]) -> pd.Series:
    """Return values that are arrays or lists themselves as a column."""
    return pd.Series(values, dtype=object)


def times_missed(predictions: pd.DataFrame) -> np.ndarray:
    """Return how many networks miss each image (images,), int64, by rows of `read_predictions` that
    are of the same images."""
    pairs = zip(predictions["predicted"], predictions["labels"], strict=True)
    return np.sum([predicted != labels for predicted, labels in pairs], axis=0)


def put_thumbnails(storage: Storage, rows: list[dict[str, object]], test_checksum: str) -> None:
    """Write the pictures of one set of test images, in place of those that are there."""
    key = f"thumbnails/{test_checksum[:16]}.parquet"
    storage.put(key, encoded(pa.Table.from_pylist(rows, THUMBNAILS)))


def read_thumbnails(folder: Path) -> pd.DataFrame:
    """Return the pictures of test images that most networks miss, with the columns `THUMBNAILS`, of
    each set of images the most missed first.

    A damaged file counts as none: the next command that trains or evaluates draws it again.
    """
    storage, parts = LocalFolder(folder), [THUMBNAILS.empty_table()]
    for key in storage.list("thumbnails/"):
        try:
            with pq.ParquetFile(pa.BufferReader(require_checksum(storage.get(key)))) as file:
                require_size(file.metadata.num_rows * len(THUMBNAILS) * 8, f"{folder}/{key}")
                parts.append(file.read(use_threads=False).cast(THUMBNAILS))
        except (pa.ArrowException, OSError, ValueError):
            continue
    return pa.concat_tables(parts).to_pandas()
