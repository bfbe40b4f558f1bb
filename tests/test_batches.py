"""Files of many trials become one, and one again for each when a trial is written anew."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from resray.results.batches import FEWEST, LARGEST, Batches
from resray.results.store import ResultStore, read_table

COUNT = FEWEST + 5


def row(trial: int, **changes: object) -> dict[str, object]:
    return {"trial_id": f"{trial:016x}", "study": "s", "name": f"n{trial}", "seed": 0} | changes


def filled(folder: Path, count: int = COUNT) -> ResultStore:
    store = ResultStore(folder)
    for trial in range(count):
        store.put_trial(row(trial, status="completed"))
        store.put_epochs(f"{trial:016x}", [row(trial, epoch=epoch) for epoch in (1, 2)])
    return store


def names(folder: Path, table: str = "trials") -> list[str]:
    return sorted(path.name for path in (folder / table).glob("*.parquet"))


def states(folder: Path) -> pd.DataFrame:
    return read_table(folder, "trials").sort_values("trial_id", ignore_index=True)


def test_few_trials_keep_files_of_their_own(tmp_path: Path) -> None:
    filled(tmp_path, FEWEST - 1).compact()
    assert len(names(tmp_path)) == FEWEST - 1


def test_many_trials_are_one_file_that_anyone_reads(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = states(tmp_path)
    store.compact()
    assert len(names(tmp_path)) == len(names(tmp_path, "epochs")) == 1
    pd.testing.assert_frame_equal(states(tmp_path), before)
    assert len(pd.read_parquet(tmp_path / "trials")) == COUNT
    assert len(pd.read_parquet(tmp_path / "epochs")) == 2 * COUNT


def test_another_store_reads_what_is_in_a_batch(tmp_path: Path) -> None:
    filled(tmp_path).compact()
    store = ResultStore(tmp_path)
    trial = store.trial(f"{7:016x}")
    assert trial is not None
    assert trial["name"] == "n7"
    assert [epoch["epoch"] for epoch in store.epochs(f"{7:016x}")] == [1, 2]
    assert len(store.trials()) == COUNT
    assert store.trial("f" * 16) is None


def test_a_trial_that_is_written_again_replaces_the_batched_one(tmp_path: Path) -> None:
    filled(tmp_path).compact()
    store = ResultStore(tmp_path)
    store.put_trial(row(3, status="running"))
    found = pd.read_parquet(tmp_path / "trials")
    assert len(found) == found["trial_id"].nunique() == COUNT
    assert found.set_index("trial_id")["status"][f"{3:016x}"] == "running"
    store.forget(f"{4:016x}")
    assert len(pd.read_parquet(tmp_path / "epochs")) == 2 * (COUNT - 1)
    store.compact()
    assert len(names(tmp_path)) == 1


@pytest.mark.parametrize("killed", ["making", "taking apart"])
def test_killed_on_the_way_rows_are_twice_but_never_other_ones(tmp_path: Path, killed: str) -> None:
    filled(tmp_path / "own")
    shutil.copytree(tmp_path / "own", tmp_path / "both")
    ResultStore(tmp_path / "both").compact()
    left = range(10) if killed == "making" else range(COUNT - 10)
    for trial in left:
        name = f"trials/{trial:016x}.parquet"
        shutil.copy(tmp_path / "own" / name, tmp_path / "both" / name)
    whole = states(tmp_path / "own")
    outside = pd.read_parquet(tmp_path / "both" / "trials")
    assert len(outside) == COUNT + len(left)
    assert len(outside.drop_duplicates()) == COUNT
    pd.testing.assert_frame_equal(states(tmp_path / "both"), whole)
    store = ResultStore(tmp_path / "both")
    assert len(store.trials()) == COUNT
    store.put_trial(row(2, status="failed"))
    assert (states(tmp_path / "both")["status"] == "failed").sum() == 1
    store.compact()
    found = pd.read_parquet(tmp_path / "both" / "trials")
    assert len(found) == found["trial_id"].nunique() == COUNT


def test_a_batch_is_never_larger_than_stated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resray.results.batches.LARGEST", 40)
    store = filled(tmp_path)
    store.compact()
    assert len(names(tmp_path)) == 3
    store.put_trial(row(50, status="running"))
    assert len(names(tmp_path)) == 2 + 40
    assert len(Batches(tmp_path).members("trials")) == COUNT - 40
    assert LARGEST > FEWEST


def test_a_reader_sees_every_trial_once_while_files_are_put_together(tmp_path: Path) -> None:
    store = filled(tmp_path)

    def rewrite() -> None:
        for trial in range(4):
            store.compact()
            store.put_trial(row(trial, status="running"))

    with ThreadPoolExecutor(1) as writer:
        done = writer.submit(rewrite)
        while not done.done():
            trials = read_table(tmp_path, "trials")["trial_id"]
            assert len(trials) == trials.nunique() == COUNT
    done.result()
