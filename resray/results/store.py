"""The result tables on disk: one Parquet file per trial in each table, replaced whole by rename.

    <results>/<study>/trials/<trial_id>.parquet    one row
    <results>/<study>/epochs/<trial_id>.parquet    one row per epoch
    <results>/<study>/events/<trial_id>.parquet    one row per start, end or failure
    <results>/<study>/evaluations/<id>.parquet     one row per value of `resray evaluate`
    <results>/<study>/decisions/<trial_id>.parquet one row per decision of `resray tune`

A reader sees either the old file or the new one, never half of one, so the folders can be read at
any moment, also after a kill -9. At the end of a command the files of many trials become one
(`resray.results.batches`). One process writes (the driver); a lock keeps a second one out.
"""

import fcntl
import json
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from resray.errors import InputError
from resray.files import storage_errors
from resray.results.batches import BATCHED, Batches, read_each_once
from resray.results.files import WRITING, read_file, write_file
from resray.results.folders import require_results
from resray.results.schema import TABLES, table_schema

Row = dict[str, Any]

EVALUATION_KEY = ("checkpoint", "kind", "condition", "dataset_checksum", "class", "metric")
"""What tells the values of one trial's (or ensemble's) evaluations apart."""
LOCK_TRIES, LOCK_PAUSE = 5, 0.05
"""How often the writer's lock is tried, and the seconds between two tries."""


def now() -> datetime:
    """Return the present moment in UTC, as the tables store it."""
    return datetime.now(UTC)


