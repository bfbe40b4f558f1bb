"""Parquet files of the result tables: reading them in any version, writing them whole."""

import os
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resray.errors import InputError
from resray.files import whole_file
from resray.results.schema import VERSION, VERSION_KEY, table_schema

WRITING = ".writing"
"""Folder beside the tables' in which files lie until they are whole."""
LONGEST_REASON = 200
"""Letters of Arrow's explanation of what is wrong with a file."""
READERS = min(8, os.cpu_count() or 1)
"""How many files are read at the same time."""
ROWS_TOGETHER = 50_000
"""Rows that are written, and so read, at a time: a reader holds that many twice."""


def table_files(folder: Path, table: str) -> list[Path]:
    """Return a table's files by name, without those that are being written."""
    return sorted((folder / table).glob("[!._]*.parquet"))


def read_files(files: Sequence[Path], table: str, coded: Collection[str] = ()) -> pa.Table:
    """Return the rows of a table's files.

    Of the text columns ``coded`` each different text is kept once, in a dictionary. Raises
    InputError as `read_file` does.
    """
    return joined(read_parts(files, table, coded), table, coded)


def read_parts(files: Sequence[Path], table: str, coded: Collection[str] = ()) -> list[pa.Table]:
    """Return the rows of each of a table's files."""
    schema = _with_dictionaries(table_schema(table), coded)
    # Most of a small file's time passes outside of Python, so threads share it.
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(lambda file: read_file(file, schema, coded), files))


def joined(parts: Sequence[pa.Table], table: str, coded: Collection[str] = ()) -> pa.Table:
    """Return what `read_parts` gave as one."""
    schema = _with_dictionaries(table_schema(table), coded)
    whole = pa.concat_tables([schema.empty_table(), *parts])
    rows = whole.unify_dictionaries().combine_chunks()
    # What decoding took, twice the size of the rows, is kept for the next time otherwise.
    pa.default_memory_pool().release_unused()
    return rows


def read_file(path: Path, schema: pa.Schema, coded: Collection[str] = ()) -> pa.Table:
    """Return the rows of one file with the columns of ``schema``.

    Raises InputError if the file is damaged, cannot be read or is a newer resray's, and
    FileNotFoundError if it is not there.
    """
    with said_which(path):
        # pq.read_table plans a dataset's scan first, which takes longer than to read so small a
        # file.
        try:
            opened = pq.ParquetFile(path, read_dictionary=coded, page_checksum_verification=True)
        except KeyError:
            # An older version's file has not all of these columns.
            opened = pq.ParquetFile(path, page_checksum_verification=True)
        with opened as file:
            return conform(file.read(use_threads=False), schema, path)


@contextmanager
def said_which(path: Path) -> Iterator[None]:
    """Raise InputError, with the file and what to do, where a file cannot be read."""
    try:
        yield
    except FileNotFoundError:
        # Expected: since the files were listed, a batch was made or taken apart.
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow's own errors have no number; the system's (no permission) are not about the content.
        if number := getattr(error, "errno", None):
            raise InputError(f"{path}: cannot be read ({os.strerror(number)})") from error
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        raise InputError(
            f"{path}: damaged ({reason}); put a copy in its place, or delete it and what trials/ "
            "holds of the same trials and run the study again"
        ) from error


def write_file(path: Path, rows: pa.Table) -> None:
    """Write a file that appears whole, by rename."""
    # What reads the table's folder may take every file in it for a whole one.
    with whole_file(path, scratch=path.parent.parent / WRITING) as file:
        # With checksums, so that a damaged number is no other number.
        pq.write_table(rows, file, row_group_size=ROWS_TOGETHER, write_page_checksum=True)


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
