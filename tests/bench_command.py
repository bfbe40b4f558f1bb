"""Running `resray bench` and `resray tune` in processes of their own; watching results grow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

STUDY = """
name: tiny
title: Two small trainings
question: Does the engine keep every epoch?
recipe:
  model: {name: resnet, blocks: [2, 2, 2], channels: [32, 64, 128]}
  data: {name: embedded, classes: 4, images: 680, image_size: 8, validation_images: 40}
  epochs: 6
  batch_size: 32
  optimizer: {lr: 0.02}
  precision: fp32
trials:
  - {name: first, recipe: {label_smoothing: 0.0}}
  - {name: second, recipe: {label_smoothing: 0.1}}
"""

SEARCH = """
search:
  grace: 1
  reduction_factor: 2
  confirm: 1
  spaces:
    rates:
      axes:
        optimizer.lr: {grid: [0.02, 0.01, 0.005, 0.0001]}
        label_smoothing: {grid: [0.0, 0.1]}
"""
"""Added to the study: 8 points, whose rungs are after epochs 1, 2 and 4."""


@dataclass
class RunningCommand:
    """A command on the tiny study, running in the background."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self.folder / "output.txt").read_text()

    def table(self, name: str) -> pd.DataFrame:
        """Read a result table as any user would, empty as long as there is none."""
        path = self.folder / "results" / "tiny" / name
        return pd.read_parquet(path) if any(path.glob("*.parquet")) else pd.DataFrame()

    def wait_until(self, condition: Callable[[], bool], seconds: float = 150) -> None:
        """Return when ``condition`` holds; fail if the command ends or time runs out before."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended too early:\n{self.output}"
            assert time.monotonic() < deadline, f"too slow:\n{self.output}"
            time.sleep(0.05)

    def wait_for_epoch(self, epoch: int, trial: str = "first") -> None:
        """Return when ``trial`` has recorded ``epoch``."""

        def recorded() -> bool:
            epochs = self.table("epochs")
            return bool(len(epochs)) and bool(
                ((epochs["name"] == trial) & (epochs["epoch"] >= epoch)).any()
            )

        self.wait_until(recorded)

    def pid_of(self, trial: str) -> int:
        """Return the process that trains ``trial`` now (rank 0)."""

        def starts() -> pd.DataFrame:
            events = self.table("events")
            if not len(events):
                return events
            return events[(events["name"] == trial) & events["pid"].notna()]

        # What happened is in the tables about a second later.
        self.wait_until(lambda: bool(len(starts())))
        return int(starts().sort_values("time")["pid"].iloc[-1])

    def kill_trial(self, trial: str) -> None:
        """Send SIGKILL to the process that trains ``trial``."""
        os.kill(self.pid_of(trial), signal.SIGKILL)

    def finish(self, seconds: float = 200) -> int:
        """Wait for the end and return the exit code."""
        return self.process.wait(timeout=seconds)


@contextmanager
def running_command(
    verb: str,
    folder: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "resray"),
) -> Iterator[RunningCommand]:
    """Start `resray VERB` on the tiny study in ``folder``; end it if the test does not.

    ``program`` is what Python runs in place of resray. Every epoch is stored as soon as it can be,
    unless the options say otherwise.
    """
    study = folder / "tiny.yaml"
    if not study.exists():
        study.write_text(STUDY + SEARCH)
    command = [sys.executable, *program, verb, str(study)]
    with open(folder / "output.txt", "ab") as output:
        process = subprocess.Popen(
            [*command, "--gpus", "0", "--out", str(folder), "--checkpoint-seconds", "0", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        yield RunningCommand(process, folder)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


bench_command = partial(running_command, "bench")
tune_command = partial(running_command, "tune")


def assert_every_epoch_once(command: RunningCommand, epochs: int = 6) -> None:
    """Assert that each trial has each of its epochs exactly once."""
    table = command.table("epochs")
    for trial in set(command.table("trials")["name"]):
        recorded = sorted(table[table["name"] == trial]["epoch"])
        assert recorded == list(range(1, epochs + 1)), trial
