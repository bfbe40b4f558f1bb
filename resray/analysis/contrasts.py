"""The contrast engine: by how much configurations differ in a metric, and how surely.

Whatever says that two configurations differ asks here: claims, the answer, tables, comparisons of
folders. Every contrast has one method. Where it is stored which of the same test images all its
networks get right, seeds and images are both taken as drawn (`ImageShares`). Else the means are
compared after Welch ("The Generalization of 'Student's' Problem when Several Different Population
Variances are Involved", 1947), or within pairs of one seed where the study declares that its seeds
pair. A contrast is shown where its interval, corrected for the number of contrasts shown together,
leaves zero out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.special import gammaln, nctdtrinc, stdtr, stdtrit

from resray.analysis import studentized_range
from resray.analysis.statistics import LARGEST, Interval

LEVEL = 0.05
"""How often something is called shown where there is nothing."""
POWER = 0.8
"""How often the smallest detectable difference is found."""
ROUNDING = 1e-9
"""A spread below this share of the values comes from rounding, not from seeds."""
MOST_DEGREES = 1e6


class Method(StrEnum):
    """How a contrast's uncertainty was worked out."""

    WELCH = "Welch's t"
    PAIRED = "paired t"
    CROSSED = "crossed t"
    NETWORKS = "McNemar"
    """Of two single networks on the same images; it says nothing about other seeds."""
    EXACT = "exact"
    """No seed changes either side."""


class Untested(StrEnum):
    """Why a difference has no interval."""

    ONE_SEED = "one seed"
    SAME = "the same values"
    TOO_LARGE = "values too large"
    NO_SPREAD = "two seeds without a spread"
    APART = "no seed has all of the values"


@dataclass(frozen=True)
class ImageShares:
    """What the networks of one configuration got right of a test set.

    From right or wrong by seed and image a crossed analysis of variance is made, seeds and images
    random: the variance of a contrast is that of its means over seeds, plus that of its means by
    image, less what both hold (Cornfield & Tukey, "Average Values of Mean Squares in Factorials",
    1956). Seeds alone call luck with these very images a difference, the more often the more seeds
    there are.
    """

    test_set: str
    """Equal for the same images in the same order."""
    share: np.ndarray
    """Per image, the share of the networks that get it right, in points (0 to 100)."""
    rest: float
    """Variance of the mean accuracy from what neither seed nor image explains, in points squared;
    0 of one network."""

    @classmethod
    def of(cls, test_set: str, right: np.ndarray) -> "ImageShares":
        """Return those of ``right``, (seeds, images) of bool."""
        seeds, images = right.shape
        share = 100 * right.mean(axis=0)
        if seeds == 1:
            return cls(test_set, share, 0.0)
        # Of ones and zeros, the sums of squares follow from the means alone.
        total = 100 * share.sum() * seeds
        by_image, by_seed = (
            seeds * (share**2).sum(),
            images * ((100 * right.mean(axis=1)) ** 2).sum(),
        )
        left = total - by_image - by_seed + seeds * images * share.mean() ** 2
        return cls(test_set, share, max(left, 0.0) / ((seeds - 1) * (images - 1) * seeds * images))

    @property
    def variance(self) -> float:
        """Of the mean accuracy, were other images drawn, in points squared."""
        return float(self.share.var(ddof=1) / len(self.share))


@dataclass(frozen=True)
class Sample:
    """A metric of one configuration: its value for each seed (None of what has no seed)."""

    values: Mapping[int | None, float]
    images: ImageShares | None = None
    """Of test accuracies whose predictions by image are stored for every seed."""

    @cached_property
    def mean(self) -> float:
        return sum(self.values.values()) / len(self.values)

    @cached_property
    def variance(self) -> float:
        """Sample variance over seeds; NaN of one."""
        # A page has thousands of differences, and numpy is slow on three values.
        errors = [value - self.mean for value in self.values.values()]
        return sum(e * e for e in errors) / (len(errors) - 1) if len(errors) > 1 else math.nan

    @property
    def deviation(self) -> float:
        """Sample standard deviation over seeds; NaN of one."""
        return self.variance**0.5


Terms = Sequence[tuple[float, Sample]]
"""A linear combination of means."""


@dataclass(frozen=True)
class Estimate:
    """A linear combination of means with its standard error."""

    value: float
    seeds: tuple[int, ...]
    """Behind each mean; of pairs, their number once."""
    method: Method
    error: float = 0.0
    degrees: float = MOST_DEGREES
    degrees_among: float | None = None
    """Where it is one of several contrasts, if that is another number: of several crossed ones,
    that is taken for the largest whose seeds' share came out too small, and then the spread over
    seeds must count whole, as Satterthwaite has it. Of one alone that would cost power for nothing:
    both are measured in benchmarks/validity."""
    untested: Untested | None = None


