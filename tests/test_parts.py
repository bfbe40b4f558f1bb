"""Parts of the tables: added, merged, rewritten; what older versions wrote; each row once."""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from resray.results import tables
from resray.results.schema import TABLES
from resray.results.store import ResultStore, now, read_table
from tests.table_files import in_older_layout

COUNT = 6
IDS = [f"{trial:016x}" for trial in range(COUNT)]
ORDER = {
    "trials": ["trial_id"],
    "epochs": ["trial_id", "epoch"],
    "events": ["trial_id", "time"],
    "decisions": ["trial_id", "rung"],
    "evaluations": ["trial_id", "class"],
    "predictions": ["trial_id"],
}


def row(trial_id: str, **columns: Any) -> dict[str, Any]:
    return {"trial_id": trial_id, "study": "s", "name": f"n{trial_id}", "seed": 0, **columns}


def fill(store: ResultStore, ids: list[str] = IDS, status: str = "completed") -> None:
    """Put rows of each table for some trials, and write each as a part of its own."""
    for trial_id in ids:
        store.put_trial(row(trial_id, status=status))
        store.put_epochs(trial_id, [row(trial_id, epoch=epoch) for epoch in (1, 2)])
        store.put_event(row(trial_id, event="started"))
        store.put_decision(row(trial_id, rung=1, epoch=2))
        store.put_predictions(row(trial_id, kind="test", predicted=bytes.fromhex(trial_id)))
        store.put_evaluations(trial_id, [row(trial_id, kind="test", **{"class": "cat"})])


def filled(folder: Path) -> ResultStore:
    store = ResultStore(folder)
    fill(store)
    return store


def files(folder: Path, table: str) -> list[str]:
    return sorted(path.name for path in (folder / table).iterdir())


def content(folder: Path, read: Callable[[Path, str], pd.DataFrame] = read_table) -> Any:
    """Return what each table holds, in one order."""
    return {table: read(folder, table).sort_values(ORDER[table], ignore_index=True)
            for table in TABLES}  # fmt: skip


def plainly(folder: Path, table: str) -> pd.DataFrame:
    """Read a table as anyone would who has no resray."""
    return pd.read_parquet(folder / table)


def assert_same(found: Any, expected: Any) -> None:
    for table, rows in expected.items():
        pd.testing.assert_frame_equal(found[table], rows)


def test_a_commands_end_leaves_one_file_to_a_table(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert len(files(tmp_path, "epochs")) == COUNT
    before = content(tmp_path)
    store.compact()
    assert all(len(files(tmp_path, table)) == 1 for table in TABLES)
    assert_same(content(tmp_path), before)
    assert_same(content(tmp_path, plainly), before)
    kept = files(tmp_path, "epochs")
    store.compact()
    assert files(tmp_path, "epochs") == kept, "nothing to do"


def test_parts_are_merged_while_a_command_adds_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_PARTS", 4)
    filled(tmp_path)
    assert len(files(tmp_path, "epochs")) == 1 + COUNT - 4
    assert len(read_table(tmp_path, "epochs")) == 2 * COUNT


def test_large_parts_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "LARGE", 2 * COUNT)
    store = filled(tmp_path)
    store.compact()
    (large,) = files(tmp_path, "epochs")
    assert large.endswith(f"-{2 * COUNT}.parquet")
    fill(store, ["a" * 16, "b" * 16])
    store.compact()
    assert len(files(tmp_path, "epochs")) == 2
    assert large in files(tmp_path, "epochs")
    assert len(read_table(tmp_path, "epochs")) == 2 * COUNT + 4


@pytest.mark.parametrize("left", ["small", "large"])
def test_parts_that_a_kill_kept_from_being_deleted_go_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    before = shutil.copytree(filled(tmp_path / "done").folder, tmp_path / "before")
    if left == "large":
        monkeypatch.setattr(tables, "LARGE", 2 * COUNT)
    ResultStore(tmp_path / "done").compact()
    killed = shutil.copytree(tmp_path / "done", tmp_path / "killed")
    shutil.copytree(before, killed, dirs_exist_ok=True)
    assert len(plainly(killed, "epochs")) == 4 * COUNT, "a plain reader sees rows twice"
    assert_same(content(killed), content(before))
    ResultStore(killed).compact()
    assert_same(content(killed, plainly), content(before))


@pytest.mark.parametrize("batch", [False, True])
def test_older_layouts_read_the_same_and_are_converted(tmp_path: Path, batch: bool) -> None:
    filled(tmp_path)
    before = content(tmp_path)
    in_older_layout(tmp_path, batch)
    assert_same(content(tmp_path), before)
    assert_same(content(tmp_path, plainly), before)
    store = ResultStore(tmp_path)
    store.load_epochs(IDS)
    assert [epoch["epoch"] for epoch in store.epochs(IDS[3])] == [1, 2]
    assert [decision["rung"] for decision in store.decisions(IDS[3])] == [1]
    assert store.trial("f" * 16) is None
    store.put_trial(row(IDS[0], status="failed"))
    store.compact()
    assert files(tmp_path, "trials") == ["trials.parquet"]
    assert all(len(files(tmp_path, table)) == 1 for table in TABLES)
    before["trials"].loc[0, "status"] = "failed"
    found = content(tmp_path, plainly)
    for table in TABLES:
        same = found[table].drop(columns="updated", errors="ignore")
        pd.testing.assert_frame_equal(same, before[table].drop(columns="updated", errors="ignore"))


