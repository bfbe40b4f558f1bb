"""The result tables of one study: written by the one driver, read by anyone at any moment.

`resray.results.tables` says how they lie on disk. One process writes; a lock keeps a second one out
(`resray.results.lock`).
"""

import json
import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from resray.results.files import encoded
from resray.results.folders import require_results
from resray.results.schema import TABLES, table_schema
from resray.results.storage import LocalFolder, Storage
from resray.results.tables import (
    IN_PARTS,
    TRIALS,
    Parts,
    of_trials,
    read_each_once,
    table_keys,
    without,
)

Row = dict[str, Any]

LEAST_SECONDS = 1.0
"""Between two flushes that nobody asked for."""
LEAST_TIMES = 10
"""How many times as long as a flush takes no other one follows unasked."""
MOST_PENDING = 20_000
"""Epochs that wait in memory at most, however long a flush takes."""


def now() -> datetime:
    """Return the present moment in UTC, as the tables store it."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Held:
    """An epoch's row that is not to be written yet, and the columns of its trial's row after it."""

    row: Row
    columns: Row


class ResultStore:
    """The tables of one study, for the one process that writes them.

    What is put is known at once, and written together with other rows when it is due: about once a
    second, or whenever `flush` is called. Trials' rows are kept in memory; of the epochs those of
    the trials that were asked for, until they are released.
    """

    def __init__(self, folder: Path, storage: Storage | None = None) -> None:
        self.folder = folder
        self.storage = storage or LocalFolder(folder)
        self._parts = Parts(self.storage)
        self._pending: dict[str, list[Row]] = {table: [] for table in IN_PARTS}
        self._changed: set[str] = set()
        self._held: dict[str, dict[int, Held]] = {}
        self._flushed_at, self._flush_seconds = -math.inf, 0.0
        self.reload()

    def reload(self) -> None:
        """Forget what was read, as another process may have written since: for a command that has
        just got the lock."""
        self._rows: dict[str, Row] | None = None
        self._stored_trials = table_schema("trials").empty_table()
        self._epochs: dict[str, dict[int, Row]] = {}
        self._with_epochs: set[str] | None = None
        self._decisions: dict[str, list[Row]] | None = None

    def trial(self, trial_id: str) -> Row | None:
        """Return a trial's row, or None if the trial is not in the store."""
        row, held = self._all_trials().get(trial_id), self._held.get(trial_id)
        if row is None or not held:
            return row and dict(row)
        return {**row, **next(reversed(held.values())).columns}

    def trials(self) -> list[Row]:
        """Return the rows of all trials, in order of their ids."""
        return [row for each in sorted(self._all_trials()) if (row := self.trial(each)) is not None]

    def put_trial(self, row: Mapping[str, Any]) -> None:
        """Add or replace a trial's row; columns that ``row`` leaves out keep their value."""
        require_known("trials", row)
        trial_id, rows = row["trial_id"], self._all_trials()
        rows[trial_id] = {**rows.get(trial_id, {}), **row, "updated": now()}
        self._changed.add(trial_id)

    def epochs(self, trial_id: str) -> list[Row]:
        """Return a trial's epoch rows in order of epoch, those included that are held."""
        self.load_epochs([trial_id])
        held = {epoch: each.row for epoch, each in self._held.get(trial_id, {}).items()}
        rows = {**self._epochs[trial_id], **held}
        return [rows[epoch] for epoch in sorted(rows)]

    def load_epochs(self, trial_ids: Iterable[str]) -> None:
        """Read the epochs of many trials in one pass, for `epochs` to give them."""
        wanted = {*trial_ids} - self._epochs.keys()
        if not wanted:
            return
        self._epochs.update({trial_id: {} for trial_id in wanted})
        stored = wanted & self._trials_with_epochs()
        rows = of_trials(read_each_once(self.storage, "epochs"), stored) if stored else None
        for row in (*(rows.to_pylist() if rows else ()), *self._pending["epochs"]):
            if row["trial_id"] in wanted:
                self._epochs[row["trial_id"]][row["epoch"]] = row

    def accuracies(self, trial_ids: Collection[str]) -> list[Row]:
        """Return each epoch of some trials with its validation accuracy (%) and when it was
        recorded; nothing of it stays in memory."""
        self.flush()
        columns = ("trial_id", "epoch", "validation_accuracy", "recorded")
        rows = read_each_once(self.storage, "epochs", columns=columns).select(columns)
        return list(of_trials(rows, trial_ids).to_pylist())

    def release(self, trial_id: str) -> None:
        """Keep a trial's epochs in memory no longer; asked for again, they are read again."""
        self._epochs.pop(trial_id, None)

    def put_epochs(self, trial_id: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add epoch rows; a row of an epoch that is there already takes its place."""
        for row in rows:
            self._add("epochs", {"recorded": now(), **row})
            if trial_id in self._epochs:
                self._epochs[trial_id][row["epoch"]] = self._pending["epochs"][-1]

    def hold_epoch(self, trial_id: str, row: Mapping[str, Any], columns: Mapping[str, Any]) -> None:
        """Add an epoch's row, and what the trial's row says after it, without writing them yet;
        epochs come in their order."""
        self._held.setdefault(trial_id, {})[row["epoch"]] = Held(dict(row), dict(columns))

    def write_held(self, trial_id: str, up_to: float = math.inf) -> None:
        """Write the rows that are held of epochs up to ``up_to``, and what follows from them."""
        held = self._held.get(trial_id, {})
        ready = [held.pop(epoch) for epoch in [*takewhile(lambda each: each <= up_to, held)]]
        if ready:
            self.put_epochs(trial_id, [each.row for each in ready])
            self.put_trial({"trial_id": trial_id, **ready[-1].columns})

    def drop_held(self, trial_id: str) -> bool:
        """Forget the rows that are held of a trial, and return whether there were any."""
        return bool(self._held.pop(trial_id, None))

    def put_event(self, row: Mapping[str, Any]) -> None:
        """Add one event; its time is now unless it says otherwise."""
        self._add("events", {"time": now(), **row})

    def decisions(self, trial_id: str) -> list[Row]:
        """Return what schedulers decided on a trial, oldest first."""
        return [*self._all_decisions().get(trial_id, ())]

    def all_decisions(self) -> list[Row]:
        """Return all that schedulers decided, oldest first."""
        rows = chain.from_iterable(self._all_decisions().values())
        return sorted(rows, key=lambda row: row["decided"])

    def put_decision(self, row: Mapping[str, Any]) -> None:
        """Add one decision; its time is now unless it says otherwise.

        The epochs that it rests on are written with it.
        """
        self.write_held(row["trial_id"])
        row = {"decided": now(), **row}
        self._all_decisions().setdefault(row["trial_id"], []).append(row)
        self._add("decisions", row)

    def evaluations(self, identity: str) -> list[Row]:
        """Return the evaluations of a trial or of an ensemble."""
        rows = of_trials(read_each_once(self.storage, "evaluations"), [identity])
        return list(rows.to_pylist())

    def put_evaluations(self, identity: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write values at once; one with the same `EVALUATION_KEY` takes an older one's place."""
        for row in rows:
            self._add("evaluations", {"evaluated": now(), **row})
        self.flush()

    def predicted_epochs(self) -> dict[str, int]:
        """Return the epoch of which test predictions are stored, of each trial that has some."""
        self.flush()
        columns = ("trial_id", "kind", "epoch")
        rows = read_each_once(self.storage, "predictions", columns=columns).to_pylist()
        return {row["trial_id"]: row["epoch"] for row in rows if row["kind"] == "test"}

    def put_predictions(self, row: Mapping[str, Any]) -> None:
        """Add what a trial's network predicted, in place of what is there of that kind."""
        self._add("predictions", {"recorded": now(), **row})

    def forget(self, trial_ids: Collection[str]) -> None:
        """Remove everything that the tables hold of some trials (``--force``).

        Their own rows go last: a kill on the way leaves trials without their epochs, which the next
        command finds.
        """
        self.flush()
        gone = {*trial_ids}
        for table in IN_PARTS:
            also = self._ensembles_with(gone) if table == "evaluations" else set()
            self._parts.remove(table, gone | also)
        for rows in (self._epochs, self._held, self._all_trials(), self._all_decisions()):
            for trial_id in gone:
                rows.pop(trial_id, None)
        self._with_epochs = self._trials_with_epochs() - gone
        self._changed |= gone
        self.flush()

    def _ensembles_with(self, trial_ids: set[str]) -> set[str]:
        """Return the ensembles that one of the trials is a member of."""
        columns = ("trial_id", "members")
        rows = read_each_once(self.storage, "evaluations", columns=columns).select(columns)
        members = {row["trial_id"]: row["members"] for row in rows.to_pylist()}
        return {each for each, text in members.items() if trial_ids & {*json.loads(text or "[]")}}

    def flush_if_due(self) -> None:
        """Write what was put, unless it was done just now.

        For whoever can call it often, between two changes that each leave the tables as they are to
        be seen: what is put by itself writes nothing.
        """
        wait = max(LEAST_SECONDS, LEAST_TIMES * self._flush_seconds)
        due = time.monotonic() - self._flushed_at >= wait
        if due or len(self._pending["epochs"]) >= MOST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Write what was put: first the other tables' rows, then the trials'.

        So a row of `trials` never tells of what the others lack. Raises StorageError; what was not
        written then is written next time.
        """
        if not self._changed and not any(self._pending.values()):
            return
        begun = time.monotonic()
        for table, rows in self._pending.items():
            if rows:
                self._parts.add(table, pa.Table.from_pylist(rows, table_schema(table)))
                if table == "epochs" and self._with_epochs is not None:
                    self._with_epochs.update(row["trial_id"] for row in rows)
                rows.clear()
        if self._changed:
            self._write_trials()
        self._flushed_at = time.monotonic()
        self._flush_seconds = self._flushed_at - begun

    def _write_trials(self) -> None:
        """Write all trials; of those that have not changed, as they were encoded last time."""
        rows = self._all_trials()
        changed = [rows[trial_id] for trial_id in self._changed if trial_id in rows]
        encoded_again = pa.Table.from_pylist(changed, table_schema("trials"))
        kept = without(self._stored_trials, self._changed)
        self._stored_trials = pa.concat_tables([kept, encoded_again]).sort_by("trial_id")
        self.storage.put(TRIALS, encoded(self._stored_trials))
        for key in table_keys(self.storage, "trials"):
            if key != TRIALS:
                self.storage.delete(key)
        self._changed.clear()

    def compact(self) -> None:
        """Write what was put, and merge small parts: for the end of a command."""
        self.flush()
        for table in IN_PARTS:
            self._parts.compact(table)
        if {*table_keys(self.storage, "trials")} - {TRIALS}:
            self._all_trials()
            self._write_trials()

    def _add(self, table: str, row: Row) -> None:
        require_known(table, row)
        self._pending[table].append(row)

    def _all_trials(self) -> dict[str, Row]:
        if self._rows is None:
            self._stored_trials = read_each_once(self.storage, "trials")
            self._rows = {row["trial_id"]: row for row in self._stored_trials.to_pylist()}
        return self._rows

    def _trials_with_epochs(self) -> set[str]:
        """Return the trials that have epochs on disk."""
        if self._with_epochs is None:
            rows = read_each_once(self.storage, "epochs", columns=["trial_id"])
            self._with_epochs = {*rows["trial_id"].unique().to_pylist()}
        return self._with_epochs

    def _all_decisions(self) -> dict[str, list[Row]]:
        """Return the decisions on each trial, oldest first."""
        if self._decisions is None:
            self._decisions = {}
            for row in read_each_once(self.storage, "decisions").sort_by("decided").to_pylist():
                self._decisions.setdefault(row["trial_id"], []).append(row)
        return self._decisions


def require_known(table: str, row: Mapping[str, Any]) -> None:
    """Assert that a table has the columns of a row."""
    unknown = row.keys() - TABLES[table].keys()
    assert not unknown, f"{table} has no columns {sorted(unknown)}"


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
    return read_each_once(LocalFolder(folder), table, coded)
