"""Checkpoints that a thread writes: what is written when, whose, and what stands if that fails."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socket import gethostname
from typing import Any

import pytest
import torch

from resray.errors import StorageError
from resray.results.store import ResultStore
from resray.run.recorder import Recorder, planned_row
from resray.study.expand import PlannedTrial
from resray.study.spec import CheckpointPolicy
from resray.training.checkpoint_file import Checkpoint, read_checkpoint
from resray.training.checkpoint_writer import CheckpointWriter, Copied
from resray.training.checkpoints import CheckpointFolder
from resray.training.context import LocalContext, Message
from resray.training.fit import Trainer, fit
from resray.training.trial import run_trial
from tests.training_case import job_of, splits_of, tiny_recipe, train, without_clocks

CPU = torch.device("cpu")
NEVER = float("inf")


def trainer_of(folder: CheckpointFolder, **changes: Any) -> Trainer:
    recipe = tiny_recipe(**changes)
    return Trainer(recipe, splits_of(recipe), LocalContext(), seed=0, checkpoints=folder)


def found(path: Path) -> Checkpoint:
    checkpoint = read_checkpoint(path)
    assert checkpoint is not None, path
    return checkpoint


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Return whether two checkpoints hold the same, but for what a clock said."""
    rest = [
        {key: value.tolist() if key == "predicted" else value for key, value in each.items()
         if key not in ("model", "ema", "records")}
        for each in (one, other)
    ]  # fmt: skip
    weights = all(
        torch.equal(one[name][key], other[name][key])
        for name in ("model", "ema")
        if name in one
        for key in one[name]
    )
    records = [without_clocks(each["records"]) for each in (one, other)]
    return weights and rest[0] == rest[1] and records[0] == records[1]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("changes", [{}, {"ema_decay": 0.5}], ids=["plain", "averaged"])