def estimate(terms: Terms, constant: float = 0.0, *, paired: bool = False) -> Estimate:
    """Return the sum of each coefficient times its sample's mean, plus a constant.

    ``paired`` takes the differences within seeds, where all samples have the same seeds.
    """
    samples = [sample for _, sample in terms]
    value = constant + sum(factor * sample.mean for factor, sample in terms)
    counts = tuple(len(sample.values) for sample in samples)
    size = max((abs(factor * sample.mean) for factor, sample in terms), default=0.0)
    if not size < LARGEST:
        return Estimate(value, counts, Method.WELCH, untested=Untested.TOO_LARGE)
    if crossed := have_images(samples):
        found = _crossed(terms, value, counts)
    elif paired and len({frozenset(sample.values) for sample in samples}) == 1:
        found = _paired(terms, value)
    else:
        found = _welch(terms, value, counts)
    if found.method == Method.NETWORKS:
        return found
    if min(counts, default=2) < 2:
        return Estimate(value, counts, found.method, untested=Untested.ONE_SEED)
    if found.error > ROUNDING * size or crossed:
        return found
    if abs(value) <= ROUNDING * size:
        return Estimate(0.0, found.seeds, Method.EXACT, untested=Untested.SAME)
    # On few images two seeds may have one accuracy by chance.
    few = Untested.NO_SPREAD if min(counts, default=3) < 3 else None
    return Estimate(value, found.seeds, Method.EXACT, untested=few)


def have_images(samples: Sequence[Sample]) -> bool:
    """Whether all samples are of the same test images, answer by answer."""
    shares = [sample.images for sample in samples]
    return bool(shares) and all(
        one is not None and other is not None and one.test_set == other.test_set
        for one, other in pairwise([*shares, shares[0]])
    )


def _welch(terms: Terms, value: float, counts: tuple[int, ...]) -> Estimate:
    """After Welch and, for more than two means, Satterthwaite (1946)."""
    parts = _variances(terms)
    return Estimate(value, counts, Method.WELCH, math.sqrt(sum(parts)), _degrees(parts, counts))


def _variances(terms: Terms) -> list[float]:
    """Return what seeds add to the variance, term by term."""
    return [factor**2 * sample.variance / len(sample.values) for factor, sample in terms]


def _degrees(parts: Sequence[float], counts: tuple[int, ...]) -> float:
    total = sum(parts)
    if not total > 0:
        return MOST_DEGREES
    below = sum((part / total) ** 2 / max(n - 1, 1) for part, n in zip(parts, counts, strict=True))
    return min(1 / below, MOST_DEGREES) if below > 0 else MOST_DEGREES


