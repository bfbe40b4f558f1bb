"""Rules by which trials are stopped early: figures in, verdicts out, nothing kept and nothing read.

Values are validation accuracies in percent: higher is better, and none is ever NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_OTHERS = 3
"""Median stopping judges nobody against fewer other trials, as in Ray Tune."""


@dataclass(frozen=True)
class Decision:
    """Whether a trial goes on, and what that was decided on."""

    rung: int | None
    """1 is the first; None where the scheduler decides after every epoch."""
    epoch: int
    value: float | None
    """Highest validation accuracy up to ``epoch``, in percent; None: diverged or failed."""
    cutoff: float | None
    """Below it a trial is stopped; None where there was nothing to compare with."""
    arrived: int
    """Trials compared, this one included."""
    stopped: bool


def rungs(grace: int, reduction_factor: int, epochs: int) -> tuple[int, ...]:
    """Return the epochs after which a trial of so many epochs is judged, the first after ``grace``.

    Each is ``reduction_factor`` times the one before, all below ``epochs``: at the end there is
    nothing left to save. These are Ray Tune's rungs.
    """
    found = []
    epoch = grace
    while epoch < epochs:
        found.append(epoch)
        epoch *= reduction_factor
    return tuple(found)


def asha(
    value: float, earlier: Sequence[float], reduction_factor: int
) -> tuple[float | None, bool]:
    """Return the cutoff for an arrival at a rung, and whether the trial is stopped.

    ``earlier`` are the values of those that arrived before it: the cutoff is what one of
    ``reduction_factor`` of them reached, interpolated linearly, and who is below it stops. The
    first to arrive goes on, with no cutoff. Asynchronous successive halving of Li et al., "A System
    for Massively Parallel Hyperparameter Tuning" (2020), in the stopping variant of Ray Tune's
    AsyncHyperBandScheduler with one bracket: nobody is paused, nobody is promoted later.
    """
    assert np.isfinite(value), value
    if not earlier:
        return None, False
    cutoff = float(np.percentile(earlier, (1 - 1 / reduction_factor) * 100))
    return cutoff, value < cutoff


def halving(
    values: Mapping[str, float | None], reduction_factor: int
) -> tuple[set[str], float | None]:
    """Return which trials of a complete rung go on, and the lowest value among these.

    Successive halving of Jamieson & Talwalkar, "Non-stochastic Best Arm Identification and
    Hyperparameter Optimization" (2016). Of n trials the n / ``reduction_factor`` best go on,
    rounded down as in Hyperband (Li et al. 2018), but at least one. Trials without a value count
    among the n and never go on. Of equal ones the lower trial id goes first, so the order of
    arrival decides nothing.
    """
    measured = {trial_id: value for trial_id, value in values.items() if value is not None}
    if not measured:
        return set(), None
    places = max(1, len(values) // reduction_factor)
    ranked = sorted(measured, key=lambda trial_id: (-measured[trial_id], trial_id))
    return set(ranked[:places]), measured[ranked[:places][-1]]


def median(best: float, running_means: Sequence[float]) -> tuple[float | None, bool]:
    """Return the cutoff for a trial after an epoch, and whether it is stopped.

    ``best`` is its best value so far; ``running_means`` are the other trials' (see `running_mean`)
    up to the same epoch, and their median is the cutoff. With fewer than `FEWEST_OTHERS` it goes
    on. Median stopping of Golovin et al., "Google Vizier" (2017), as in Ray Tune's
    MedianStoppingRule.
    """
    assert np.isfinite(best), best
    if len(running_means) < FEWEST_OTHERS:
        return None, False
    cutoff = float(np.median(running_means))
    return cutoff, best < cutoff


def running_mean(values: Sequence[float | None], grace: int) -> float | None:
    """Return the mean of a trial's values, one an epoch, from epoch ``grace`` on; None where no
    epoch of these was evaluated."""
    known = [value for value in values[grace - 1 :] if value is not None]
    return float(np.mean(known)) if known else None
