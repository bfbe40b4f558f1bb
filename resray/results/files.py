"""Parquet files of the result tables: reading them in any version, writing them whole."""

import os
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resray.errors import InputError
from resray.results.schema import VERSION, VERSION_KEY, table_schema

READERS = min(8, os.cpu_count() or 1)
"""How many files are read at the same time."""
ROWS_TOGETHER = 50_000
"""Rows that are written, and so read, at a time: a reader holds that many twice."""


def table_files(folder: Path, table: str) -> list[Path]:
    """Return a table's files by name, without those that are being written."""
    return sorted((folder / table).glob("[!._]*.parquet"))


def read_files(files: Sequence[Path], table: str, coded: Collection[str] = ()) -> pa.Table:
    """Return the rows of a table's files.

    Of the text columns ``coded`` each different text is kept once, in a dictionary.
    """
    schema = _with_dictionaries(table_schema(table), coded)
    # Most of a small file's time passes outside of Python, so threads share it.
    with ThreadPoolExecutor(READERS) as pool:
        parts = pool.map(lambda file: read_file(file, schema, coded), files)
        whole = pa.concat_tables([schema.empty_table(), *parts])
    rows = whole.unify_dictionaries().combine_chunks()
    # What decoding took, twice the size of the rows, is kept for the next time otherwise.
    pa.default_memory_pool().release_unused()
    return rows


def read_file(path: Path, schema: pa.Schema, coded: Collection[str] = ()) -> pa.Table:
    """Return the rows of one file with the columns of ``schema``."""
    # pq.read_table plans a dataset's scan first, which takes longer than to read so small a file.
    try:
        opened = pq.ParquetFile(path, read_dictionary=coded)
    except KeyError:
        # An older version's file has not all of these columns.
        opened = pq.ParquetFile(path)
    with opened as file:
        return conform(file.read(use_threads=False), schema, path)


def write_file(path: Path, rows: pa.Table) -> None:
    """Write a file that appears whole, by rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readers of the folder pass over names that begin with a dot.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(rows, temporary, row_group_size=ROWS_TOGETHER)
    temporary.replace(path)


def conform(table: pa.Table, schema: pa.Schema, path: Path) -> pa.Table:
    """Bring a table of this or an older schema version to this version's columns.

    Raises InputError if the file was written by a newer resray.
    """
    version = int((table.schema.metadata or {}).get(VERSION_KEY, b"1"))
    if version > VERSION:
        raise InputError(
            f"{path}: schema version {version} is newer than this resray reads (up to {VERSION}); "
            "upgrade resray"
        )
    if table.schema.equals(schema, check_metadata=True):
        return table
    columns = [
        _of_type(table[field.name], field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _of_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)


def _with_dictionaries(schema: pa.Schema, coded: Collection[str]) -> pa.Schema:
    kind = pa.dictionary(pa.int32(), pa.string())
    fields = [field.with_type(kind) if field.name in coded else field for field in schema]
    return pa.schema(fields, metadata=schema.metadata)