@pytest.mark.parametrize("older", ["files", "batch"])
def test_of_a_folder_that_was_copied_twice_the_newer_rows_count(tmp_path: Path, older: str) -> None:
    """First while its trials ran, in the one layout, then when they had ended, in the other."""
    source = tmp_path / "source"
    store = ResultStore(source)
    for trial_id in IDS:
        store.put_trial(row(trial_id, status="running"))
        store.put_epochs(trial_id, [row(trial_id, epoch=1, recorded=now())])
        store.put_event(row(trial_id, event="started"))
    store.flush()
    first = shutil.copytree(source, tmp_path / "first")
    for trial_id in IDS:
        store.put_trial(row(trial_id, status="completed"))
        store.put_epochs(trial_id, [row(trial_id, epoch=2, recorded=now())])
        store.put_event(row(trial_id, event="completed"))
    store.flush()
    in_older_layout(first, batch=older == "files")
    copy = in_older_layout(shutil.copytree(source, tmp_path / "copy"), batch=older == "batch")
    shutil.copytree(first, copy, dirs_exist_ok=True)
    for table in ("trials", "epochs", "events"):
        found, expected = (read_table(folder, table).sort_values(ORDER[table], ignore_index=True)
                           for folder in (copy, source))  # fmt: skip
        pd.testing.assert_frame_equal(found, expected)
    ResultStore(copy).compact()
    assert len(plainly(copy, "trials")) == COUNT
    assert set(plainly(copy, "trials")["status"]) == {"completed"}
    assert len(plainly(copy, "epochs")) == 2 * COUNT


def test_forgetting_trials_leaves_the_others(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.compact()
    fill(store, ["a" * 16])
    ensemble = row("ab", members=f'["{IDS[0]}", "{IDS[2]}"]', kind="ensemble")
    store.put_evaluations("ab", [ensemble])
    store.hold_epoch(IDS[0], row(IDS[0], epoch=3), {"epochs_done": 3})
    store.forget([IDS[0], IDS[1]])
    assert store.trial(IDS[0]) is None
    assert store.epochs(IDS[0]) == store.decisions(IDS[0]) == []
    for table in TABLES:
        assert set(read_table(tmp_path, table)["trial_id"]) == {*IDS[2:], "a" * 16}
    fill(store, [IDS[0]])
    assert len(store.epochs(IDS[0])) == len(ResultStore(tmp_path).epochs(IDS[0])) == 2


def test_forgetting_in_an_older_layout(tmp_path: Path) -> None:
    filled(tmp_path)
    in_older_layout(tmp_path)
    ResultStore(tmp_path).forget(IDS[:2])
    for table in TABLES:
        assert set(read_table(tmp_path, table)["trial_id"]) == set(IDS[2:])


def test_a_reader_sees_each_row_once_whatever_the_writer_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads all the time, while rows are added, merged, rewritten and forgotten."""
    monkeypatch.setattr(tables, "MOST_PARTS", 5)
    store = filled(tmp_path)
    forgotten = "f" * 16

    def write() -> None:
        for turn in range(3, 33):
            fill(store, [forgotten])
            for trial_id in IDS:
                store.put_epochs(trial_id, [row(trial_id, epoch=turn)])
                store.flush()
            store.forget([forgotten])
            if turn % 7 == 0:
                store.compact()

    with ThreadPoolExecutor(1) as pool:
        reads = follow(tmp_path, pool.submit(write), forgotten)
    assert reads > 3
    assert len(read_table(tmp_path, "epochs")) == 32 * COUNT


def follow(folder: Path, writer: "Future[None]", forgotten: str) -> int:
    """Read until the writer has ended; return how often."""
    reads, known = 0, 2 * COUNT
    while not writer.done():
        epochs = read_table(folder, "epochs").query("trial_id != @forgotten")
        assert not epochs.duplicated(["trial_id", "epoch"]).any()
        assert len(epochs) >= known, "a row once written is never lost"
        known, reads = len(epochs), reads + 1
        trials = read_table(folder, "trials")["trial_id"]
        assert sorted({*trials} - {forgotten}) == IDS
        assert trials.is_unique
    writer.result()
    return reads


@pytest.mark.parametrize("module", ["duckdb", "polars"])
def test_others_read_the_tables_too(tmp_path: Path, module: str) -> None:
    other = pytest.importorskip(module)
    filled(tmp_path).compact()
    pattern = str(tmp_path / "epochs" / "*.parquet")
    if module == "duckdb":
        assert other.sql(f"SELECT count(*) FROM '{pattern}'").fetchone() == (2 * COUNT,)
    else:
        assert other.scan_parquet(pattern).collect().height == 2 * COUNT
