"""What several runs of one configuration say together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import fmean

import numpy as np
from scipy.special import stdtrit

TAILS = (0.025, 0.975)
"""Of a 95 % interval."""
LARGEST = 1e150
"""Nothing that is measured comes near; beyond, a square is no finite number."""


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation (divisor n - 1) and number of the values behind them."""

    mean: float
    deviation: float | None
    """None where n is below 2: one value has no spread, which is not a spread of 0."""
    n: int

    @property
    def half(self) -> float | None:
        """Half of the mean's 95 % interval (`mean_interval`); None of one value."""
        if self.deviation is None:
            return None
        return t_quantile(self.n - 1) * self.deviation / math.sqrt(self.n)

    def over(self, divisor: float) -> "Summary":
        deviation = None if self.deviation is None else self.deviation / divisor
        return Summary(self.mean / divisor, deviation, self.n)


def summarise(values: Iterable[float | None]) -> Summary | None:
    """Return the summary of the values below `LARGEST`, or None if there are none."""
    finite = [float(value) for value in values if value is not None and abs(value) < LARGEST]
    if not finite:
        return None
    mean = fmean(finite)
    if len(finite) == 1:
        return Summary(mean, None, 1)
    # `statistics.stdev` works in fractions, which thousands of configurations make felt.
    squares = math.fsum((value - mean) ** 2 for value in finite)
    return Summary(mean, math.sqrt(squares / (len(finite) - 1)), len(finite))


@dataclass(frozen=True)
class Moments:
    """Number, mean and sample variance of the values of each of several groups, as arrays.

    The mean of no value and the variance of fewer than two are NaN.
    """

    n: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, owners: np.ndarray, groups: int) -> "Moments":
        """Return those of the finite ``values``, of which ``owners`` gives each one's group."""
        known = np.isfinite(values)
        values, owners = values[known], owners[known]
        n = np.bincount(owners, minlength=groups)
        with np.errstate(all="ignore"):
            mean = np.bincount(owners, values, groups) / n
            squares = np.bincount(owners, (values - mean[owners]) ** 2, groups)
            variance = np.where(n > 1, squares / (n - 1), np.nan)
        return cls(n, mean, variance)

    def times(self, factor: float) -> "Moments":
        return Moments(self.n, self.mean * factor, self.variance * factor**2)

    @cached_property
    def deviation(self) -> np.ndarray:
        return np.sqrt(self.variance)

    @cached_property
    def half(self) -> np.ndarray:
        """Half of each mean's 95 % interval (`mean_interval`); NaN of fewer than two values."""
        degrees = np.where(self.n > 1, self.n - 1.0, np.nan)
        return np.asarray(stdtrit(degrees, TAILS[1]) * self.deviation / np.sqrt(self.n))

    @cached_property
    def summaries(self) -> list[Summary | None]:
        """The summary of each group."""
        return [
            Summary(mean, deviation if n > 1 else None, n) if n else None
            for n, mean, deviation in zip(
                self.n.tolist(), self.mean.tolist(), self.deviation.tolist(), strict=True
            )
        ]


@dataclass(frozen=True)
class Interval:
    """Where a number lies with 95 % confidence."""

    low: float
    high: float

    def over(self, divisor: float) -> "Interval":
        return Interval(self.low / divisor, self.high / divisor)


def mean_interval(summary: Summary) -> Interval | None:
    """Return the 95 % interval of a mean, None where n is below 2.

    Student's: the mean plus or minus the 97.5 % quantile of t with n - 1 degrees of freedom times
    the standard error ("The Probable Error of a Mean", 1908). It holds for values that are normally
    distributed around the mean and drawn independently, as seeds are.
    """
    if (half := summary.half) is None:
        return None
    return Interval(summary.mean - half, summary.mean + half)


@cache
def t_quantile(degrees: float) -> float:
    """Return the 97.5 % quantile of Student's t with so many degrees of freedom."""
    return float(stdtrit(degrees, TAILS[1]))
