"""The contrast engine against scipy and by brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from resray.analysis import studentized_range
from resray.analysis.claims import margin
from resray.analysis.contrasts import (
    LEVEL,
    PLANNED,
    Correction,
    ImageShares,
    Method,
    Sample,
    Untested,
    all_shown,
    contrasts,
    difference,
    estimate,
    with_one,
)
from resray.analysis.statistics import Interval
from resray.study.claims import check_statement

A = Sample({0: 90.0, 1: 90.1, 2: 95.0, 3: 95.1, 4: 95.2})
B = Sample({0: 91.0, 1: 91.2})


def of_right(right: np.ndarray, test_set: str = "t") -> Sample:
    """Return the sample of right or wrong answers, (seeds, images)."""
    values: dict[int | None, float] = {seed: 100 * row.mean() for seed, row in enumerate(right)}
    return Sample(values, ImageShares.of(test_set, right))


def test_means_are_compared_after_welch_with_every_seed() -> None:
    (found,) = contrasts([difference(A, B)])
    expected = stats.ttest_ind(list(B.values.values()), list(A.values.values()), equal_var=False)
    interval = expected.confidence_interval()
    assert found.value == pytest.approx(-1.98)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval is not None
    ends = (found.interval.low, found.interval.high)
    assert ends == pytest.approx((interval.low, interval.high))
    assert found.estimate.method == Method.WELCH


def test_seeds_pair_only_where_declared_and_equal() -> None:
    first, second = Sample({0: 90.0, 1: 91.0, 2: 93.0}), Sample({2: 94.5, 0: 91.2, 1: 92.1})
    (found,) = contrasts([difference(first, second, paired=True)])
    expected = stats.ttest_rel([91.2, 92.1, 94.5], [90.0, 91.0, 93.0])
    assert found.p == pytest.approx(expected.pvalue)
    assert found.estimate.method == Method.PAIRED
    assert difference(first, second).method == Method.WELCH
    assert difference(A, B, paired=True).method == Method.WELCH


def test_a_difference_that_no_seed_changes_is_exact_and_shown() -> None:
    first, second = Sample(dict.fromkeys(range(3), 10.0)), Sample(dict.fromkeys(range(3), 20.0))
    (found,) = contrasts([difference(first, second)])
    assert (found.interval, found.p) == (Interval(10, 10), 0)
    assert found.shown
    assert found.estimate.method == Method.EXACT
    two = Sample({0: 20.0, 1: 20.0})
    assert difference(first, two).untested == Untested.NO_SPREAD
    same = difference(first, first)
    assert same.untested == Untested.SAME


def test_one_seed_is_not_tested() -> None:
    found = difference(A, Sample({0: 1.0}))
    assert found.untested == Untested.ONE_SEED
    assert contrasts([found])[0].interval is None


def crossed_variance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the variance of the difference of two accuracies, sum by sum."""
    seeds, rest = 0.0, 0.0
    for right in (first, second):
        n, images = right.shape
        seeds += right.mean(axis=1).var(ddof=1) / n
        left = right - right.mean(0) - right.mean(1, keepdims=True) + right.mean()
        rest += (left**2).sum() / ((n - 1) * (images - 1)) / (n * images)
    images = (second.mean(0) - first.mean(0)).var(ddof=1) / first.shape[1]
    return max(seeds - rest, 0.0) + images


@given(st.integers(2, 6), st.integers(2, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_seeds_and_images_are_crossed(n: int, m: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    hard = generator.normal(size=300)
    first = hard + generator.normal(size=(n, 300)) > -1
    second = hard + generator.normal(size=(m, 300)) > -1.2
    found = difference(of_right(first), of_right(second))
    assert found.method == Method.CROSSED
    assert found.value == pytest.approx(100 * (second.mean() - first.mean()))
    assert found.error == pytest.approx(100 * crossed_variance(first, second) ** 0.5)
    assert difference(of_right(first), of_right(second, "other")).method == Method.WELCH


def test_two_networks_are_compared_by_mcnemar() -> None:
    generator = np.random.default_rng(1)
    first, second = generator.random((1, 500)) > 0.2, generator.random((1, 500)) > 0.1
    (found,) = contrasts([difference(of_right(first), of_right(second))])
    gained, lost = (second & ~first).sum(), (first & ~second).sum()
    assert found.estimate.method == Method.NETWORKS
    assert found.value == pytest.approx((gained - lost) / 5)
    z = (gained - lost) / np.sqrt(gained + lost)
    # Wald's error is that of the difference itself, McNemar's that of no difference.
    assert found.value / found.estimate.error == pytest.approx(z, rel=0.1)


@pytest.mark.parametrize("groups", [3, 10, 50])
def test_the_studentized_range_is_scipys(groups: int) -> None:
    q, degrees = np.array([3.0, 4.5, 8.0, 3.6]), np.array([1.3, 2.0, 7.5, 400.0])
    ours = studentized_range.exceedance(q, groups, degrees)
    assert ours == pytest.approx(stats.studentized_range.sf(q, groups, degrees), abs=1e-5)
    critical = studentized_range.critical(LEVEL, groups, degrees)
    assert critical[2:] == pytest.approx(
        stats.studentized_range.ppf(1 - LEVEL, groups, degrees[2:]), rel=1e-4
    )


@given(
    st.sampled_from([PLANNED, with_one(2), with_one(7), all_shown(12), Correction(3, 5)]),
    st.lists(st.floats(-4, 4), min_size=2, max_size=6),
    st.lists(st.floats(-4, 4), min_size=2, max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_interval_and_p_value_agree(
    correction: Correction, first: list[float], second: list[float]
) -> None:
    samples = [Sample(dict(enumerate(values))) for values in (first, second)]
    (found,) = contrasts([difference(*samples)], correction)
    if found.p is not None and abs(found.p - LEVEL) > 1e-5:
        assert found.shown == (found.p < LEVEL)


def test_contrasts_shown_together_reach_further() -> None:
    one = difference(A, Sample({0: 91.0, 1: 91.3, 2: 91.6}))
    widths = []
    for correction in (PLANNED, with_one(3), with_one(9)):
        (found,) = contrasts([one], correction)
        assert found.interval is not None
        widths.append(found.interval.high - found.interval.low)
    assert widths == sorted(widths)
    assert widths[0] < widths[1] < widths[2]


def test_a_combination_of_three_means() -> None:
    found = estimate([(1.0, A), (-0.5, B), (-0.5, A)], constant=-1)
    assert found.value == pytest.approx(A.mean - (A.mean + B.mean) / 2 - 1)
    parts = [A.variance / 5, B.variance / 8, A.variance / 20]
    assert found.error == pytest.approx(sum(parts) ** 0.5)


def test_one_of_several_claims_on_images_counts_the_spread_of_seeds_whole() -> None:
    rng = np.random.default_rng(0)
    samples = [of_right(rng.random((2, 500)) < 0.9) for _ in range(2)]
    statement = check_statement("test_accuracy[a] > test_accuracy[b]")
    known = dict(zip(statement.values, samples, strict=True))
    found = difference(samples[1], samples[0])
    assert found.degrees_among is not None
    assert found.degrees_among < found.degrees
    interval = margin(statement, known, {}, paired=False, checks=4).interval
    assert interval is not None
    alone = found.value - stats.t.ppf(0.975, found.degrees) * found.error
    level = 1 - 0.95 ** (1 / 4)
    several = found.value + stats.t.ppf(1 - level / 2, found.degrees_among) * found.error
    assert (interval.low, interval.high) == pytest.approx((alone, several))
