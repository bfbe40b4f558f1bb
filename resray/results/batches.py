"""Batches: the files of many trials as one, so that a folder of thousands of trials reads fast.

    <results>/<study>/epochs/batch-<hash>.parquet    the rows of up to 1,000 trials

Batches are made when a command ends, and taken apart again before one of their trials is written.
So whatever a batch holds of a trial equals what the trial's own file holds, if there is one too: a
process that is killed on the way leaves rows twice, never other ones and never a gap. In a folder
that was copied twice they may differ, if the second copy left files of the first one: then those
count that were written last.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resray.results.files import (
    joined,
    read_file,
    read_parts,
    table_files,
    write_file,
)

FEWEST, LARGEST = 100, 1000
"""Trials of a batch."""
PREFIX = "batch-"
TRIES = 10
"""How often files that vanish while they are read are looked for again."""
BATCHED = ("trials", "epochs", "events", "decisions")
"""Tables that have a file for every trial; of evaluations there are few."""
TIMES = {"trials": "updated", "epochs": "recorded", "events": "time", "decisions": "decided"}
"""The column of each that tells when a row was written."""

Row = dict[str, Any]


def is_batch(path: Path) -> bool:
    return path.name.startswith(PREFIX)


class Batches:
    """The batches of one study's tables, for the one process that writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._members: dict[str, dict[str, Path]] = {}
        self._open: tuple[Path, pa.Table] | None = None

    def members(self, table: str) -> dict[str, Path]:
        """Return the trials of a table that are in a batch, each with its (newest) batch."""
        if table not in self._members:
            batches = filter(is_batch, table_files(self.folder, table))
            oldest_first = sorted(batches, key=lambda path: path.stat().st_mtime_ns)
            self._members[table] = {trial_id: path for path in oldest_first
                                    for trial_id in ids_in(self._read(table, path))}  # fmt: skip
        return self._members[table]

    def rows(self, table: str, trial_id: str) -> list[Row]:
        """Return a trial's rows, of its own file or its batch; none if it has neither."""
        batched, own = self._batched(table, trial_id), self._own(table, trial_id)
        if batched is None or (own is not None and not is_newer(batched, own, table)):
            return [] if own is None else own.to_pylist()
        return batched.to_pylist()

    def take_apart(self, table: str, trial_id: str) -> None:
        """Give every trial of a trial's batch a file of its own again, if it is in one."""
        while (path := self.members(table).get(trial_id)) is not None:
            rows = self._read(table, path)
            try:
                for one in ids_in(rows):
                    batched, own = of_trial(rows, one), self._own(table, one)
                    if own is None or is_newer(batched, own, table):
                        write_file(self._path(table, one), batched)
                path.unlink()
            finally:
                self._forget(table)

    def put_together(self) -> None:
        """Make batches of the trials that have files of their own, where these are many."""
        for table in BATCHED:
            # Also if it fails, or is interrupted, on the way: what it has done by then counts.
            try:
                self._settle(table)
                left = own_files(self.folder, table)
                for first in range(0, len(left) if len(left) >= FEWEST else 0, LARGEST):
                    self._make(table, left[first : first + LARGEST])
            finally:
                self._forget(table)

    def _settle(self, table: str) -> None:
        """Leave each trial in one place.

        Killed while it makes a batch, a command leaves files of what is in the batch already.
        """
        for file in own_files(self.folder, table):
            batched, own = self._batched(table, file.stem), self._own(table, file.stem)
            if batched is None or own is None:
                continue
            if own.equals(batched) or is_newer(batched, own, table):
                file.unlink()
            else:
                self.take_apart(table, file.stem)

    def _make(self, table: str, files: list[Path]) -> None:
        name = hashlib.sha256("\n".join(file.stem for file in files).encode()).hexdigest()[:16]
        write_file(
            self.folder / table / f"{PREFIX}{name}.parquet", joined(read_parts(files, table), table)
        )
        for file in files:
            file.unlink()

    def _path(self, table: str, trial_id: str) -> Path:
        return self.folder / table / f"{trial_id}.parquet"

    def _own(self, table: str, trial_id: str) -> pa.Table | None:
        """Return the rows of a trial's own file, if it has one."""
        try:
            return read_file(self._path(table, trial_id), table)
        except FileNotFoundError:
            return None

    def _batched(self, table: str, trial_id: str) -> pa.Table | None:
        """Return a trial's rows in its batch, if it is in one."""
        path = self.members(table).get(trial_id)
        # One that is gone was taken apart by the process that writes here, into files of their own.
        if path is None or not path.exists():
            return None
        return of_trial(self._read(table, path), trial_id)

    def _read(self, table: str, path: Path) -> pa.Table:
        """Return a batch's rows; those of the last one that was asked for are kept."""
        if self._open is None or self._open[0] != path:
            self._open = (path, read_file(path, table))
        return self._open[1]

    def _forget(self, table: str) -> None:
        self._members.pop(table, None)
        self._open = None


