"""Ending the processes of trials that hang: stopped, or waiting for what never comes."""

import math
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.tune.experiment import Trial

from resray.run.deaths import Death
from resray.run.ray_private import actor_of
from resray.search.budget import in_words

LOOK_SECONDS = 30.0
"""How often all trials' folders are looked at, or eight times within the timeout."""
Sign = tuple[int, int]
"""What shows that a trial goes on: its messages so far, and when a file of its folder was last
written, in nanoseconds of whoever wrote."""


@dataclass
class _Watched:
    sign: Sign
    silent: float | None
    """Seconds without another sign; None where the trial may still wait for its ranks' room."""


class StallWatch:
    """Ends the processes of trials without a sign of life for so long; None lets all live.

    Batches, evaluations and checkpoints leave their mark in a trial's checkpoint folder
    (`resray.training.context.Context.check_in`). A trial of several ranks counts from its first
    sign on, as they may wait for room before. Time in which nobody looked, as this process was
    stopped itself, does not count.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._interval = min(LOOK_SECONDS, (seconds or math.inf) / 8)
        self._looked = time.monotonic()
        self._watched: dict[str, _Watched] = {}
        self._ended: set[str] = set()

    def look(self, trials: Iterable[Trial]) -> None:
        """End what hangs, unless that was looked for a moment ago."""
        passed = time.monotonic() - self._looked
        if self._seconds is None or passed < self._interval:
            return
        self._looked += passed
        running = {each.trial_id: each for each in trials if each.status == Trial.RUNNING}
        for trial_id in self._watched.keys() - running.keys():
            del self._watched[trial_id]
        for trial in running.values():
            if self.silence(trial, min(passed, 2 * self._interval)) >= self._seconds:
                self._end(trial)

    def silence(self, trial: Trial, passed: float) -> float:
        """Return for how long a trial has shown nothing, ``passed`` seconds after the last look."""
        sign = sign_of(trial)
        watched = self._watched.get(trial.trial_id)
        if watched is None:
            begins = trial.config["job"]["world_size"] == 1 or sign[0] > 0
            self._watched[trial.trial_id] = watched = _Watched(sign, 0.0 if begins else None)
        elif sign != watched.sign:
            watched.sign, watched.silent = sign, 0.0
        elif watched.silent is not None:
            watched.silent += passed
        return watched.silent or 0.0

    def _end(self, trial: Trial) -> None:
        actor = actor_of(trial)
        if actor is not None and trial.trial_id not in self._ended:
            self._ended.add(trial.trial_id)
            # A process that is stopped does not hear of it; after 5 seconds Ray sends SIGKILL.
            ray.kill(actor)

    def death_of(self, trial: Trial) -> Death | None:
        """Return the death of a trial whose process was ended here; None for any other."""
        if self._seconds is None or trial.trial_id not in self._ended:
            return None
        return Death("Stalled", f"finished no batch for {in_words(self._seconds)}")


def sign_of(trial: Trial) -> Sign:
    """Return what a trial has shown of itself so far."""
    written = 0
    with suppress(OSError):
        # A file may be renamed while they are looked through.
        files = Path(trial.config["job"]["checkpoint_folder"]).iterdir()
        written = max((file.stat().st_mtime_ns for file in files), default=0)
    return (trial.last_result or {}).get("training_iteration", 0), written
