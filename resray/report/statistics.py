"""What several runs of one configuration say together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation (divisor n - 1) and number of the values behind them."""

    mean: float
    deviation: float | None
    """None where n is below 2: one value has no spread, which is not a spread of 0."""
    n: int


def summarise(values: Iterable[float | None]) -> Summary | None:
    """Return the summary of the finite values, or None if there are none."""
    finite = [float(value) for value in values if value is not None and math.isfinite(value)]
    if not finite:
        return None
    return Summary(fmean(finite), stdev(finite) if len(finite) > 1 else None, len(finite))
