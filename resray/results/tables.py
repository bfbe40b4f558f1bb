"""The result tables as objects of a storage: reading each row once, adding parts, merging them.

    trials/trials.parquet                     all trials, replaced whole
    <table>/part-<number>-<rows>.parquet      rows of each other table: parts are added and (but for
                                              ``--force``) never changed

Small parts are merged: a new one is put before the old ones are deleted, and a kill leaves both.
So whoever reads drops rows with the same key but the newest. That serves folders that were copied
twice as well, and those of older versions, which had files of one trial (``<trial_id>.parquet``)
and of many (``batch-<hash>.parquet``): these are merged like parts.
"""

import re
import time
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc

from resray.cpus import usable_cpus
from resray.results.files import encoded, read_object, read_schema
from resray.results.schema import table_schema
from resray.results.storage import Storage

TRIALS = "trials/trials.parquet"
EVALUATION_KEY = ("checkpoint", "kind", "condition", "dataset_checksum", "class", "metric")
"""What tells the values of one trial's (or ensemble's) evaluations apart."""
ROW_KEYS = {
    "trials": ("trial_id",),
    "epochs": ("trial_id", "epoch"),
    "events": ("trial_id", "time", "event", "attempt"),
    "decisions": ("trial_id", "decided", "search", "rung", "epoch"),
    "evaluations": ("trial_id", *EVALUATION_KEY),
    "predictions": ("trial_id", "kind"),
}
"""The columns of each table in which no two rows agree."""
WRITTEN = {
    "trials": "updated",
    "epochs": "recorded",
    "events": "time",
    "decisions": "decided",
    "evaluations": "evaluated",
    "predictions": "recorded",
}
"""The column of each that tells when a row was written."""
IN_PARTS = ("epochs", "predictions", "events", "decisions", "evaluations")
"""The tables that are parts, in the order in which rows are written: an event may tell of an end,
of which nothing else is to come."""

MOST_PARTS = 200
"""Parts that a command adds to a table before it merges the small ones."""
LARGE = 100_000
"""Rows from which on a part is left alone."""
PART_NAME = re.compile(r"/part-\d+-(\d+)\.parquet$")
TRIES = 10
"""How often objects that vanish while they are read are looked for again."""
READERS = min(8, usable_cpus())
"""How many objects are read at the same time."""


def table_keys(storage: Storage, table: str) -> list[str]:
    """Return the keys of a table's objects in order.

    They are listed until none has vanished meanwhile: a listing that is under way while parts are
    merged may miss the new part as well as the old ones.
    """
    keys, again = storage.list(f"{table}/"), storage.list(f"{table}/")
    while not set(keys) <= set(again):
        keys, again = again, storage.list(f"{table}/")
    return [key for key in again if key.endswith(".parquet")]


def read_each_once(
    storage: Storage,
    table: str,
    coded: Collection[str] = (),
    columns: Collection[str] | None = None,
) -> pa.Table:
    """Return all rows of a table, of those with the same key the newest.

    Texts ``coded`` come in dictionaries; of the columns none but ``columns``, if they are named,
    and those of the key and the time.
    """
    columns = None if columns is None else {*columns, *ROW_KEYS[table], WRITTEN[table]}
    schema = read_schema(table, coded, columns)
    for _ in range(TRIES):
        keys = table_keys(storage, table)
        try:
            rows = read_objects(storage, keys, schema)
        except FileNotFoundError as error:
            # Since they were listed, the writer has merged some.
            vanished = error
        else:
            return newest(rows, table) if len(keys) > 1 else rows
    raise vanished


