"""SIGTERM of a process that trains: its last finished epoch is saved, and it counts for nothing."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from resray.training.checkpoint_file import read_checkpoint
from resray.training.context import LocalContext, Preempted
from resray.training.trial import run_trial
from tests.bench_command import RunningCommand, assert_every_epoch_once, bench_command
from tests.training_case import job_of, tiny_recipe, train, without_clocks

pytestmark = pytest.mark.timeout(300)

EPOCHS = 12
STUDY = f"""
name: tiny
title: A small training of many epochs
question: What does a SIGTERM leave?
recipe:
  model: {{name: resnet, blocks: [1], channels: [8]}}
  data: {{name: embedded, classes: 4, images: 680, image_size: 8, validation_images: 40}}
  epochs: {EPOCHS}
  batch_size: 32
  optimizer: {{lr: 0.02}}
  precision: fp32
trials: [{{name: first}}]
"""

# Nothing is written before its end but what a SIGTERM saves, and nothing may fail.
SELDOM = ("--checkpoint-seconds", "1000", "--max-failures", "0")
ALONE = ("--workers", "1", "--cpus-per-trial", "1")
TWO_RANKS = ("--workers", "2", "--workers-per-trial", "2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    return tmp_path


def wait_for_epoch_shown(command: RunningCommand, epoch: int) -> None:
    """Return when the epoch is shown; it is stored with a checkpoint only."""
    command.wait_until(lambda: f"epoch {epoch}/" in command.output)


def events_of(command: RunningCommand) -> pd.DataFrame:
    return command.table("events").sort_values("time").reset_index()


def assert_preempted_once(command: RunningCommand) -> pd.DataFrame:
    """Assert that the trial was preempted and completed; return its events."""
    assert command.finish() == 0, command.output
    assert_every_epoch_once(command, EPOCHS)
    events = events_of(command)
    assert events["event"].tolist() == ["started", "preempted", "resumed", "completed"]
    assert "told to end (SIGTERM)" in events["detail"][1]
    assert "told to end (SIGTERM)" in command.output
    (trial,) = command.table("trials").to_dict("records")
    assert (trial["status"], trial["attempts"]) == ("completed", 2)
    return events


@pytest.mark.parametrize(
    "workers",
    [pytest.param(ALONE, id="alone"), pytest.param(TWO_RANKS, id="rank 0", marks=pytest.mark.slow)],
)
def test_a_preempted_trial_goes_on_from_its_last_epoch(
    folder: Path, workers: tuple[str, ...]
) -> None:
    with bench_command(folder, *SELDOM, *workers) as command:
        wait_for_epoch_shown(command, 2)
        os.kill(command.pid_of("first"), signal.SIGTERM)
        events = assert_preempted_once(command)
        assert events["epoch"][2] >= 2, "what was finished is not trained again"


@pytest.mark.slow
def test_a_rank_that_writes_nothing_has_rank_0_save(folder: Path) -> None:
    with bench_command(folder, *SELDOM, *TWO_RANKS) as command:
        wait_for_epoch_shown(command, 2)
        os.kill(other_rank(command), signal.SIGTERM)
        events = assert_preempted_once(command)
        assert events["epoch"][2] >= 2


def other_rank(command: RunningCommand) -> int:
    """Return the process of the rank that is not rank 0."""
    first = command.pid_of("first")
    ranks = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"ray::RayTrainWorker" in path.read_bytes()
    ]
    mine = [pid for pid in ranks if os.getsid(pid) == os.getsid(first)]
    (other,) = set(mine) - {first}
    return other


class ToldToEnd(LocalContext):
    """A context whose process is told to end when it has checked in so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def check_in(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Preempted("told to end")


@pytest.mark.parametrize("times", [0, 3, 6, 8, 10], ids="after {} batches".format)
def test_the_last_finished_epoch_is_saved_whenever_it_comes(tmp_path: Path, times: int) -> None:
    recipe = tiny_recipe(epochs=3)
    _, unbroken = train(recipe)
    job = job_of(recipe, tmp_path, checkpoint_seconds=1000.0)
    context = ToldToEnd(times)
    with pytest.raises(Preempted):
        run_trial(job, context)
    finished = [message["epoch"] for message in context.messages if message["kind"] == "epoch"]
    assert len(finished) < recipe.epochs
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert (checkpoint["epoch"] if checkpoint else 0) == len(finished)
    again = LocalContext()
    run_trial(job, again)
    started, *epochs, ending = again.messages
    assert started["epoch"] == len(finished)
    assert ending["status"] == "completed"
    records = [*started["records"], *(message["record"] for message in epochs)]
    assert without_clocks(records) == without_clocks(unbroken)
    best = read_checkpoint(tmp_path / "best.pt")
    accuracies = [record["validation_accuracy"] for record in unbroken]
    assert best is not None
    assert best["epoch"] == 1 + accuracies.index(max(accuracies))
