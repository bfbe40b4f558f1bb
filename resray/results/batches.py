"""Batches: the files of many trials as one, so that a folder of thousands of trials reads fast.

    <results>/<study>/epochs/batch-<hash>.parquet    the rows of up to 1,000 trials

Batches are made when a command ends, and taken apart again before one of their trials is written.
So whatever a batch holds of a trial equals what the trial's own file holds, if there is one too: a
process that is killed on the way leaves rows twice, never other ones and never a gap.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resray.results.files import read_file, read_files, table_files, write_file
from resray.results.schema import table_schema

FEWEST, LARGEST = 100, 1000
"""Trials of a batch."""
PREFIX = "batch-"
TRIES = 10
"""How often files that vanish while they are read are looked for again."""
BATCHED = ("trials", "epochs", "events", "decisions")
"""Tables that have a file for every trial; of evaluations there are few."""

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
        """Return the trials of a table that are in a batch, each with its batch."""
        if table not in self._members:
            batches = filter(is_batch, table_files(self.folder, table))
            self._members[table] = {trial_id: path for path in batches
                                    for trial_id in trial_ids(path)}  # fmt: skip
        return self._members[table]

    def rows(self, table: str, trial_id: str) -> list[Row]:
        """Return a trial's rows in its batch; none if it is in no batch."""
        path = self.members(table).get(trial_id)
        return of_trial(self._read(table, path), trial_id).to_pylist() if path else []

    def take_apart(self, table: str, trial_id: str) -> None:
        """Give every trial of a trial's batch a file of its own again, if it is in one."""
        path = self.members(table).get(trial_id)
        if path is None:
            return
        rows = self._read(table, path)
        for one in trial_ids(path):
            own = self.folder / table / f"{one}.parquet"
            if not own.exists():
                write_file(own, of_trial(rows, one))
        path.unlink()
        self._forget(table)

    def put_together(self) -> None:
        """Make batches of the trials that have files of their own, where these are many."""
        for table in BATCHED:
            files = [file for file in table_files(self.folder, table) if not is_batch(file)]
            # Killed in this very place, a command leaves files of what is in a batch already.
            already = self.members(table)
            for file in (file for file in files if file.stem in already):
                file.unlink()
            left = [file for file in files if file.stem not in already]
            for first in range(0, len(left) if len(left) >= FEWEST else 0, LARGEST):
                self._make(table, left[first : first + LARGEST])
            self._forget(table)

    def _make(self, table: str, files: list[Path]) -> None:
        name = hashlib.sha256("\n".join(file.stem for file in files).encode()).hexdigest()[:16]
        write_file(self.folder / table / f"{PREFIX}{name}.parquet", read_files(files, table))
        for file in files:
            file.unlink()

    def _read(self, table: str, path: Path) -> pa.Table:
        """Return a batch's rows; those of the last one that was asked for are kept."""
        if self._open is None or self._open[0] != path:
            self._open = (path, read_file(path, table_schema(table)))
        return self._open[1]

    def _forget(self, table: str) -> None:
        self._members.pop(table, None)
        self._open = None


def trial_ids(path: Path) -> list[str]:
    """Return the trials of a batch."""
    with pq.ParquetFile(path) as file:
        return [str(one) for one in pc.unique(file.read(["trial_id"])["trial_id"]).to_pylist()]


def of_trial(rows: pa.Table, trial_id: str) -> pa.Table:
    return rows.filter(pc.equal(rows["trial_id"], trial_id))


def read_each_once(folder: Path, table: str, coded: tuple[str, ...] = ()) -> pa.Table:
    """Return all rows of a table; of a trial in a batch that has a file of its own, those of it."""
    for _ in range(TRIES):
        try:
            return rows_of(table_files(folder, table), table, coded)
        except FileNotFoundError:
            # Since the files were listed, a command put some together or took a batch apart.
            continue
    return rows_of(table_files(folder, table), table, coded)


def rows_of(files: Sequence[Path], table: str, coded: tuple[str, ...]) -> pa.Table:
    own = [file for file in files if not is_batch(file)]
    batched = read_files([file for file in files if is_batch(file)], table, coded)
    if not own:
        return batched
    named = pa.array([file.stem for file in own], pa.string())
    twice = pc.is_in(batched["trial_id"].cast(pa.string()), named)
    others = batched.filter(pc.invert(twice))
    return pa.concat_tables([others, read_files(own, table, coded)]).unify_dictionaries()
