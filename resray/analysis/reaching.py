"""What it took trials to reach an accuracy on validation: epochs, time, images, compute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from resray.analysis.breakdown import finite, numbers
from resray.analysis.comparability import on_one_device
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.results.summary import TEST, VALIDATION

TRAINED = 3
"""Multiply-adds of training on an image, in those of its forward pass: the backward pass costs
about two more (Amodei and Hernandez, "AI and Compute", 2018)."""
EPOCHS, TIME, IMAGES, COMPUTE = "epoch", "time", "images", "compute"
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Between round accuracies, in points."""
NEAR = 0.9
"""Of the highest accuracy: from there on thresholds tell something even if all end level."""


@dataclass(frozen=True)
class Reached:
    """What groups needed for one threshold, as far as known."""

    median: np.ndarray
    """(groups,) over all their trials, of which one that never reached it needs infinitely much:
    infinite where half of them or more did not. NaN where nothing is known."""
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    """How many trials reached it."""
    known: np.ndarray
    """Of how many of these it is known what they needed."""


class Reaching:
    """The finished trials of some groups, and what each needed to reach an accuracy.

    Only validation counts: the first epoch at which test reaches an accuracy would be selected on
    test. Of as-run trials that is what their authors watched. Trials without such an accuracy are
    left out, and groups without any such trial.
    """

    def __init__(self, results: Analysis, groups: Sequence[Group]) -> None:
        groups = [group for group in groups if group.finished]
        rows = [row for group in groups for row in group.finished]
        owners = np.repeat(np.arange(len(groups)), [len(group.finished) for group in groups])
        ids = [row["trial_id"] for row in rows]
        validation, test = (
            finite(results.epoch_table.arrays(f"{split}_accuracy", ids))
            for split in (VALIDATION, TEST)
        )
        on_test = np.array([group.selection != VALIDATION for group in groups], dtype=bool)
        watched = np.where(on_test[owners][:, None], test, validation)
        best = np.fmax.accumulate(watched, axis=1)
        known = np.isfinite(best).any(axis=1)
        kept, self.owners = np.unique(owners[known], return_inverse=True)
        self.results = results
        self.groups: list[Group] = [groups[place] for place in kept]
        self.rows = [rows[place] for place in np.flatnonzero(known)]
        self.best = best[known]

    @property
    def watched(self) -> str:
        """What reaches an accuracy, in words."""
        as_run = any(group.selection != VALIDATION for group in self.groups)
        return "validation (of as-run trials, test)" if as_run else VALIDATION

    @cached_property
    def target(self) -> float | None:
        """The accuracy that the study says is to be reached, if it does."""
        return self.results.study.target_accuracy if self.results.study else None

    def thresholds(self, most: int) -> list[float]:
        """Return the study's target, and at most so many round accuracies between the lowest and
        the highest of the groups' final ones; where these lie close together, from `NEAR` times the
        highest."""
        found = set() if self.target is None else {self.target}
        if self.groups:
            high = float(self.finals.max())
            low = min(float(self.finals.min()), NEAR * high)
            found.update(round_numbers(low, high, most))
        return sorted(found)

    @cached_property
    def trials(self) -> np.ndarray:
        """How many trials each group has."""
        return np.bincount(self.owners, minlength=len(self.groups))

    @cached_property
    def finals(self) -> np.ndarray:
        """The mean over each group's trials of their best accuracy."""
        highest = np.nanmax(self.best, axis=1)
        return np.bincount(self.owners, highest, len(self.groups)) / self.trials

    @cached_property
    def spent(self) -> dict[str, np.ndarray]:
        """What each trial had spent by the end of each epoch, (trials, epochs), in each measure
        that was recorded; NaN where it is not known."""
        epochs = self.results.epoch_table
        ids = [row["trial_id"] for row in self.rows]
        seconds, images = (
            np.cumsum(finite(epochs.arrays(column, ids)), axis=1)
            for column in ("seconds_training", "images")
        )
        compute = TRAINED * images * numbers(self.rows, "multiply_adds")[:, None]
        whole = np.broadcast_to(epochs.numbers.astype(float), seconds.shape)
        found = {EPOCHS: whole, TIME: seconds, IMAGES: images, COMPUTE: compute}
        return {name: values for name, values in found.items() if np.isfinite(values).any()}

    def needed(self, along: str, thresholds: Sequence[float]) -> np.ndarray:
        """Return what each trial needed, (trials, thresholds): infinite where it never got there,
        NaN where it did but what it had spent is not known."""
        spent, every = self.spent[along], np.arange(len(self.rows))
        made = np.full((len(self.rows), len(thresholds)), np.inf)
        for place, threshold in enumerate(thresholds):
            there = self.best >= threshold
            reached = there.any(axis=1)
            made[reached, place] = spent[every, there.argmax(axis=1)][reached]
        return made

    def reached(self, needed: np.ndarray) -> list[Reached]:
        """Return what groups needed for each threshold, from what their trials did: (trials,
        thresholds)."""
        every = pd.DataFrame(needed)
        medians = every.groupby(self.owners).median()
        counts = every.ne(np.inf).groupby(self.owners).sum()
        known = every.where(np.isfinite(needed)).groupby(self.owners)
        parts = (medians, known.min(), known.max(), counts, known.count())
        return [Reached(*(part[place].to_numpy() for part in parts)) for place in every]

    @cached_property
    def timed(self) -> list[bool]:
        """Whether each group's times may be compared: those that had devices to themselves, of the
        kind that most of these groups ran on."""
        return on_one_device(self.groups, exclusive=True)


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """Return the multiples of the smallest of `STEPS` of which at most so many lie in between."""
    for step in STEPS:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [round(step * place, 1) for place in range(max(first, 1), last + 1)]
    return []
