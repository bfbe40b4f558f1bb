"""A command of resray that is disturbed, and what can be seen of it meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from resray.errors import InputError
from resray.results.store import read_table
from tests.faults.processes import Process, descendants

EPOCHS, POINTS = 4, 8
STUDY = """
name: tiny
title: Small trainings
question: Is anything lost?
recipe:
  model: {name: resnet, blocks: [1, 1], channels: [16, 32]}
  data: {name: embedded, classes: 4, images: 1600, image_size: 8, validation_images: 40}
  epochs: 4
  batch_size: 32
  optimizer: {lr: 0.02}
  precision: fp32
trials:
  - {name: plain}
  - {name: smooth, recipe: {label_smoothing: 0.1}}
  - {name: smoother, recipe: {label_smoothing: 0.2}}
search:
  grace: 1
  reduction_factor: 2
  confirm: 1
  spaces:
    rates:
      axes:
        optimizer.lr: {grid: [0.05, 0.02, 0.005, 0.0001]}
        label_smoothing: {grid: [0.0, 0.1]}
"""
PATIENCE = 400
"""Seconds after which a command hangs. Each takes 10 to 40, on a machine with little else to do."""
ENDED = ("completed", "stopped", "failed")


@dataclass(frozen=True)
class Case:
    """A command, and how many trials it has."""

    name: str
    verb: str
    options: tuple[str, ...]
    trials: int

    @property
    def epochs(self) -> int:
        """About how many epochs are trained in all."""
        return self.trials * EPOCHS if self.verb == "bench" else 20


# Each trial has one core: with the cores of those that have ended it would add up otherwise.
ALONE = ("--workers", "2", "--cpus-per-trial", "1")
CASES = {
    case.name: case
    for case in (
        Case("bench", "bench", ALONE, 3),
        Case("ranks", "bench",
             ("--workers", "2", "--workers-per-trial", "2", "--select", "plain",
              "--select", "smooth"), 2),
        # On a cluster, which may have less room when the command goes on.
        Case("cluster-bench", "bench", ("--cpus-per-trial", "1"), 3),
        Case("cluster-asha", "tune", ("--cpus-per-trial", "1", "--scheduler", "asha"), POINTS + 1),
        Case("asha", "tune", (*ALONE, "--scheduler", "asha"), POINTS + 1),
        Case("halving", "tune", (*ALONE, "--scheduler", "halving"), POINTS + 1),
    )
}  # fmt: skip


class Command:
    """A case's command in the background; at the end of the context it is killed."""

    def __init__(
        self,
        case: Case,
        out: Path,
        log: Path,
        *,
        options: Sequence[str] = (),
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.case, self.out, self.log = case, out, log
        self.began = time.time()
        self.hung = False
        study = log.parent / "tiny.yaml"
        study.write_text(STUDY)
        words = [*before, sys.executable, "-m", "resray", case.verb, str(study), "--gpus", "0"]
        self._others = descendants(os.getpid())
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [*words, "--out", str(out), *case.options, *options],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=log.parent,
                # Says on SIGABRT what every thread was doing.
                env={**os.environ, "PYTHONFAULTHANDLER": "1", **(environment or {})},
            )

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *error: object) -> None:
        if not self.over:
            self.process.kill()
            self.process.wait()

    @property
    def results(self) -> Path:
        """The study's results folder."""
        return self.out / "results" / "tiny"

    @property
    def report(self) -> Path:
        """The page that it writes at its end."""
        return self.out / "reports" / "tiny.html"

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    @property
    def family(self) -> set[Process]:
        """Its own processes but for the first, and what it has left when it is over."""
        first = {each for each in descendants(os.getpid()) if each.pid == self.process.pid}
        return descendants(os.getpid()) - self._others - first

    def named(self, text: str) -> list[Process]:
        """Return those of its processes that call themselves so, by number."""
        found = [each for each in self.family if text in each.command_line]
        return sorted(found, key=lambda each: each.pid)

    def trainers(self) -> list[Process]:
        """Return the processes that train its trials now (rank 0 of each)."""
        events = stored(self.results, "events")
        pids = set() if events.empty else {int(pid) for pid in events["pid"].dropna()}
        return [each for each in self.family if each.pid in pids]

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return len(stored(self.results, table))

    def ended(self) -> int:
        """Return how many trials have ended."""
        trials = stored(self.results, "trials")
        return 0 if trials.empty else int(trials["status"].isin(ENDED).sum())

    def wait_until(self, condition: Callable[[], object], seconds: float = 200) -> bool:
        """Return whether ``condition`` came true in time, while the command ran."""
        deadline = time.monotonic() + seconds
        while not self.over and time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        return False

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to its first process or, as a terminal does, to its whole group."""
        if self.over:
            return
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code; one that takes too long says where it is, and is killed."""
        try:
            return self.process.wait(max(5.0, PATIENCE - (time.time() - self.began)))
        except subprocess.TimeoutExpired:
            self.hung = True
            self.process.send_signal(signal.SIGABRT)
            time.sleep(2)
            self.process.kill()
            return self.process.wait()

    def settle(self, seconds: float = 15) -> None:
        """Wait until nothing is left of it but Ray's agents, which take a minute."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(not each.is_agent for each in self.family):
            time.sleep(0.2)


def stored(results: Path, table: str) -> pd.DataFrame:
    """Return a table as `read_results` gives it; empty where there is none yet."""
    try:
        return read_table(results, table)
    except InputError:
        # Before anything is stored this is no results folder. Anything else is an error.
        if any(results.rglob("*.parquet")):
            raise
        return pd.DataFrame()
