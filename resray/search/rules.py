"""Rules by which trials are stopped early: figures in, verdicts out, nothing kept and nothing read.

Values are validation accuracies in percent: higher is better, and none is ever NaN.
"""

from collections.abc import Mapping, Sequence

import numpy as np


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


def asha_cutoff(earlier: Sequence[float], reduction_factor: int) -> float | None:
    """Return the value below which Ray Tune's ASHA stops an arrival at a rung.

    ``earlier`` are the values of those that arrived before it: the cutoff is what one of
    ``reduction_factor`` of them reached, interpolated linearly; None for the first. Asynchronous
    successive halving of Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2020),
    in the stopping variant of Ray Tune with one bracket.
    """
    return float(np.percentile(earlier, (1 - 1 / reduction_factor) * 100)) if earlier else None


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