def test_the_best_weights_wait_and_are_those_of_their_epoch(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = tiny_recipe(epochs=6, optimizer={"lr": 0.3}, **changes)
    _, records = train(recipe, folder=tmp_path / "each")
    accuracies = [record["validation_accuracy"] for record in records]
    assert accuracies.index(max(accuracies)) < 5, "the best one is written after its epoch"
    folder = CheckpointFolder(tmp_path / "once", seconds=NEVER)
    trainer = trainer_of(folder, epochs=6, optimizer={"lr": 0.3}, **changes)
    seen = [(record["epoch"], trainer.saved, folder.last.exists()) for record in fit(trainer)]
    assert seen == [*((epoch, 0, False) for epoch in range(1, 6)), (6, 6, True)]
    for name in ("best.pt", "last.pt"):
        assert same(found(tmp_path / "each" / name), found(tmp_path / "once" / name)), name
    metrics = json.loads(folder.metrics.read_text())
    assert metrics["records"] == trainer.records


def test_some_epochs_are_always_written(tmp_path: Path) -> None:
    policy = CheckpointPolicy.model_validate({"at": [1]})
    folder = CheckpointFolder(tmp_path, policy, seconds=NEVER, rungs=(3,))
    written = []
    for record in fit(trainer_of(folder, epochs=6), stop_after=5):
        if record["epoch"] in (1, 3, 5):
            wait_until(lambda epoch=record["epoch"]: folder.last.exists()  # type: ignore[misc]
                       and found(folder.last)["epoch"] == epoch)  # fmt: skip
        written.append(found(folder.last)["epoch"])
    assert written == [1, 1, 3, 3, 5]
    assert found(folder.previous)["epoch"] == 3


def test_early_stopping_writes_its_end(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, seconds=NEVER)
    stopping = {"early_stopping": {"patience": 1}, "optimizer": {"lr": 0.0000001}}
    records = list(fit(trainer_of(folder, epochs=6, **stopping)))
    assert len(records) < 6
    assert found(folder.last)["epoch"] == len(records)


def checkpoint_at(epoch: int, value: float = 0.0) -> Checkpoint:
    """What the writer looks at of a checkpoint, with records such as a summary needs."""
    record = {
        "epoch": epoch, "validation_accuracy": 50.0, "test_accuracy": None, "images": 1,
        "seconds_training": 1.0, "seconds_evaluating": 1.0, "peak_memory_bytes": 1,
    }  # fmt: skip
    state = {"model": {"weight": torch.full((4,), value)}}
    return {"epoch": epoch, "finished": False, "records": [record], **state}


def weight_in(path: Path) -> float:
    return float(torch.load(path, weights_only=True)["model"]["weight"][0])


def test_what_is_written_is_the_copy(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path).claimed()
    writer = CheckpointWriter(folder, "validation")
    state = checkpoint_at(1, 1.0)
    with folder.writing():
        writer.begin(writer.copied(state, CPU), is_best=True)
        # The next step, while the thread waits for the folder.
        state["model"]["weight"].zero_()
    writer.close()
    assert weight_in(folder.last) == weight_in(folder.best) == 1.0
    assert writer.saved == 1


def test_memory_is_used_again_once_it_is_written(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path).claimed()
    writer = CheckpointWriter(folder, "validation")
    addresses = []
    for epoch in (1, 2, 3):
        state = checkpoint_at(epoch, float(epoch))
        copy = writer.copied(state, CPU)
        addresses.append(copy.content["model"]["weight"].data_ptr())
        if epoch == 2:
            writer.hold(copy, is_best=True)
        else:
            writer.begin(copy, is_best=epoch == 1)
            assert writer.is_due(epoch)
            assert weight_in(folder.last) == epoch
    assert addresses[1] == addresses[0] != addresses[2], "the second one still waits"
    assert weight_in(folder.best) == 2.0
    writer.close()


def test_one_that_is_only_due_is_left_while_another_is_written(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, seconds=1e-9, rungs=(3,)).claimed()
    writer = CheckpointWriter(folder, "validation")
    assert writer.is_due(1)
    waited: list[bool] = []
    must = threading.Thread(target=lambda: waited.append(writer.is_due(3)))
    with folder.writing():
        writer.begin(Copied(checkpoint_at(1)), is_best=True)
        assert not writer.is_due(2)
        writer.hold(Copied(checkpoint_at(2, 2.0)), is_best=True)
        must.start()
        must.join(0.2)
        assert must.is_alive(), "one that must be waits"
        assert writer.saved == 0
    must.join()
    assert waited == [True]
    assert writer.saved == 1
    writer.begin(Copied(checkpoint_at(3, 3.0)), is_best=False)
    writer.close()
    assert (weight_in(folder.best), weight_in(folder.last)) == (2.0, 3.0)


def test_an_earlier_attempt_writes_nothing_any_more(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    old = folder.claimed()
    writers = [CheckpointWriter(each, "validation") for each in (old, folder.claimed())]
    for writer, value in zip(reversed(writers), (2.0, 1.0), strict=True):
        writer.hold(Copied(checkpoint_at(1, value)), is_best=True)
        writer.begin(Copied(checkpoint_at(2, value)), is_best=False)
        writer.hold(Copied(checkpoint_at(2, value)), is_best=True)
        writer.close()
    assert [writer.saved for writer in writers] == [0, 2]
    assert weight_in(folder.best) == weight_in(folder.last) == 2.0


def test_a_new_attempt_waits_for_what_is_being_written(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    old = folder.claimed()
    new = threading.Thread(target=folder.claimed)
    with old.writing() as allowed:
        assert allowed
        new.start()
        new.join(0.2)
        assert new.is_alive()
    new.join()
    with old.writing() as allowed:
        assert not allowed


def refuse(folder: Path, name: str) -> None:
    """Let a full device stand where a file is written first."""
    folder.mkdir(exist_ok=True)
    (folder / f".{name}.{gethostname()}.{os.getpid()}.half").symlink_to("/dev/full")


def test_a_full_disk_reaches_the_training_at_the_next_epochs_end(tmp_path: Path) -> None:
    refuse(tmp_path, "last.pt")
    trainer = trainer_of(CheckpointFolder(tmp_path))
    records = fit(trainer)
    assert next(records)["epoch"] == 1
    with pytest.raises(StorageError, match=f"no space left on {tmp_path}; make room"):
        next(records)
    assert trainer.saved == 0
    assert not list(tmp_path.glob(".*")), "no half file is left"


def test_a_full_disk_at_the_end_ends_the_trial(tmp_path: Path) -> None:

    class Full(LocalContext):
        def report(self, message: Message) -> None:
            super().report(message)
            if message["kind"] == "started":
                refuse(tmp_path, "last.pt")

    context = Full()
    run_trial(job_of(tiny_recipe(epochs=2), tmp_path), context)
    *_, ending = context.messages
    assert (ending["status"], ending["error_class"]) == ("interrupted", "StorageError")


class StopsAfter(LocalContext):
    """Ends the trial from within its report, as Ray Tune does."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def report(self, message: Message) -> None:
        super().report(message)
        if message["kind"] == "epoch" and message["epoch"] == self._epoch:
            sys.exit(0)


@pytest.mark.parametrize("seconds", [0.0, NEVER], ids=str)
def test_a_stopped_trial_has_no_thread_and_its_best_weights(tmp_path: Path, seconds: float) -> None:
    context, before = StopsAfter(2), threading.active_count()
    recipe = tiny_recipe(epochs=4)
    with pytest.raises(SystemExit):
        run_trial(job_of(recipe, tmp_path, checkpoint_seconds=seconds), context)
    assert threading.active_count() == before
    records = [message["record"] for message in context.messages if message["kind"] == "epoch"]
    accuracies = [record["validation_accuracy"] for record in records]
    assert found(tmp_path / "best.pt")["epoch"] == accuracies.index(max(accuracies)) + 1
    assert (tmp_path / "last.pt").exists() == (seconds == 0)


def test_a_diverged_training_leaves_the_best_weights_before(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, seconds=NEVER)
    trainer = trainer_of(folder)
    records = fit(trainer)
    next(records)
    for parameter in trainer.network.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(Exception, match="loss is nan"):
        next(records)
    best = found(folder.best)
    assert best["epoch"] == 1
    assert all(bool(each.isfinite().all()) for each in best["model"].values())


CHILD = """
import json, sys, torch
from resray.training.context import LocalContext
from resray.training.trial import Job, run_trial
class Printing(LocalContext):
    def report(self, message):
        print(json.dumps(message), flush=True)
run_trial(Job(**json.loads(sys.argv[1])), Printing())
"""


def test_killed_processes_lose_and_double_no_epoch(tmp_path: Path) -> None:
    """Each attempt is killed after its fourth epoch, whatever its thread is doing."""
    recipe = tiny_recipe(epochs=9)
    _, unbroken = train(recipe)
    job = job_of(recipe, tmp_path / "checkpoints" / "0123456789abcdef", checkpoint_seconds=0.05,
                 rungs=[2, 5], threads=1)  # fmt: skip
    store = ResultStore(tmp_path)
    pen = Recorder(store)
    trial = PlannedTrial("s", "A", "standard", 0, recipe, None, ())
    pen.plan(planned_row(trial, job, {}))
    stored: list[int] = []
    for _ in range(9):
        command = [sys.executable, "-c", CHILD, json.dumps(job.to_dict())]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for count, line in enumerate(child.stdout):
            pen.message(job.trial_id, json.loads(line))
            if count == 4:
                child.kill()
                break
        child.communicate()
        if pen.status(job.trial_id) == "completed":
            break
        pen.died(job.trial_id, "killed")
        stored.append(len(store.epochs(job.trial_id)))
    assert pen.status(job.trial_id) == "completed"
    store.flush()
    assert stored == sorted(stored)
    rows = ResultStore(tmp_path).epochs(job.trial_id)
    assert [row["epoch"] for row in rows] == list(range(1, 10))
    assert [row["train_loss"] for row in rows] == pytest.approx(
        [record["train_loss"] for record in unbroken], rel=1e-5
    )
    assert [row["attempt"] for row in rows] == sorted(row["attempt"] for row in rows)
