"""What lies beside the tables, or is in their way: from the one they are made again, the other is
put aside."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import pyarrow as pa

from resray.files import read_json
from resray.results.files import DamagedFileError, read_object
from resray.results.schema import TABLES, table_schema
from resray.results.storage import WRITING, Storage
from resray.results.summary import summarise
from resray.results.tables import READERS, read_each_once, table_keys

Row = dict[str, Any]

ASIDE = "damaged"
"""Folder beside the tables' for files that cannot be read."""


def put_damaged_aside(storage: Storage) -> Iterator[str]:
    """Move the damaged objects of the tables out of the way, and yield a line on each."""
    keys = [key for table in TABLES for key in table_keys(storage, table)]
    with ThreadPoolExecutor(READERS) as pool:
        damaged = compress(keys, [*pool.map(partial(is_damaged, storage), keys)])
    for key in damaged:
        table, _, name = key.partition("/")
        aside = f"{ASIDE}/{table}-{name.removesuffix('.parquet')}-{time.time_ns()}"
        # A pipe holds nothing to keep.
        with suppress(ValueError):
            storage.put(aside, storage.get(key))
        storage.delete(key)
        yield (
            f"{storage}/{key}: damaged, moved to {storage}/{aside}; rows and epochs come back from "
            "the checkpoints, predictions by `resray evaluate`; events, decisions and evaluations "
            "do not"
        )


def is_damaged(storage: Storage, key: str) -> bool:
    """Return whether a table's object holds what nobody wrote; InputError if it cannot be read."""
    try:
        read_object(storage, key, table_schema(key.partition("/")[0]))
    except DamagedFileError:
        return True
    return False


def remove_remains(folder: Path) -> None:
    """Remove the half files of killed commands; older versions left them in the tables."""
    half = [path for table in TABLES for path in (folder / table).glob(".*.parquet.*")]
    for path in [*half, *(folder / WRITING).glob("*")]:
        path.unlink(missing_ok=True)


def recorded_epochs(storage: Storage) -> dict[str, int]:
    """Return how many epochs the tables hold of each trial, 0 if some are missing in between."""
    rows = read_each_once(storage, "epochs", columns=()).to_pandas()
    found = rows.groupby("trial_id")["epoch"].agg(["nunique", "max"])
    return dict(found["max"].where(found["nunique"] == found["max"], 0))


def last_events(storage: Storage) -> dict[str, Row]:
    """Return the latest event of each trial."""
    columns = ("trial_id", "time", "event", "attempt", "detail")
    rows = read_each_once(storage, "events", columns=columns).select(columns).sort_by("time")
    return {row["trial_id"]: row for row in rows.to_pylist()}


def kept_beside(checkpoints: Path) -> tuple[list[Row], Row]:
    """Return the records of all epochs that lie beside a trial's checkpoints, and the facts that it
    told of itself; nothing where that cannot be read."""
    try:
        paths = [checkpoints / name for name in ("metrics.json", "config.json")]
        metrics, config = map(read_json, paths)
        epoch_rows(metrics["records"])
        facts = config.get("facts", {})
        require_columns([{key: facts[key] for key in facts.keys() - {"pid", "note"}}], "trials")
        return metrics["records"], facts
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return [], {}


def epoch_rows(records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a checkpoint's records as rows of the epochs table, but for whose they are.

    Raises ValueError unless there is one for each epoch from 1 on, with what a summary needs.
    """
    try:
        rows = [{**each, "recorded": datetime.fromisoformat(each["recorded"])} for each in records]
        if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
            raise ValueError("not one for each epoch from 1 on")
        require_columns(rows, "epochs")
        summarise(rows)
    except (TypeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"not records of epochs ({error})") from error
    return rows


def require_columns(rows: Sequence[Row], table: str) -> None:
    """Raise ValueError unless rows are such as a table takes."""
    schema = table_schema(table)
    if unknown := {key for row in rows for key in row} - set(schema.names):
        raise ValueError(f"{table} have no columns {', '.join(sorted(unknown))}")
    try:
        pa.Table.from_pylist(rows, schema=schema)
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(f"not what {table} hold ({error})") from error