def ids_in(rows: pa.Table) -> list[str]:
    """Return the trials of some rows."""
    return list(pc.unique(rows["trial_id"]).to_pylist())


def of_trial(rows: pa.Table, trial_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["trial_id"], trial_id))


def own_files(folder: Path, table: str) -> list[Path]:
    """Return the files of a table that hold a single trial."""
    return [file for file in table_files(folder, table) if not is_batch(file)]


def is_newer(batched: pa.Table, own: pa.Table, table: str) -> bool:
    """Return whether a trial's rows in a batch were written after those in its own file."""
    last, last_own = (max(last_times(rows, table).values(), default=-1) for rows in (batched, own))
    return last > last_own


def last_times(rows: pa.Table, table: str) -> dict[str, int]:
    """Return for each trial when the newest of its rows was written, -1 if none of them says so."""
    # A dictionary's texts are no keys to group by.
    ids, times = rows["trial_id"].cast(pa.string()), rows[TIMES[table]].cast(pa.int64())
    found = pa.table({"id": ids, "time": times}).group_by("id").aggregate([("time", "max")])
    pairs = zip(found["id"].to_pylist(), found["time_max"].to_pylist(), strict=True)
    return {trial_id: -1 if time is None else time for trial_id, time in pairs}


def read_each_once(folder: Path, table: str, coded: tuple[str, ...] = ()) -> pa.Table:
    """Return all rows of a table; of a trial in several files, those that were written last."""
    for _ in range(TRIES):
        try:
            return rows_of(table_files(folder, table), table, coded)
        except FileNotFoundError:
            # Since the files were listed, a command put some together or took a batch apart.
            continue
    return rows_of(table_files(folder, table), table, coded)


def rows_of(files: Sequence[Path], table: str, coded: tuple[str, ...]) -> pa.Table:
    # Of rows that are equally old, those of the trial's own file count, which stands last.
    ordered = sorted(files, key=lambda file: not is_batch(file))
    parts = read_parts(ordered, table, coded)
    if ordered and is_batch(ordered[0]):
        for place, outdated in superseded(ordered, parts, table).items():
            ids = parts[place]["trial_id"].cast(pa.string())
            old = pc.is_in(ids, pa.array(sorted(outdated), pa.string()))
            parts[place] = parts[place].filter(pc.invert(old))
    return joined(parts, table, coded)


def superseded(files: Sequence[Path], parts: Sequence[pa.Table], table: str) -> dict[int, set[str]]:
    """Return, by the place of a file, the trials of which another file's rows count."""
    places: dict[str, list[int]] = {}
    for place, (file, part) in enumerate(zip(files, parts, strict=True)):
        ids = ids_in(part) if is_batch(file) else [file.stem]
        for trial_id in ids:
            places.setdefault(trial_id, []).append(place)
    several = {trial_id: found for trial_id, found in places.items() if len(found) > 1}
    times = {place: last_times(parts[place], table)
             for place in {place for found in several.values() for place in found}}  # fmt: skip
    old: dict[int, set[str]] = {}
    for trial_id, found in several.items():
        newest = max(found, key=lambda place: (times[place].get(trial_id, -1), place))
        for place in found:
            if place != newest:
                old.setdefault(place, set()).add(trial_id)
    return old
