"""Files of many trials become one, and one again for each when a trial is written anew."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from resray.results.batches import Batches
from resray.results.store import ResultStore, now, read_table

FEWEST, COUNT = 20, 25


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer trials than in use make a batch, as each costs a file to write and to read."""
    monkeypatch.setattr("resray.results.batches.FEWEST", FEWEST)


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
    monkeypatch.setattr("resray.results.batches.LARGEST", 10)
    store = filled(tmp_path)
    store.compact()
    assert len(names(tmp_path)) == 3
    store.put_trial(row(5, status="running"))
    assert len(names(tmp_path)) == 2 + 10
    assert len(Batches(tmp_path).members("trials")) == COUNT - 10


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


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, PermissionError])
def test_what_is_written_after_a_failed_compaction_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: type[BaseException]
) -> None:
    store = filled(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise stopped

    with monkeypatch.context() as failing:
        failing.setattr("os.unlink", fail)
        with pytest.raises(stopped):
            store.compact()
    store.put_trial(row(3, status="failed"))
    store.compact()
    found = states(tmp_path)
    assert len(found) == len(pd.read_parquet(tmp_path / "trials")) == COUNT
    assert found["status"].value_counts().to_dict() == {"completed": COUNT - 1, "failed": 1}


def copied_twice(source: Path, copy: Path) -> None:
    """Copy a folder of running trials, and again, over it, when they have ended and are batched."""
    store = ResultStore(source)
    for trial in range(COUNT):
        store.put_trial(row(trial, status="running"))
        store.put_epochs(f"{trial:016x}", [row(trial, epoch=1, recorded=now())])
        store.put_event(row(trial, event="started"))
    shutil.copytree(source, copy)
    for trial in range(COUNT):
        store.put_trial(row(trial, status="completed"))
        store.put_epochs(f"{trial:016x}", [row(trial, epoch=2, recorded=now())])
        store.put_event(row(trial, event="completed"))
    store.compact()
    shutil.copytree(source, copy, dirs_exist_ok=True)


def test_in_a_folder_that_was_copied_twice_the_newer_rows_count(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    copied_twice(source, copy)
    assert len(names(copy)) == COUNT + 1
    for table in ("trials", "epochs", "events"):
        found, expected = (read_table(folder, table).sort_values("trial_id", kind="stable")
                           for folder in (copy, source))  # fmt: skip
        pd.testing.assert_frame_equal(found.reset_index(drop=True), expected.reset_index(drop=True))
    store = ResultStore(copy)
    third = f"{3:016x}"
    trial = store.trial(third)
    assert trial is not None
    assert trial["status"] == "completed"
    assert [epoch["epoch"] for epoch in store.epochs(third)] == [1, 2]
    store.put_trial(row(3, status="failed"))
    counts = {"completed": COUNT - 1, "failed": 1}
    assert states(copy)["status"].value_counts().to_dict() == counts
    store.compact()
    assert len(names(copy)) == len(names(copy, "epochs")) == 1
    assert states(copy)["status"].value_counts().to_dict() == counts
    assert len(read_table(copy, "epochs")) == 2 * COUNT


def test_an_own_file_that_is_newer_than_the_batch_counts(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    filled(source).compact()
    shutil.copytree(source, copy)
    ResultStore(source).put_trial(row(3, status="failed"))
    shutil.copytree(source, copy, dirs_exist_ok=True)
    pd.testing.assert_frame_equal(states(copy), states(source))
    ResultStore(copy).compact()
    pd.testing.assert_frame_equal(states(copy), states(source))


def test_of_two_batches_with_a_trial_the_newer_rows_count(tmp_path: Path) -> None:
    source, copy = tmp_path / "source", tmp_path / "copy"
    filled(source).compact()
    shutil.copytree(source, copy)
    store = ResultStore(source)
    store.put_trial(row(3, status="failed"))
    store.put_trial(row(COUNT, status="completed"))
    store.compact()
    shutil.copytree(source, copy, dirs_exist_ok=True)
    assert len(names(copy)) == 2
    pd.testing.assert_frame_equal(states(copy), states(source))
    other = ResultStore(copy)
    other.put_trial(row(4, status="failed"))
    assert states(copy)["status"].value_counts().to_dict() == {"completed": COUNT - 1, "failed": 2}
    other.forget(f"{3:016x}")
    assert f"{3:016x}" not in set(states(copy)["trial_id"])
