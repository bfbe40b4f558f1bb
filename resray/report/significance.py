"""Whether two samples of a metric over seeds differ, by t tests, corrected for their number.

A seed decides the initial weights, the order of the data and the augmentation, so values of one and
the same seed belong together: where two samples share two seeds or more, the differences within
pairs are tested (Student, "The Probable Error of a Mean", 1908); elsewhere the two means are
(Welch, "The Generalization of 'Student's' Problem when Several Different Population Variances are
Involved", 1947). Of many comparisons some come out by chance, so their p values are raised (Holm,
"A Simple Sequentially Rejective Multiple Test Procedure", 1979).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from resray.analysis.statistics import TAILS, Interval, Moments

LEVEL = 0.05
"""A difference is real where the corrected p value is below."""
ROUNDING = 1e-9
"""A spread below this share of the values comes from rounding, not from seeds."""
SAME = "the same values"
REAL = "real"

Values = Mapping[int | None, float]
"""A metric's value by seed; None is the seed of what has none."""
Samples = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Difference:
    """By how much the mean of one sample lies above another's, and whether that is real."""

    value: float
    """Of paired samples: the mean over the seeds that both have."""
    paired: bool
    seeds: tuple[int, int]
    """Behind the mean that is subtracted, and behind the other."""
    interval: Interval | None = None
    """95 %, of this difference alone."""
    p: float | None = None
    """Two-sided: how likely a difference as large is by chance, if there is none in truth."""
    corrected: float | None = None
    """The p value after `holm`."""
    untested: str | None = None
    """Why there is no interval and no p value."""

    @property
    def verdict(self) -> str:
        """``real``, ``not shown`` or ``no test``."""
        if self.corrected is None:
            return "no test"
        return REAL if self.corrected < LEVEL else "not shown"

    @property
    def samples(self) -> str:
        """How many values were compared: ``3 pairs``, ``3 and 5``."""
        first, second = self.seeds
        return f"{first} pairs" if self.paired else f"{first} and {second}"


def differences(pairs: Sequence[tuple[Values, Values]]) -> list[Difference]:
    """Return for each pair of samples, none empty, how far the second lies above the first.

    p values are corrected over all the pairs that can be tested.
    """
    found = uncorrected(pairs)
    tested = {place: one.p for place, one in enumerate(found) if one.p is not None}
    for place, corrected in zip(tested, holm(list(tested.values())), strict=True):
        found[place] = replace(found[place], corrected=float(corrected))
    return found


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p values raised so that of all comparisons whose two sides are in truth equal, however
    many there are, any is called real in at most `LEVEL` of cases.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below an earlier
    one or rises above 1.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return corrected


def uncorrected(pairs: Sequence[tuple[Values, Values]]) -> list[Difference]:
    """Return the differences with the p values of each alone."""
    before, after = (moments([list(pair[side].values()) for pair in pairs]) for side in (0, 1))
    within = moments([within_pairs(first, second) for first, second in pairs])
    paired = within.n > 1
    # What cannot be worked out is NaN here, and has no test.
    with np.errstate(all="ignore"):
        means = np.where(paired, within.mean, after.mean - before.mean)
        variance, degrees = welch(before, after)
        error = np.sqrt(np.where(paired, within.variance / within.n, variance))
        degrees = np.where(paired, within.n - 1.0, degrees)
        size = np.maximum(np.abs(before.mean), np.abs(after.mean))
    seeds = np.where(paired, within.n, np.stack([before.n, after.n])).T
    tests = t_tests(means, error, degrees)
    rows = zip(means, paired, seeds, tests, error, ROUNDING * size, strict=True)
    return [one_difference(*row) for row in rows]


def one_difference(
    mean: float,
    paired: bool,
    seeds: np.ndarray,
    test: tuple[Interval, float],
    error: float,
    rounding: float,
) -> Difference:
    untested = no_test(mean, error, rounding, min(seeds))
    interval, p = test if untested is None else (None, None)
    first, second = map(int, seeds)
    return Difference(
        float(mean), bool(paired), (first, second), interval=interval, p=p, untested=untested
    )


def within_pairs(first: Values, second: Values) -> list[float]:
    """Return the differences between values of one and the same seed."""
    common = [seed for seed in first if seed is not None and seed in second]
    return [second[seed] - first[seed] for seed in common]


def moments(samples: Samples) -> Moments:
    lengths = np.array([len(sample) for sample in samples], dtype=np.int64)
    values = np.fromiter(chain.from_iterable(samples), dtype=np.float64)
    return Moments.of(values, np.repeat(np.arange(len(lengths)), lengths), len(lengths))


def welch(before: Moments, after: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared standard error of the difference of two means, and its degrees of freedom
    after Welch and Satterthwaite."""
    first, second = before.variance / before.n, after.variance / after.n
    below = first**2 / (before.n - 1) + second**2 / (after.n - 1)
    return first + second, (first + second) ** 2 / below


def t_tests(
    means: np.ndarray, error: np.ndarray, degrees: np.ndarray
) -> list[tuple[Interval, float]]:
    """Return the 95 % interval and the two-sided p value of each mean with its standard error."""
    # A quarter of a second to import.
    from scipy.special import stdtr, stdtrit

    with np.errstate(all="ignore"):
        half = stdtrit(degrees, TAILS[1]) * error
        p = 2 * stdtr(degrees, -np.abs(means / error))
    ends = zip((means - half).tolist(), (means + half).tolist(), p.tolist(), strict=True)
    return [(Interval(low, high), chance) for low, high, chance in ends]


def no_test(mean: float, error: float, rounding: float, fewest: int) -> str | None:
    """Return why a difference cannot be tested, None if it can."""
    if fewest < 2:
        return "one seed"
    if error <= rounding:
        return SAME if abs(mean) <= rounding else "no spread over seeds"
    return None if np.isfinite(error) else "values too large"
