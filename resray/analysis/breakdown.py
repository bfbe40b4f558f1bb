"""Where the time of a trial goes, part by part, for all trials at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from resray.analysis.groups import Row
from resray.analysis.results import Analysis
from resray.analysis.statistics import Moments

PARTS = ("training", "warming up", "evaluating", "saving", "starting", "other")


@dataclass(frozen=True)
class Breakdown:
    """Seconds per recorded epoch of some trials; NaN where they are not known."""

    parts: np.ndarray
    """(trials, `PARTS`): warming up is what the first epoch of each start took beyond the other
    epochs' mean, and training the rest; other is what is left of the time from start to end."""
    first: np.ndarray
    """Mean training seconds of the first epochs of each start."""
    later: np.ndarray
    """Mean training seconds of the other epochs; of all where there are none."""


def breakdown(results: Analysis, rows: Sequence[Row]) -> Breakdown:
    """Return where the time of trials went.

    Of a trial that was resumed the time from start to end holds whatever lay between, so that
    nothing is said about the rest of it.
    """
    seconds, first = training_seconds(results, rows)
    is_warm = np.isfinite(seconds) & ~first
    later = mean_where(seconds, is_warm | ~is_warm.any(axis=1, keepdims=True))
    epochs = numbers(rows, "epochs_done")
    training = numbers(rows, "seconds_training")
    excess = np.nansum(np.where(first, seconds - later[:, None], np.nan), axis=1)
    warming = np.where(np.isfinite(later), excess.clip(min=0), np.nan)
    named = (numbers(rows, f"seconds_{part}") for part in ("evaluating", "saving", "starting"))
    spent = [training - np.nan_to_num(warming), warming, *named]
    other = (wall_seconds(rows) - np.nansum(spent, axis=0)).clip(min=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.stack([*spent, other], axis=1) / np.where(epochs > 0, epochs, np.nan)[:, None]
    return Breakdown(parts, mean_where(seconds, first), later)


def training_seconds(results: Analysis, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Return the training seconds of each epoch, (trials, epochs), and which are the first of a
    start: they also load libraries, pick convolution algorithms and reserve memory."""
    ids = [row["trial_id"] for row in rows]
    seconds = finite(results.epoch_table.arrays("seconds_training", ids))
    recorded = np.isfinite(results.epoch_table.arrays("epoch", ids))
    attempts = np.nan_to_num(results.epoch_table.arrays("attempt", ids))
    attempts = np.where(recorded, attempts, -1)
    before = np.full((len(ids), 1), -1.0)
    highest = np.maximum.accumulate(np.hstack([before, attempts]), axis=1)[:, :-1]
    return seconds, recorded & (attempts > highest)


def wall_seconds(rows: Sequence[Row]) -> np.ndarray:
    """Return the seconds from start to end of the trials that were started once."""
    return np.array([
        (row["ended"] - row["started"]).total_seconds()
        if row["attempts"] == 1 and row["started"] and row["ended"] else np.nan
        for row in rows
    ], dtype=float)  # fmt: skip


def numbers(rows: Sequence[Row], column: str) -> np.ndarray:
    """Return a column of trials as floats, NaN where there is no finite value."""
    values = [np.nan if row[column] is None else row[column] for row in rows]
    return finite(np.array(values, dtype=float))


def finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def mean_where(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the mean of the chosen finite values of each row, NaN where there are none."""
    chosen = chosen & np.isfinite(values)
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def means_of(values: np.ndarray, owners: np.ndarray, groups: int) -> np.ndarray:
    """Return the means over the rows of each group, NaN where none has a finite value.

    ``values`` is (trials, columns); ``owners`` gives each trial's group.
    """
    return np.stack([Moments.of(column, owners, groups).mean for column in values.T], axis=1)
