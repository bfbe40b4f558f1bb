"""SIGTERM of a process that trains: its last finished epoch is saved, and it counts for nothing."""

import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from resray.training.checkpoint_file import read_checkpoint
from tests.bench_command import RunningCommand, assert_every_epoch_once, bench_command

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


@pytest.mark.slow
def test_what_a_preempted_trial_saves_is_read_again(folder: Path) -> None:
    """Preempted twice, the trial ends as one that nobody disturbed, bit for bit."""
    with bench_command(folder, *SELDOM, *ALONE) as command:
        for times in (1, 2):
            command.wait_until(lambda: len(command.table("events")) == 2 * times - 1)  # noqa: B023
            wait_for_epoch_shown(command, 4 * times)
            os.kill(command.pid_of("first"), signal.SIGTERM)
        assert command.finish() == 0, command.output
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir()
    (undisturbed / "tiny.yaml").write_text(STUDY)
    with bench_command(undisturbed, *SELDOM, *ALONE) as other:
        assert other.finish() == 0, other.output
    assert list(events_of(command)["event"]).count("preempted") == 2
    for column in ("train_loss", "validation_loss", "test_accuracy"):
        assert list(command.table("epochs").sort_values("epoch")[column]) == list(
            other.table("epochs").sort_values("epoch")[column]
        )
    checkpoint = next((folder / "results" / "tiny" / "checkpoints").glob("*/last.pt"))
    assert read_checkpoint(checkpoint)["epoch"] == EPOCHS  # type: ignore[index]
