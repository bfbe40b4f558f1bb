"""Trials that hang: a process that is stopped, a network that waits for ever."""

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resray.cli.options import parse_stall_timeout
from resray.errors import InputError
from resray.run.stalls import StallWatch
from tests.bench_command import RunningCommand, assert_every_epoch_once, bench_command

pytestmark = pytest.mark.timeout(400)

EPOCHS = 60
"""More than are trained by the time that the first ones are read in the tables."""
STUDY = f"""
name: tiny
title: A small training that hangs once
question: Is it noticed?
recipe:
  model: {{name: resnet, blocks: [1], channels: [8]}}
  data: {{name: embedded, classes: 4, images: 680, image_size: 8, validation_images: 40}}
  epochs: {EPOCHS}
  batch_size: 32
  optimizer: {{lr: 0.02}}
  precision: fp32
trials: [{{name: first}}]
"""
NET = '''
import time
from pathlib import Path

import torch

class Waiting(torch.nn.Module):
    """Waits for ever in a forward pass, once."""

    def __init__(self, num_classes):
        super().__init__()
        self.head = torch.nn.Linear(192, num_classes)

    def forward(self, images):
        seen = Path({seen!r})
        if self.training and torch.is_grad_enabled() and not seen.exists():
            seen.touch()
            time.sleep(10_000)
        return self.head(images.flatten(1))
'''
OPTIONS = ("--workers", "1", "--cpus-per-trial", "1", "--stall-timeout", "8s")


def assert_restarted(command: RunningCommand) -> None:
    """Assert that the trial was ended once as it hung, and completed."""
    assert command.finish() == 0, command.output
    assert_every_epoch_once(command, EPOCHS)
    events = command.table("events").sort_values("time")
    assert set(events["event"]) == {"started", "died", "resumed", "completed"}
    died = events[events["event"] == "died"]
    assert list(died["detail"]) == ["finished no batch for 8 s"]


def test_a_stopped_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(STUDY)
    with bench_command(tmp_path, *OPTIONS) as command:
        command.wait_for_epoch(1)
        pid = command.pid_of("first")
        os.kill(pid, signal.SIGSTOP)
        assert_restarted(command)
        assert not Path(f"/proc/{pid}").exists(), "nothing of it is left"


@pytest.mark.slow
def test_a_network_that_waits_for_ever_is_restarted(tmp_path: Path) -> None:
    (tmp_path / "waiting_net.py").write_text(NET.format(seen=str(tmp_path / "seen")))
    own = STUDY.replace("{name: resnet, blocks: [1], channels: [8]}", "waiting_net:Waiting")
    (tmp_path / "tiny.yaml").write_text(own)
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    with bench_command(tmp_path, *OPTIONS, "--trust", environment=path) as command:
        assert_restarted(command)


def running(folder: Path, world_size: int = 1) -> Any:
    """Return what the watch asks of one of Ray Tune's trials."""
    job = {"checkpoint_folder": str(folder), "world_size": world_size}
    return SimpleNamespace(trial_id="its first start", config={"job": job}, last_result={})


def test_signs_of_life(tmp_path: Path) -> None:
    watch, trial = StallWatch(60.0), running(tmp_path)
    assert [watch.silence(trial, 1.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    (tmp_path / "progress.json").touch()
    assert [watch.silence(trial, 1.0) for _ in range(2)] == [0.0, 1.0]
    trial.last_result = {"training_iteration": 1}
    assert [watch.silence(trial, 1.0) for _ in range(2)] == [0.0, 1.0]
    again = running(tmp_path)
    again.trial_id = "its next start"
    assert watch.silence(again, 1.0) == 0.0


def test_ranks_may_wait_for_room(tmp_path: Path) -> None:
    watch, trial = StallWatch(60.0), running(tmp_path, world_size=2)
    assert [watch.silence(trial, 1.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    time.sleep(0.01)
    (tmp_path / "progress.json").touch()
    assert [watch.silence(trial, 1.0) for _ in range(2)] == [0.0, 1.0]


def test_how_the_time_is_typed() -> None:
    assert parse_stall_timeout("30m") == 1800
    assert parse_stall_timeout("none") is None
    with pytest.raises(InputError, match=r"^--stall-timeout '30': expected a number with a unit"):
        parse_stall_timeout("30")
