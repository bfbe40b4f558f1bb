"""Training, validation and test beside each other, for all finished trials at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from resray.analysis.breakdown import finite
from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis
from resray.analysis.statistics import Moments, Summary

EPOCHS = ("selected", "last")
"""Which epoch of each trial is looked at."""


@dataclass(frozen=True)
class Splits:
    """Accuracies and losses of train, validation and test, of all finished trials at once."""

    results: Analysis
    groups: tuple[Group, ...]
    """Those with a finished trial of which epochs are recorded."""
    trials: tuple[tuple[Row, ...], ...]
    """Of each group, those trials."""

    @cached_property
    def trial_ids(self) -> list[str]:
        return [str(row["trial_id"]) for rows in self.trials for row in rows]

    @cached_property
    def owners(self) -> np.ndarray:
        """Which group each trial is of."""
        return np.repeat(np.arange(len(self.groups)), [len(rows) for rows in self.trials])

    def along(self, split: str, quantity: str) -> np.ndarray:
        """Return a quantity of each trial after each epoch, (trials, epochs), NaN where unknown."""
        return finite(self.results.epoch_table.arrays(f"{split}_{quantity}", self.trial_ids))

    def gap_along(self, quantity: str) -> np.ndarray:
        """Return by how much train is better than test: (trials, epochs)."""
        gap = self.along("train", quantity) - self.along("test", quantity)
        return gap if quantity == "accuracy" else -gap

    @cached_property
    def places(self) -> dict[str, np.ndarray]:
        """Where each trial's epoch stands among the recorded ones, by `EPOCHS`; -1: nowhere."""
        numbers = self.results.epoch_table.numbers
        best = [row["best_epoch"] for rows in self.trials for row in rows]
        found = {number: place for place, number in enumerate(numbers.tolist())}
        known = np.isfinite(self.results.epoch_table.arrays("epoch", self.trial_ids))
        last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
        return {EPOCHS[0]: np.array([found.get(one, -1) for one in best]), EPOCHS[1]: last}

    def chosen(self, values: np.ndarray, epoch: str) -> np.ndarray:
        """Return each trial's value, (trials,), of ``values``, (trials, epochs), at its epoch."""
        places = self.places[epoch]
        return np.where(places >= 0, values[np.arange(len(values)), places], np.nan)

    def summaries(self, values: np.ndarray) -> list[Summary | None]:
        """Return the summary of each group over its trials' finite values."""
        return Moments.of(values, self.owners, len(self.groups)).summaries

    def means_along(self, values: np.ndarray) -> np.ndarray:
        """Return each group's mean over its trials, (groups, epochs).

        Only of epochs that all its trials have, of those that have any: a mean over fewer of them
        would jump where one ends.
        """
        known = np.isfinite(values)
        needed = np.bincount(self.owners, known.any(axis=1))[:, None]
        by_group = pd.DataFrame(values).groupby(self.owners)
        return np.where(by_group.count() == needed, by_group.mean(), np.nan)


def splits_of(results: Analysis) -> Splits | None:
    """Return the finished trials that recorded an epoch, or None if there are none."""
    recorded = (
        (group, tuple(row for row in group.finished if row["trial_id"] in results.epoch_table))
        for group in results.groups
    )
    found = [(group, rows) for group, rows in recorded if rows]
    if not found:
        return None
    groups, trials = zip(*found, strict=True)
    return Splits(results, groups, trials)