def read_objects(storage: Storage, keys: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Return the rows of some objects of a table."""
    # Most of a small object's time passes outside of Python, so threads share it.
    with ThreadPoolExecutor(READERS) as pool:
        parts = pool.map(lambda key: read_object(storage, key, schema), keys)
        whole = pa.concat_tables([schema.empty_table(), *parts])
    rows = whole.unify_dictionaries().combine_chunks()
    # What decoding took, twice the size of the rows, is kept for the next time otherwise.
    pa.default_memory_pool().release_unused()
    return rows


def newest(rows: pa.Table, table: str) -> pa.Table:
    """Return rows without those that have a newer one with the same key, or an equal one after."""
    names = ROW_KEYS[table]
    # A dictionary's texts are no keys to group by.
    texts = [rows[name].cast(pa.string()) if pa.types.is_dictionary(rows[name].type) else rows[name]
             for name in names]  # fmt: skip
    keys = pa.table(dict(zip(names, texts, strict=True)))
    if keys.group_by(names).aggregate([]).num_rows == len(rows):
        return rows
    # Of a row without a time nothing is known: any other one is newer.
    order = pc.sort_indices(pc.fill_null(rows[WRITTEN[table]].cast(pa.int64()), -1))
    ordered = keys.take(order).append_column("place", pa.chunked_array([order]))
    last = ordered.group_by(names, use_threads=False).aggregate([("place", "last")])["place_last"]
    return rows.take(last.take(pc.sort_indices(last)))


class Parts:
    """The tables that are parts, for the one process that writes them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._last_number = 0
        self._added: Counter[str] = Counter()
        self._rows_added: Counter[str] = Counter()

    def add(self, table: str, rows: pa.Table) -> None:
        """Add rows; of a command that adds many parts, merge them on the way."""
        self._put(table, rows)
        self._added[table] += 1
        self._rows_added[table] += len(rows)
        if self._added[table] >= MOST_PARTS or self._rows_added[table] >= LARGE:
            keys = table_keys(self._storage, table)
            self._merge(table, [key for key in keys if rows_of(key) < LARGE])

    def compact(self, table: str) -> None:
        """Merge what is small or of an older version; all, if rows are there twice."""
        keys = table_keys(self._storage, table)
        small = [key for key in keys if rows_of(key) < LARGE]
        if len(keys) > 1 and self._has_duplicates(table, keys):
            self._merge(table, keys)
        elif len(small) > 1 or not all(map(PART_NAME.search, small)):
            self._merge(table, small)

    def _has_duplicates(self, table: str, keys: Sequence[str]) -> bool:
        schema = read_schema(table, columns=(*ROW_KEYS[table], WRITTEN[table]))
        rows = read_objects(self._storage, keys, schema)
        return len(newest(rows, table)) < len(rows)

    def _merge(self, table: str, keys: Sequence[str]) -> None:
        rows = newest(read_objects(self._storage, keys, table_schema(table)), table)
        order = "epoch" if table == "epochs" else WRITTEN[table]
        self._put(table, rows.sort_by([("trial_id", "ascending"), (order, "ascending")]))
        for key in keys:
            self._storage.delete(key)
        self._added[table] = self._rows_added[table] = 0

    def remove(self, table: str, trial_ids: Collection[str]) -> None:
        """Rewrite the parts that hold rows of these trials without them (``--force``)."""
        for key in table_keys(self._storage, table):
            rows = read_object(self._storage, key, table_schema(table))
            kept = without(rows, trial_ids)
            if not len(kept):
                self._storage.delete(key)
            elif len(kept) < len(rows):
                self._storage.put(key, encoded(kept))

    def _put(self, table: str, rows: pa.Table) -> None:
        content = encoded(rows)
        while not self._storage.put_if_absent(self._next_key(table, len(rows)), content):
            continue

    def _next_key(self, table: str, rows: int) -> str:
        self._last_number = max(self._last_number + 1, time.time_ns())
        return f"{table}/part-{self._last_number:020}-{rows}.parquet"


def rows_of(key: str) -> int:
    """Return the rows with which a part was put; 0 of what older versions wrote."""
    named = PART_NAME.search(key)
    return int(named[1]) if named else 0


def of_trials(rows: pa.Table, trial_ids: Collection[str]) -> pa.Table:
    """Return the rows of these trials."""
    return rows.filter(_is_of(rows, trial_ids))


def without(rows: pa.Table, trial_ids: Collection[str]) -> pa.Table:
    """Return the rows of all other trials."""
    return rows.filter(pc.invert(_is_of(rows, trial_ids)))


def _is_of(rows: pa.Table, trial_ids: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(rows["trial_id"], pa.array([*trial_ids], pa.string()))
