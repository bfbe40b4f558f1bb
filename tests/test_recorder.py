"""From what trials say to rows in the store: every epoch once, every end told."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from resray.results.store import ResultStore, read_table
from resray.run.recorder import Recorder, planned_row
from resray.study.expand import PlannedTrial
from resray.study.recipe_spec import Recipe
from resray.study.reduction import Reduction, from_json
from resray.training.trial import Job
from tests.table_files import drop_trial

RECIPE = Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 4})
REDUCED = Reduction("fewer_epochs", 4, 9)


def planned(trial_id: str, recipe: Recipe = RECIPE) -> dict[str, Any]:
    trial = PlannedTrial("s", trial_id.upper(), "standard", 0, recipe, None, (REDUCED,))
    job = Job(
        trial_id=trial_id,
        name=trial.name,
        recipe=recipe.model_dump(mode="json"),
        seed=0,
        stop_after=None,
        checkpoint_folder="unused",
        data_dir=None,
        dataset_checksum="c0ffee",
        world_size=1,
        threads=1,
        use_gpu=False,
    )
    return planned_row(trial, job, {"ray_version": "2", "git_commit": None})


def record(epoch: int, **columns: Any) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_loss": 1.0 / epoch,
        "validation_accuracy": 50.0 + epoch,
        "test_accuracy": 49.0 + epoch,
        "images": 1000,
        "seconds_training": 10.0,
        "seconds_evaluating": 2.0,
        "peak_memory_bytes": 5,
        "recorded": f"2026-03-01T09:0{epoch}:00+00:00",
        **columns,
    }


def started(
    records: list[dict[str, Any]] | None = None, host: str = "node", seconds: float = 3.0
) -> dict[str, Any]:
    facts = {"host": host, "device": "cpu", "pid": 42, "seconds_starting": seconds}
    records = records or []
    return {"kind": "started", "epoch": len(records), "facts": facts, "records": records}


def done(epoch: int, saved: int | None = None) -> dict[str, Any]:
    """Return an epoch's message; without ``saved`` its own checkpoint is written already."""
    covered = epoch if saved is None else saved
    return {"kind": "epoch", "epoch": epoch, "record": record(epoch), "saved": covered}


def finished(status: str = "completed", **columns: Any) -> dict[str, Any]:
    return {"kind": "finished", "epoch": 4, "status": status, **columns}


def recorder(folder: Path, *trial_ids: str, gpus_per_trial: float = 0) -> Recorder:
    made = Recorder(ResultStore(folder), gpus_per_trial)
    for trial_id in trial_ids:
        made.plan(planned(trial_id))
    return made


def row(pen: Recorder, trial_id: str = "a") -> dict[str, Any]:
    found = pen.store.trial(trial_id)
    assert found is not None
    return found


def events(pen: Recorder, trial_id: str = "a") -> list[tuple[str, int, int]]:
    """Return each event with its attempt and the epochs recorded at that moment."""
    return [(event["event"], event["attempt"], event["epoch"]) for event in told(pen, trial_id)]


def told(pen: Recorder, trial_id: str = "a") -> list[dict[str, Any]]:
    """Return the rows of a trial's events."""
    pen.store.flush()
    found = read_table(pen.store.folder, "events").query("trial_id == @trial_id")
    return [dict(row) for _, row in found.astype(object).iterrows()]


