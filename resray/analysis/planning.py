"""How many seeds a difference takes, before anything is trained."""

import numpy as np
from scipy.special import nctdtr, nctdtrinc

from resray.analysis.contrasts import POWER, Correction

MOST_SEEDS = 1000


def chance_of_showing(
    difference: float, deviation: float, seeds: int, correction: Correction
) -> float:
    """Return how often a true difference of two means is shown, in its own direction.

    Both configurations have so many seeds, whose values are normal with one standard deviation: t
    is noncentral then (Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988).
    """
    degrees = 2.0 * seeds - 2
    reach = float(correction.critical(np.array([degrees]))[0])
    away = difference / (deviation * np.sqrt(2 / seeds))
    # Beyond some 35 standard errors the distribution cannot be worked out, nor has it to be.
    return 1.0 if away > reach + 30 else float(1 - nctdtr(degrees, away, reach))


def seeds_for(difference: float, deviation: float, correction: Correction) -> int | None:
    """Return the fewest seeds of each configuration that show a difference in `POWER` of studies;
    None where `MOST_SEEDS` do not."""
    low, high = 1, 2
    while chance_of_showing(difference, deviation, high, correction) < POWER:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        enough = chance_of_showing(difference, deviation, middle, correction) >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


def detectable(deviation: float, seeds: int, correction: Correction) -> float:
    """Return the smallest difference that so many seeds show in `POWER` of studies."""
    degrees = 2.0 * seeds - 2
    reach = float(correction.critical(np.array([degrees]))[0])
    return float(nctdtrinc(degrees, 1 - POWER, reach)) * deviation * np.sqrt(2 / seeds)