class ResultStore:
    """The tables of one study, written trial by trial.

    Rows of trials that are already on disk are read when first asked for, so a store opened on an
    earlier command's folder goes on where that ended.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._epochs: dict[str, dict[int, Row]] = {}
        self._trials: dict[str, Row] = {}
        self._events: dict[str, list[Row]] = {}
        self._held: dict[str, dict[int, Held]] = {}
        self._batches = Batches(folder)

    def compact(self) -> None:
        """Put the files of many trials together; for the end of a command."""
        self._batches.put_together()

    def trial(self, trial_id: str) -> Row | None:
        """Return a trial's row, or None if the trial is not in the store."""
        row = self._written_trial(trial_id)
        held = self._held.get(trial_id, {})
        return row if row is None or not held else {**row, **held[max(held)].columns}

    def _written_trial(self, trial_id: str) -> Row | None:
        if trial_id not in self._trials:
            rows = self._read("trials", trial_id)
            if not rows:
                return None
            self._trials[trial_id] = rows[0]
        return dict(self._trials[trial_id])

    def trials(self) -> list[Row]:
        """Return the rows of all trials, in order of their ids."""
        rows = read_each_once(self.folder, "trials")
        unread = pc.invert(pc.is_in(rows["trial_id"], pa.array([*self._trials], pa.string())))
        read = {row["trial_id"]: row for row in rows.filter(unread).to_pylist()}
        self._trials = {**read, **self._trials}
        return [row for each in sorted(self._trials) if (row := self.trial(each)) is not None]

    def epochs(self, trial_id: str) -> list[Row]:
        """Return a trial's epoch rows in order of epoch."""
        held = {epoch: each.row for epoch, each in self._held.get(trial_id, {}).items()}
        return in_order({**self._epochs_by_number(trial_id), **held})

    def events(self, trial_id: str) -> list[Row]:
        """Return a trial's events, oldest first."""
        if trial_id not in self._events:
            self._events[trial_id] = self._read("events", trial_id)
        return self._events[trial_id]

    def put_trial(self, row: Mapping[str, Any]) -> None:
        """Add or replace a trial's row; columns that ``row`` leaves out keep their value."""
        trial_id = row["trial_id"]
        merged = {**(self._written_trial(trial_id) or {}), **row, "updated": now()}
        self._trials[trial_id] = merged
        self._write("trials", trial_id, [merged])

    def put_epochs(self, trial_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add epoch rows; a row of an epoch that is there already takes its place."""
        by_number = self._epochs_by_number(trial_id)
        by_number.update({row["epoch"]: dict(row) for row in rows})
        self._write("epochs", trial_id, in_order(by_number))

    def hold_epoch(self, trial_id: str, row: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """Add an epoch's row, and what the trial's row says after it, without writing them yet."""
        self._held.setdefault(trial_id, {})[row["epoch"]] = Held(dict(row), dict(columns))

    def write_held(self, trial_id: str, up_to: float = math.inf) -> None:
        """Write the rows that are held of epochs up to ``up_to``, and what follows from them."""
        held = self._held.get(trial_id, {})
        ready = [held[epoch] for epoch in sorted(held) if epoch <= up_to]
        if not ready:
            return
        self.put_epochs(trial_id, [each.row for each in ready])
        self.put_trial({"trial_id": trial_id, **ready[-1].columns})
        for each in ready:
            del held[each.row["epoch"]]

    def drop_held(self, trial_id: str) -> bool:
        """Forget the rows that are held of a trial, and return whether there were any."""
        return bool(self._held.pop(trial_id, None))

    def put_event(self, row: Mapping[str, Any]) -> None:
        """Append one event; its time is now unless it says otherwise."""
        rows = self.events(row["trial_id"])
        rows.append({"time": now(), **row})
        self._write("events", row["trial_id"], rows)

    def decisions(self, trial_id: str) -> list[Row]:
        """Return what schedulers decided on a trial, oldest first."""
        return self._read("decisions", trial_id)

    def put_decision(self, row: Mapping[str, Any]) -> None:
        """Append one decision; its time is now unless it says otherwise.

        The epochs that it rests on are written before it.
        """
        self.write_held(row["trial_id"])
        rows = self.decisions(row["trial_id"])
        self._write("decisions", row["trial_id"], [*rows, {"decided": now(), **row}])

    def forget(self, trial_id: str) -> None:
        """Remove everything that the tables hold of a trial (``--force``)."""
        for table in TABLES:
            if table in BATCHED:
                self._batches.take_apart(table, trial_id)
            self._path(table, trial_id).unlink(missing_ok=True)
        for rows in (self._epochs, self._trials, self._events, self._held):
            rows.pop(trial_id, None)
        self._forget_ensembles(trial_id)

    def evaluations(self, identity: str) -> list[Row]:
        """Return the evaluations of a trial or of an ensemble."""
        return self._read("evaluations", identity)

    def put_evaluations(self, identity: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add values; one with the same `EVALUATION_KEY` takes the place of the older one."""
        merged: dict[tuple[Any, ...], Row] = {}
        for row in [*self.evaluations(identity), *({"evaluated": now(), **row} for row in rows)]:
            merged[tuple(row.get(column) for column in EVALUATION_KEY)] = row
        self._write("evaluations", identity, list(merged.values()))

    def _forget_ensembles(self, trial_id: str) -> None:
        """Remove the evaluations of ensembles that the trial is a member of."""
        for path in (self.folder / "evaluations").glob("[!._]*.parquet"):
            rows = self.evaluations(path.stem)
            if any(trial_id in json.loads(row["members"] or "[]") for row in rows):
                path.unlink()

    def _epochs_by_number(self, trial_id: str) -> dict[int, Row]:
        if trial_id not in self._epochs:
            rows = self._read("epochs", trial_id)
            self._epochs[trial_id] = {row["epoch"]: row for row in rows}
        return self._epochs[trial_id]

    def _path(self, table: str, trial_id: str) -> Path:
        return self.folder / table / f"{trial_id}.parquet"

    def _read(self, table: str, trial_id: str) -> list[Row]:
        if table in BATCHED:
            return self._batches.rows(table, trial_id)
        path = self._path(table, trial_id)
        return read_file(path, table).to_pylist() if path.exists() else []

    def _write(self, table: str, trial_id: str, rows: list[Row]) -> None:
        schema = table_schema(table)
        unknown_columns = {key for row in rows for key in row} - set(schema.names)
        assert not unknown_columns, f"{table} has no columns {sorted(unknown_columns)}"
        if table in BATCHED:
            self._batches.take_apart(table, trial_id)
        write_file(self._path(table, trial_id), pa.Table.from_pylist(rows, schema=schema))


@dataclass(frozen=True)
class Held:
    """An epoch's row that is not written yet, and the columns of its trial's row after it."""

    row: Row
    columns: Row


def in_order(epochs: Mapping[int, Row]) -> list[Row]:
    """Return rows in order of their epoch."""
    return [epochs[epoch] for epoch in sorted(epochs)]


def read_table(folder: Path, table: str) -> pd.DataFrame:
    """Return one of the tables (a key of `TABLES`) of one study's results folder.

    A table that has no files yet is empty, with its columns. Raises InputError if ``folder`` holds
    no results at all.
    """
    return read_rows(folder, table).to_pandas()


def read_rows(folder: Path, table: str, coded: tuple[str, ...] = ()) -> pa.Table:
    """Return the same as `read_table` does, in Arrow's form.

    Of the text columns ``coded`` each different text is kept once, in a dictionary: a trial's
    settings take more room than all of its numbers and repeat themselves.
    """
    require_results(folder)
    return read_each_once(folder, table, coded)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the one writer's place in a study's results folder.

    Raises InputError if another process holds it, or if the folder cannot be one; StorageError if
    its disk cannot be written. The lock goes with the process, however that ends.
    """
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with --out DIR"
        ) from error
    with os.fdopen(descriptor, "r+") as file:
        if not is_taken(file, folder):
            raise InputError(
                f"{folder}: another resray (process {file.read().strip() or 'unknown'}) is writing "
                "here; wait for it, or give this run a folder of its own with --out DIR"
            )
        # Whoever is kept out is told the number; without room for it, nobody's.
        with suppress(OSError):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / WRITING).rmdir()


def is_taken(file: TextIO, folder: Path) -> bool:
    """Lock a file for this process and return whether that succeeded.

    Who asks whether it is held (`is_held`) holds it for some microseconds, hence several tries.
    Where the file system has no locks it says so, and nobody is kept out.
    """
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
            continue
        except OSError as error:
            text = f"no locks here ({error.strerror}), so a second resray is not kept out"
            print(f"resray: {folder}: {text}", file=sys.stderr)
        return True
    return False


def is_held(folder: Path) -> bool:
    """Return whether a process writes to a study's results folder.

    The lock is asked, not the process number in its file: that one stays there when the process has
    ended, and may be another process's by now.
    """
    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # Nobody has written here yet, or the file system has no locks.
        return False
    return False