def _paired(terms: Terms, value: float) -> Estimate:
    seeds = list(terms[0][1].values)
    within = [sum(factor * sample.values[seed] for factor, sample in terms) for seed in seeds]
    error = float(np.std(within, ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else float("nan")
    return Estimate(value, (len(seeds),), Method.PAIRED, error, max(len(seeds) - 1.0, 1.0))


def _crossed(terms: Terms, value: float, counts: tuple[int, ...]) -> Estimate:
    """Return the combination with seeds and images both drawn.

    Only the seeds' share of the variance is known badly, so it alone has few degrees of freedom.
    Without it, of single networks, this is McNemar's test ("Note on the Sampling Error of the
    Difference between Correlated Proportions or Percentages", 1947).
    """
    shares = [(factor, sample.images) for factor, sample in terms if sample.images]
    by_image = sum(factor * images.share for factor, images in shares)
    of_images = float(np.var(by_image, ddof=1) / np.size(by_image))
    most = np.size(by_image) - 1.0
    if max(counts) < 2:
        method = Method.NETWORKS
        return Estimate(value, counts, method, float(np.sqrt(of_images)), most)
    parts = _variances(terms)
    rest = sum(factor**2 * images.rest for factor, images in shares)
    of_seeds = max(sum(parts) - rest, 0.0)
    variance = of_seeds + of_images
    of_spread = _degrees(parts, counts)
    planned, among = (
        min(variance**2 / share**2 * of_spread, most) if share > 0 else most
        for share in (of_seeds, sum(parts))
    )
    error = float(np.sqrt(variance))
    return Estimate(value, counts, Method.CROSSED, error, planned, degrees_among=among)


def among(level: float, tests: int) -> float:
    """Return the level at which one of so many is judged, so that any errs as often (Sidak)."""
    return level if tests == 1 else float(1 - (1 - level) ** (1 / tests))


@dataclass(frozen=True)
class Correction:
    """What a contrast is corrected for: p values and intervals together, so that they agree."""

    tests: int = 1
    """Contrasts that are shown together, any of which may come out by chance: Sidak, "Rectangular
    Confidence Regions for the Means of Multivariate Normal Distributions" (1967)."""
    groups: int = 2
    """Configurations among which one of the two was chosen, by the data or by the reader: Games &
    Howell, "Pairwise Multiple Comparison Procedures with Unequal N's and/or Variances" (1976).
    With three seeds theirs is too narrow from some 15 configurations on, Sidak's with ten is from
    five: the wider of the two holds (benchmarks/validity)."""

    def p(self, t: np.ndarray, degrees: np.ndarray) -> np.ndarray:
        """Return the chance that any of the contrasts is as large, if there is nothing."""
        alone = 2 * stdtr(degrees, -np.abs(t))
        p = -np.expm1(self.tests * np.log1p(-np.minimum(alone, 1 - 1e-16)))
        if self.groups > 2:
            ranged = studentized_range.exceedance(np.sqrt(2) * np.abs(t), self.groups, degrees)
            p = np.maximum(p, ranged)
        return np.asarray(p)

    def critical(self, degrees: np.ndarray) -> np.ndarray:
        """Return how many standard errors a contrast must exceed, and its interval reaches."""
        found = stdtrit(degrees, 1 - among(LEVEL, self.tests) / 2)
        if self.groups > 2:
            ranged = studentized_range.critical(LEVEL, self.groups, degrees) / np.sqrt(2)
            found = np.maximum(found, ranged)
        return np.asarray(found)


PLANNED = Correction()
"""A claim that was declared before: at 95 % by itself."""


def with_one(groups: int) -> Correction:
    """Return the correction of contrasts of ``groups`` configurations with one of them."""
    return Correction(max(groups - 1, 1), max(groups, 2))


def all_shown(tests: int) -> Correction:
    """Return the correction of so many contrasts, whatever they are of."""
    return Correction(max(tests, 1))


@dataclass(frozen=True)
class Contrast:
    """A difference with the interval and the p value that it has among those shown with it."""

    estimate: Estimate
    interval: Interval | None = None
    """95 % of all such sets of intervals hold all of their true values; None if not tested."""
    p: float | None = None
    detectable: float | None = None
    """Which true difference so many seeds would have shown in `POWER` of studies."""

    @property
    def value(self) -> float:
        return self.estimate.value

    @property
    def shown(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high


def contrasts(estimates: Iterable[Estimate], correction: Correction = PLANNED) -> list[Contrast]:
    """Return the estimates, each with its interval and p value under the correction."""
    found = list(estimates)
    tested = [each for each in found if each.untested is None]
    value, error = (
        np.array([getattr(each, name) for each in tested], dtype=float)
        for name in ("value", "error")
    )
    alone = correction.tests == 1
    degrees = np.array(
        [each.degrees if alone else each.degrees_among or each.degrees for each in tested]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 0, value / error, np.copysign(np.inf, value))
    reach = correction.critical(degrees)
    half, found_at = reach * error, _detectable(reach, degrees) * error
    p = correction.p(t, degrees)
    rows = zip(value - half, value + half, p, found_at, strict=True)
    ends = (tuple(map(float, row)) for row in rows)
    judged = (
        Contrast(each, Interval(low, high), chance, least)
        for each, (low, high, chance, least) in zip(tested, ends, strict=True)
    )
    return [Contrast(each) if each.untested else next(judged) for each in found]


def together(estimates: Iterable[Estimate]) -> list[Contrast]:
    """Return `contrasts` corrected for all of them that may come out by chance."""
    found = list(estimates)
    unsure = sum(not each.untested and each.method != Method.EXACT for each in found)
    return contrasts(found, all_shown(unsure))


def _detectable(reach: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Return how many of its estimated standard errors a true difference has that is shown in
    `POWER` of studies: t is noncentral, and an estimated error on average too small."""
    known = np.minimum(degrees, 300)
    bias = np.sqrt(2 / known) * np.exp(gammaln((known + 1) / 2) - gammaln(known / 2))
    return np.asarray(nctdtrinc(known, 1 - POWER, reach) / bias)


def difference(first: Sample, second: Sample, *, paired: bool = False) -> Estimate:
    """Return by how much the second sample's mean lies above the first's.

    Values that are the same, seed by seed, are one training repeated, and are not tested.
    """
    if len(first.values) > 1 and first.values == second.values:
        counts = (len(second.values), len(first.values))
        return Estimate(0.0, counts, Method.EXACT, untested=Untested.SAME)
    return estimate([(1.0, second), (-1.0, first)], paired=paired)
