"""Parquet files of the result tables: reading them in any version, writing them whole."""

import io
import os
from collections.abc import Collection
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resray.errors import InputError, one_line
from resray.limits import require_size
from resray.results.schema import UTC, VERSION, VERSION_KEY, table_schema
from resray.results.storage import Storage
from resray.study.reduction import migrated

MARK = b"resray crc32"
"""Stands, before the checksum of all other bytes, between a file's pages and its footer.

Parquet's own checksums leave out the footer, of which one bit makes a column another one or lets
Arrow's reader crash. No reader looks there: pages are found from the footer, that from the end."""
LONGEST_ID = 200
"""Letters of a trial's id, which names files and folders."""
MOST_EPOCHS = 10**6
LATEST = 253_402_300_799_999_999
"""Microseconds from 1970 to the end of the year 9999, the last that Python knows."""
ROWS_TOGETHER = 50_000
"""Rows that are written, and so read, at a time: a reader holds that many twice."""


class DamagedFileError(InputError):
    """A file of the tables holds other bytes than were written, or what nobody writes there."""


def read_object(storage: Storage, key: str, schema: pa.Schema) -> pa.Table:
    """Return the rows of one of a table's objects, with the columns of a `read_schema` of it.

    Raises DamagedFileError if it is damaged or holds what no table holds, InputError if it cannot
    be read or is a newer resray's, and FileNotFoundError if it is not there.
    """
    place, table = f"{storage}/{key}", key.partition("/")[0]
    coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    try:
        # A path may look like an address to Arrow; and pq.read_table plans a dataset's scan first,
        # which takes longer than to read so small a file.
        source = pa.BufferReader(require_checksum(storage.get(key)))
        try:
            opened = pq.ParquetFile(source, read_dictionary=coded, page_checksum_verification=True)
        except KeyError:
            # An older version's file has not all of these columns.
            opened = pq.ParquetFile(source, page_checksum_verification=True)
        with opened as file:
            require_size(file.metadata.num_rows * file.metadata.num_columns * 8, place)
            require_columns(file.schema_arrow, read_schema(table, coded), place)
            rows = file.read(columns=schema.names, use_threads=False)
            rows = conform(of_this_version(rows, file.schema_arrow), schema)
            require_plain(rows, table)
            return rows
    except FileNotFoundError:
        # Expected: since the objects were listed, some were merged.
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        # Arrow's own errors have no number; the system's (no permission) are not about the content.
        if number := getattr(error, "errno", None):
            raise InputError(f"{place}: cannot be read ({os.strerror(number)})") from error
        raise DamagedFileError(
            f"{place}: damaged ({one_line(error)}); the `resray bench` or `resray tune` that "
            "trained its trials puts it aside and makes it again from their checkpoints"
        ) from error


def encoded(rows: pa.Table) -> bytes:
    """Return rows as a Parquet file with checksums: no number is ever read as another one."""
    made = io.BytesIO()
    pq.write_table(rows, made, row_group_size=ROWS_TOGETHER, write_page_checksum=True)
    content = made.getvalue()
    pages, footer = content[: footer_of(content)], content[footer_of(content) :]
    return pages + marked(pages, footer) + footer


def require_checksum(content: bytes) -> bytes:
    """Return a file's bytes; ValueError if they are others than were written.

    Older versions wrote no checksum over all of them.
    """
    end = footer_of(content)
    begin = max(0, end - len(MARK) - 4)
    found, footer = content[begin:end], content[end:]
    if found.startswith(MARK) and found != marked(content[:begin], footer):
        raise ValueError("its checksum differs")
    return content


def marked(pages: bytes, footer: bytes) -> bytes:
    """Return what stands between a file's pages and its footer."""
    return MARK + crc32(footer, crc32(pages)).to_bytes(4, "little")


def footer_of(content: bytes) -> int:
    """Return where a Parquet file's footer begins; its length stands 8 bytes before the end."""
    return max(0, len(content) - 8 - int.from_bytes(content[-8:-4], "little"))


def require_columns(found: pa.Schema, schema: pa.Schema, place: str) -> None:
    """Raise InputError for a file of a newer resray, ValueError if its columns are not those of
    its version: all of this one's, none but these of an older one's."""
    version = version_of(found)
    if version > VERSION:
        raise InputError(
            f"{place}: schema version {version} is newer than this resray reads (up to {VERSION}); "
            "upgrade resray"
        )
    if version == VERSION and not found.equals(schema):
        raise ValueError(f"its columns are not those of schema version {VERSION}")
    if strange := [name for name in found.names
                   if name not in schema.names or found.names.count(name) > 1]:  # fmt: skip
        raise ValueError(f"no column of this table, or there twice: {', '.join(sorted(strange))}")


def version_of(found: pa.Schema) -> int:
    """Return the version that a file is marked with."""
    return int((found.metadata or {}).get(VERSION_KEY, b"1"))


def of_this_version(rows: pa.Table, found: pa.Schema) -> pa.Table:
    """Return a file's rows with what an older version wrote otherwise as this one does: up to
    version 6 a trial's reductions were sentences."""
    if version_of(found) > 6 or "reductions" not in rows.column_names:
        return rows
    texts = [migrated(text) for text in rows["reductions"].to_pylist()]
    return rows.set_column(
        rows.column_names.index("reductions"), "reductions", pa.array(texts, pa.string())
    )


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Bring rows of this or an older version to the columns of a schema."""
    columns = [
        _of_type(rows[field.name], field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def require_plain(rows: pa.Table, table: str) -> None:
    """Raise ValueError for ids that lead out of the folder, epochs and times that cannot be."""
    for each in pc.unique(rows["trial_id"]).to_pylist():
        if not each or len(each) > LONGEST_ID or each in (".", "..") or {"/", "\0"} & {*each}:
            raise ValueError(f"{each!r:.99} is no trial's id")
    limits = {field.name: (0, LATEST) for field in rows.schema if field.type == UTC}
    if table == "epochs" and "epoch" in rows.column_names:
        limits["epoch"] = (1, MOST_EPOCHS)
    for name, (lowest, highest) in limits.items():
        numbers = rows[name].cast(pa.int64())
        # Of a time that is missing nothing is known, but an epoch has its number.
        found = pc.min_max(pc.fill_null(numbers, 0)).as_py()
        if len(rows) and not lowest <= found["min"] <= found["max"] <= highest:
            raise ValueError(f"{name} from {found['min']} to {found['max']}")


def _of_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)


def read_schema(
    table: str, coded: Collection[str] = (), columns: Collection[str] | None = None
) -> pa.Schema:
    """Return a table's schema with texts ``coded`` in dictionaries; of ``columns``, if named."""
    kind, schema = pa.dictionary(pa.int32(), pa.string()), table_schema(table)
    fields = [field.with_type(kind) if field.name in coded else field for field in schema
              if columns is None or field.name in columns]  # fmt: skip
    return pa.schema(fields, metadata=schema.metadata)