def test_utilisation_follows_the_speed_and_the_newest_rate(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    first, second = started(), started([record(1)])
    first["facts"] |= {"multiply_adds": 10**9, "matrix_rate": 2e12}
    second["facts"] |= {"multiply_adds": 10**9, "matrix_rate": 4e12}
    pen.message("a", first)
    assert row(pen)["utilisation"] is None, "no epoch yet"
    pen.message("a", done(1))
    # 100 images/s of 6 GFLOP each.
    assert row(pen)["utilisation"] == pytest.approx(0.3)
    pen.message("a", second)
    assert (row(pen)["matrix_rate"], row(pen)["utilisation"]) == (4e12, pytest.approx(0.15))
    pen.message("a", started([record(1)]) | {"facts": {**second["facts"], "matrix_rate": None}})
    assert row(pen)["utilisation"] is None, "unknown, not what it was"


def test_a_trial_from_plan_to_end(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    assert (row(pen)["status"], row(pen)["attempts"], row(pen)["epochs_done"]) == ("pending", 0, 0)
    assert from_json(row(pen)["reductions"]) == [REDUCED]
    pen.message("a", started())
    assert row(pen)["status"] == "running"
    for epoch in (1, 2):
        pen.message("a", done(epoch))
    pen.message("a", finished())
    trial = row(pen)
    assert (trial["status"], trial["attempts"], trial["epochs_done"]) == ("completed", 1, 2)
    assert (trial["test_accuracy"], trial["seconds_training"]) == (51.0, 20.0)
    assert trial["started"] < trial["ended"]
    assert "gpu_hours" not in trial
    assert events(pen) == [("started", 1, 0), ("completed", 1, 2)]
    assert told(pen)[0]["pid"] == 42
    epochs = pd.read_parquet(tmp_path / "epochs")
    assert epochs[["study", "name", "epoch", "attempt"]].values.tolist() == [
        ["s", "A", 1, 1],
        ["s", "A", 2, 1],
    ]
    assert epochs["recorded"].dt.minute.tolist() == [1, 2]


def test_epochs_whose_message_a_kill_cut_off_come_from_the_checkpoint(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    pen.message("a", done(1))
    pen.died("a", "killed")
    pen.message("a", started([record(1, train_loss=77.0), record(2), record(3)]))
    pen.message("a", done(4))
    epochs = pen.store.epochs("a")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3, 4]
    assert epochs[0]["train_loss"] == 1.0, "a recorded epoch is not written anew"
    assert [epoch["attempt"] for epoch in epochs] == [1, 1, 1, 2]
    assert row(pen)["epochs_done"] == 4
    assert events(pen) == [("started", 1, 0), ("died", 1, 1), ("resumed", 2, 3)]


def test_an_epoch_told_twice_is_recorded_once(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    for epoch in (1, 2, 2):
        pen.message("a", done(epoch))
    assert [epoch["epoch"] for epoch in pen.store.epochs("a")] == [1, 2]
    assert row(pen)["seconds_training"] == 20.0


def test_starting_seconds_add_up_and_the_first_start_stays(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started(seconds=3.0))
    first = row(pen)["started"]
    pen.died("a", "killed")
    pen.message("a", started(seconds=4.0))
    assert row(pen)["seconds_starting"] == 7.0
    assert row(pen)["started"] == first
    assert row(pen)["attempts"] == 2


def test_a_trial_whose_attempts_are_used_up(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    pen.message("a", done(1))
    pen.failed("a", {"error_class": "WorkerDied", "error_message": "out of memory"})
    trial = row(pen)
    assert (trial["status"], trial["reason"]) == ("failed", "error")
    assert (trial["error_class"], trial["error_message"]) == ("WorkerDied", "out of memory")
    assert events(pen)[-1] == ("failed", 1, 1)
    assert told(pen)[-1]["detail"] == "out of memory"


def test_a_diverged_trial_keeps_its_reason_until_it_runs_anew(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    ended = finished("failed", reason="diverged", error_class="DivergedError", error_message="nan")
    pen.message("a", ended)
    assert (row(pen)["status"], row(pen)["reason"]) == ("failed", "diverged")
    pen.plan(planned("a"))
    pen.message("a", started())
    assert row(pen)["status"] == "running"
    assert row(pen)["reason"] is row(pen)["error_class"] is row(pen)["ended"] is None


def test_only_what_runs_is_interrupted_and_goes_on_later(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", "b", "c")
    for trial_id in ("a", "b"):
        pen.message(trial_id, started())
    pen.message("a", done(1))
    pen.message("b", finished())
    for trial_id in ("a", "b", "c"):
        pen.interrupted(trial_id, "the command was stopped")
    assert [pen.status(each) for each in ("a", "b", "c")] == ["interrupted", "completed", "pending"]
    assert events(pen, "a")[-1] == ("interrupted", 1, 1)
    assert events(pen, "c") == []

    again = recorder(tmp_path, "a")
    assert (row(again)["status"], row(again)["epochs_done"]) == ("pending", 1)
    again.message("a", started([record(1)]))
    assert row(again)["attempts"] == 2
    assert events(again, "a")[-1] == ("resumed", 2, 1)


def test_two_trials_on_a_host_share_its_cores_for_good(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", "b", "c")
    pen.message("a", started(host="node"))
    assert row(pen, "a")["exclusive"] is True
    pen.message("c", started(host="other"))
    pen.message("b", started(host="node"))
    assert [row(pen, each)["exclusive"] for each in ("a", "b", "c")] == [False, False, True]
    pen.message("b", finished())
    pen.died("a", "killed")
    pen.message("a", started(host="node"))
    assert row(pen, "a")["exclusive"] is False, "a part of it was measured beside another"


def test_who_comes_after_has_the_host_to_itself(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", "b")
    pen.message("a", started())
    pen.message("a", finished())
    pen.message("b", started())
    assert row(pen, "a")["exclusive"] is row(pen, "b")["exclusive"] is True


@pytest.mark.parametrize(("gpus", "exclusive"), [(1, True), (4, True), (0.5, False)])
def test_whole_gpus_are_not_shared_fractions_are(
    tmp_path: Path, gpus: float, exclusive: bool
) -> None:
    pen = recorder(tmp_path, "a", "b", gpus_per_trial=gpus)
    pen.message("a", started())
    pen.message("b", started())
    assert row(pen, "a")["exclusive"] is row(pen, "b")["exclusive"] is exclusive


def test_gpu_hours_count_all_seconds_that_the_gpus_were_held(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", gpus_per_trial=2)
    pen.message("a", started(seconds=3.0))
    for epoch in (1, 2):
        pen.message("a", done(epoch))
    assert row(pen)["gpu_hours"] == pytest.approx(2 * (3 + 2 * (10 + 2)) / 3600)


def test_saving_counts_as_gpu_time_and_older_records_have_none(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", gpus_per_trial=2)
    pen.message("a", started([record(1)]))
    pen.message("a", {**done(2), "record": record(2, seconds_saving=4.0)})
    assert row(pen)["gpu_hours"] == pytest.approx(2 * (3 + 2 * (10 + 2) + 4) / 3600)
    assert row(pen)["seconds_saving"] is None, "of the first epoch nobody knows it"
    assert [epoch.get("seconds_saving") for epoch in pen.store.epochs("a")] == [None, 4.0]


def test_a_summary_is_made_of_the_epochs_whenever_a_trial_starts_or_ends(tmp_path: Path) -> None:
    """The table of the trials was lost, the one of the epochs was not."""
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    for epoch in (1, 2):
        pen.message("a", done(epoch))
    pen.store.flush()
    drop_trial(tmp_path, "trials", "a")
    pen = recorder(tmp_path, "a")
    assert row(pen)["epochs_done"] == 0
    pen.message("a", started([record(1), record(2)]))
    assert (row(pen)["epochs_done"], row(pen)["test_accuracy"]) == (2, 51.0)
    pen.store.put_trial({"trial_id": "a", "test_accuracy": None})
    pen.message("a", finished())
    assert (row(pen)["status"], row(pen)["test_accuracy"]) == ("completed", 51.0)


def test_what_is_said_of_a_damaged_checkpoint_is_an_events_detail(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started() | {"remark": "last.pt: damaged"})
    assert told(pen)[-1]["detail"] == "last.pt: damaged"


def test_a_full_disk_leaves_a_trial_to_the_next_command(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    refused = {"reason": "error", "error_class": "StorageError", "error_message": "no space left"}
    pen.message("a", finished("interrupted", **refused))
    assert (row(pen)["status"], row(pen)["error_message"]) == ("interrupted", "no space left")


@pytest.mark.parametrize(("selection", "best"), [("validation", 1), ("test", 2)])
def test_the_row_has_the_epoch_that_its_recipe_selects(
    tmp_path: Path, selection: str, best: int
) -> None:
    store = ResultStore(tmp_path / "s")
    recorder = Recorder(store)
    recorder.plan(planned("a", RECIPE.model_copy(update={"selection": selection})))
    for epoch, validation, test in ((1, 60.0, 50.0), (2, 55.0, 52.0)):
        told = record(epoch, validation_accuracy=validation, test_accuracy=test)
        recorder.message("a", {**done(epoch), "record": told})
    row = store.trial("a")
    assert row is not None
    assert row["best_epoch"] == best
    assert (row["test_accuracy"], row["test_accuracy_best"]) == (48.0 + 2 * best, 52.0)


def stored(pen: Recorder, trial_id: str = "a") -> tuple[list[int], int]:
    """Return the epochs on disk, and how many of them the trial's row there tells of."""
    pen.store.flush()
    store = ResultStore(pen.store.folder)
    found = store.trial(trial_id) or {}
    return [epoch["epoch"] for epoch in store.epochs(trial_id)], found["epochs_done"]


def test_an_epoch_is_seen_at_once_and_stored_when_a_checkpoint_covers_it(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", gpus_per_trial=2)
    pen.message("a", started(seconds=0.0))
    seen = []
    for epoch, saved in ((1, 0), (2, 0), (3, 2), (4, 2)):
        pen.message("a", done(epoch, saved))
        found = row(pen)
        seen.append((found["epochs_done"], found["best_epoch"], len(pen.store.epochs("a"))))
        assert found["gpu_hours"] == pytest.approx(2 * 12 * epoch / 3600)
        assert stored(pen) == (list(range(1, saved + 1)), saved)
    assert seen == [(epoch, epoch, epoch) for epoch in range(1, 5)]
    pen.store.put_trial({"trial_id": "a", "exclusive": False})
    assert stored(pen) == ([1, 2], 2), "what else changes in the row tells of no other epoch"
    pen.message("a", finished())
    assert stored(pen) == ([1, 2, 3, 4], 4)


def test_what_no_checkpoint_covers_goes_with_its_process(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", gpus_per_trial=1)
    pen.message("a", started(seconds=0.0))
    for epoch in (1, 2, 3):
        pen.message("a", done(epoch, saved=1))
    pen.died("a", "killed")
    assert stored(pen) == ([1], 1) == ([1], row(pen)["epochs_done"])
    assert row(pen)["gpu_hours"] == pytest.approx(36 / 3600), "that was spent nevertheless"
    pen.message("a", started([record(1), record(2)], seconds=0.0))
    pen.message("a", done(3, saved=2))
    pen.interrupted("a", "the command was stopped")
    assert stored(pen) == ([1, 2], 2)
    assert events(pen) == [
        ("started", 1, 0),
        ("died", 1, 1),
        ("resumed", 2, 2),
        ("interrupted", 2, 2),
    ]


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_only_what_may_be_trained_again_is_left_out(tmp_path: Path, status: str) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    pen.message("a", done(1, saved=0))
    pen.message("a", finished(status, reason="error"))
    assert stored(pen) == (([1], 1) if status == "failed" else ([], 0))


def test_the_record_that_stops_a_trial_is_stored_with_it(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a", "b", "c")
    for trial_id in "abc":
        pen.message(trial_id, started())
        pen.message(trial_id, done(1, saved=0))
        pen.message(trial_id, done(2, saved=0))
    pen.stopped("a", "median")
    pen.store.put_decision({"trial_id": "b", "rung": 1, "epoch": 2})
    pen.paused("c", "waits at rung 1")
    for trial_id in "abc":
        assert stored(pen, trial_id) == ([1, 2], 2)


def test_an_epoch_that_is_trained_again_is_not_stored_again(tmp_path: Path) -> None:
    """The checkpoint that a stopped trial goes on from for its audit is older than its stop."""
    pen = recorder(tmp_path, "a", gpus_per_trial=1)
    pen.message("a", started(seconds=0.0))
    for epoch in (1, 2, 3):
        pen.message("a", done(epoch, saved=0))
    pen.stopped("a", "median")
    pen.message("a", started([record(1, train_loss=77.0)], seconds=0.0))
    for epoch in (2, 3, 4):
        pen.message("a", {**done(epoch), "record": record(epoch, train_loss=88.0)})
    pen.store.flush()
    epochs = ResultStore(tmp_path).epochs("a")
    assert [(each["epoch"], each["attempt"]) for each in epochs] == [(1, 1), (2, 1), (3, 1), (4, 2)]
    assert [each["train_loss"] for each in epochs] == [1.0, 1 / 2, 1 / 3, 88.0]
    assert row(pen)["gpu_hours"] == pytest.approx(6 * 12 / 3600)


def test_forgotten_trials_have_no_epochs_left(tmp_path: Path) -> None:
    pen = recorder(tmp_path, "a")
    pen.message("a", started())
    pen.message("a", done(1, saved=0))
    pen.store.forget(["a"])
    assert pen.store.epochs("a") == []
