"""What lies beside the tables, or is in their way: from the one they are made again, the other is
put aside."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from resray.results.batches import read_each_once
from resray.results.files import WRITING, DamagedFileError, read_file, table_files
from resray.results.schema import TABLES, table_schema
from resray.results.summary import summarise

Row = dict[str, Any]

ASIDE = "damaged"
"""Folder beside the tables' for files that cannot be read."""
AFTERWARDS = {
    "trials": "a command that trains its trials makes their rows again from their checkpoints, but "
    "for when they ran, what that cost and whether they had their device to themselves",
    "epochs": "what the checkpoints' metrics.json hold of it comes back now",
    "events": "what happened when is lost",
    "decisions": "the search decides again where it was decided",
    "evaluations": "`resray evaluate` measures it again",
}
"""What becomes of what a damaged file held."""


def put_damaged_aside(folder: Path) -> Iterator[str]:
    """Move the damaged files of the tables out of the way, and yield a line on each."""
    for table in TABLES:
        try:
            read_each_once(folder, table)
            continue
        except DamagedFileError:
            files = table_files(folder, table)
        for path in files:
            try:
                read_file(path, table)
            except DamagedFileError as error:
                place = folder / ASIDE / table / f"{path.name}.{path.lstat().st_mtime_ns}"
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
                yield f"{path}: damaged ({error.reason}); moved to {place}. {AFTERWARDS[table]}"


def remove_remains(folder: Path) -> None:
    """Remove the half files of killed commands; older versions left them in the tables."""
    half = [path for table in TABLES for path in (folder / table).glob(".*.parquet.*")]
    for path in [*half, *(folder / WRITING).glob("*")]:
        path.unlink(missing_ok=True)


def recorded_epochs(folder: Path) -> dict[str, int]:
    """Return how many epochs the tables hold of each trial, 0 if some are missing in between."""
    rows = read_each_once(folder, "epochs").select(["trial_id", "epoch"])
    counts = rows.group_by("trial_id").aggregate([("epoch", "count_distinct"), ("epoch", "max")])
    return {
        row["trial_id"]: row["epoch_max"] if row["epoch_max"] == row["epoch_count_distinct"] else 0
        for row in counts.to_pylist()
    }


def kept_records(checkpoints: Path) -> list[Row]:
    """Return the records of all epochs that lie beside a trial's checkpoints, if readable."""
    try:
        records = kept(checkpoints / "metrics.json", "records")
        epoch_rows(records)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    return list(records)


def kept_facts(checkpoints: Path) -> Row:
    """Return what lies there of a trial's row, as `resray.training.trial` told it."""
    try:
        facts = kept(checkpoints / "config.json", "facts")
        own = {key: value for key, value in facts.items() if key in TABLES["trials"]}
        require_columns([own], "trials")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}
    return {**own, "note": facts.get("note")}


def kept(path: Path, key: str) -> Any:
    """Return what a JSON file holds under a key."""
    return json.loads(path.read_text(encoding="utf-8"))[key] if path.is_file() else None


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
