"""A session with the result store that is killed at every so many of its storage's operations.

    python -m tests.faults.store_session FOLDER EVERY

Each session, and each look at what it left, is a process of its own, forked from one that has
imported everything and started no thread. Prints how many operations there were.
"""

import itertools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from resray.results.schema import TABLES
from resray.results.storage import LocalFolder
from resray.results.store import ResultStore, read_table
from tests.table_files import in_older_layout

KEYS = {
    "trials": ["trial_id"],
    "epochs": ["trial_id", "epoch"],
    "events": ["trial_id", "event"],
    "decisions": ["trial_id", "rung"],
    "evaluations": ["trial_id", "kind"],
    "predictions": ["trial_id", "kind"],
}
TIMES = ["updated", "recorded", "time", "decided", "evaluated"]
KILLED = 9
Keys = dict[str, set[tuple[Any, ...]]]


class KilledStorage:
    """Storage whose process ends in place of the operation with a number."""

    def __init__(self, folder: Path, at: int) -> None:
        self._inner, self._at = LocalFolder(folder), at
        self._numbers = itertools.count(1)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._inner, name)

        def counted(*arguments: Any) -> Any:
            if next(self._numbers) == self._at:
                os._exit(KILLED)
            return operation(*arguments)

        return counted


def keys_of(folder: Path) -> Keys:
    """Return the keys of all rows that resray reads, of which none may be there twice."""
    found: Keys = {}
    for table, columns in KEYS.items():
        rows = [*read_table(folder, table)[columns].itertuples(index=False, name=None)]
        found[table] = set(rows)
        assert len(rows) == len(found[table]), f"{table}: rows are there twice"
    return found


class Session:
    """Plans three trials, trains them, decides, evaluates, merges, and forgets one of them."""

    def __init__(self, folder: Path, storage: Any, log: Path) -> None:
        self.store, self.log = ResultStore(folder, storage), log
        self.known = keys_of(folder)
        self.safe: Keys = {table: set() for table in TABLES}
        self.put_since: Keys = {table: set() for table in TABLES}

    def run(self) -> None:
        for trial_id in "abc":
            self.store.put_trial({"trial_id": trial_id, "status": "running"})
            self.put_since["trials"].add((trial_id,))
            self.add("events", trial_id, "started", self.store.put_event)
        self.flush()
        for epoch in range(1, 5):
            for trial_id in "abc":
                self.epoch(trial_id, epoch)
            self.add("decisions", "b", epoch, self.store.put_decision)
            self.flush()
            if epoch == 2:
                self.store.compact()
        for trial_id in "ab":
            self.store.put_evaluations(trial_id, [{"trial_id": trial_id, "kind": "test"}])
            self.put_since["evaluations"].add((trial_id, "test"))
            self.add("predictions", trial_id, "test", self.store.put_predictions)
            self.flush()
        for rows in self.safe.values():
            rows -= {key for key in rows if key[0] == "a"}
        self.flush()
        self.store.forget(["a"])
        self.store.compact()

    def epoch(self, trial_id: str, epoch: int) -> None:
        columns = {"trial_id": trial_id, "epochs_done": epoch}
        if (trial_id, epoch) in self.known["epochs"]:
            self.store.put_trial(columns)
            return
        self.store.hold_epoch(trial_id, {"trial_id": trial_id, "epoch": epoch}, columns)
        self.store.write_held(trial_id)
        self.put_since["epochs"].add((trial_id, epoch))

    def add(self, table: str, trial_id: str, value: Any, put: Callable[[Any], None]) -> None:
        if (trial_id, value) not in self.known[table]:
            put({"trial_id": trial_id, KEYS[table][1]: value})
            self.put_since[table].add((trial_id, value))

    def flush(self) -> None:
        """Write, and note outside of the folder what must be there from now on."""
        self.store.flush()
        for table, keys in self.put_since.items():
            self.safe[table] |= keys
            keys.clear()
        written = {table: sorted(keys) for table, keys in self.safe.items()}
        self.log.write_text(json.dumps(written))


def content(folder: Path) -> dict[str, pd.DataFrame]:
    """Return what the tables hold, without the moments at which it was written."""
    frames = {table: read_table(folder, table).sort_values(KEYS[table]) for table in KEYS}
    return {
        table: frame.drop(columns=TIMES, errors="ignore").reset_index(drop=True)
        for table, frame in frames.items()
    }


def look(folder: Path, log: Path, whole: Path) -> None:
    """Check what a killed session left, go on, and compare with one that was not killed."""
    found, ever = keys_of(folder), keys_of(whole)
    for table, keys in json.loads(log.read_text()).items() if log.exists() else ():
        lost = {*map(tuple, keys)} - found[table]
        assert not lost, f"{table}: lost {lost}"
    for table, keys in found.items():
        strange = {key for key in keys - ever[table] if key[0] != "a"}
        assert not strange, f"{table}: nobody wrote {strange}"
        if any((folder / table).glob("*")):
            rows = pd.read_parquet(folder / table)
            assert {*rows[KEYS[table]].itertuples(index=False, name=None)} == keys
    Session(folder, LocalFolder(folder), log.with_suffix(".again")).run()
    expected = content(whole)
    for table, frame in content(folder).items():
        pd.testing.assert_frame_equal(frame, expected[table])
        assert len(pd.read_parquet(folder / table)) == len(frame)


def apart(function: Callable[..., None], *arguments: Any) -> int:
    """Call a function in a process of its own and return its exit code."""
    if (pid := os.fork()) == 0:
        try:
            function(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def begin(folder: Path) -> None:
    """Leave a trial as an older version did, in a file of its own and in a batch as well."""
    store = ResultStore(folder)
    store.put_trial({"trial_id": "old", "status": "completed", "epochs_done": 2})
    store.put_epochs("old", [{"trial_id": "old", "epoch": epoch} for epoch in (1, 2)])
    store.flush()
    own = shutil.copytree(folder, folder.parent / "own")
    in_older_layout(folder, batch=True)
    shutil.copytree(in_older_layout(own), folder, dirs_exist_ok=True)


def session(folder: Path, at: int, log: Path) -> None:
    Session(folder, KilledStorage(folder, at), log).run()


def main(place: Path, every: int) -> None:
    assert apart(begin, place / "begun") == 0
    whole = Path(shutil.copytree(place / "begun", place / "whole"))
    assert apart(session, whole, 0, place / "whole.log") == 0
    for number in itertools.count(1, every):
        folder, log = place / f"{number}", place / f"{number}.log"
        shutil.copytree(place / "begun", folder)
        ended = apart(session, folder, number, log)
        assert ended in (0, KILLED), f"operation {number}: the session failed"
        if ended == 0:
            print(f"killed {(number - 1) // every} times")
            return
        assert apart(look, folder, log, whole) == 0, f"operation {number}"
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
