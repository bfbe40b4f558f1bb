"""Intervals and t tests: against known values, and how often they hold what they promise."""

import math

import numpy as np
import pytest

from resray.analysis.statistics import Interval, Summary, mean_interval, summarise, t_quantile
from resray.report.significance import Difference, Values, differences, holm
from resray.report.text import between, chance, estimate

# Student's own data of 1908: hours of sleep gained by ten patients with two drugs.
FIRST_DRUG = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND_DRUG = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


def by_seed(values: tuple[float, ...], first_seed: int = 0) -> Values:
    return dict(enumerate(values, first_seed))


def difference(first: Values, second: Values) -> Difference:
    (found,) = differences([(first, second)])
    return found


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980)],
)
def test_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, abs=5e-4)


def test_interval_of_a_mean_is_students() -> None:
    summary = summarise(SECOND_DRUG)
    assert summary is not None
    interval = mean_interval(summary)
    assert interval is not None
    # R: t.test(extra)$conf.int of the second drug.
    assert interval.low == pytest.approx(0.8976775, abs=1e-6)
    assert interval.high == pytest.approx(3.7623225, abs=1e-6)
    assert mean_interval(Summary(90.0, None, 1)) is None


def test_shared_seeds_are_paired() -> None:
    found = difference(by_seed(FIRST_DRUG), by_seed(SECOND_DRUG))
    assert found.paired
    assert found.samples == "10 pairs"
    assert found.value == pytest.approx(1.58)
    # R: t.test(extra ~ group, paired = TRUE).
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(0.7001142, abs=1e-6)
    assert found.interval.high == pytest.approx(2.4598858, abs=1e-6)
    assert found.verdict == "real"


def test_other_seeds_are_tested_by_welch() -> None:
    found = difference(by_seed(FIRST_DRUG), by_seed(SECOND_DRUG, first_seed=100))
    assert not found.paired
    assert found.samples == "10 and 10"
    # R: t.test(extra ~ group), 17.776 degrees of freedom.
    assert found.p == pytest.approx(0.07939, abs=1e-5)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(-0.2054832, abs=1e-6)
    assert found.interval.high == pytest.approx(3.3654832, abs=1e-6)
    assert found.verdict == "not shown"


def test_two_shared_seeds_of_several_are_the_pairs_that_are_compared() -> None:
    found = difference({0: 1.0, 1: 2.0, 2: 60.0}, {1: 3.0, 0: 1.5, 7: -60.0})
    assert found.samples == "2 pairs"
    assert found.value == pytest.approx(0.75)


def test_one_shared_seed_is_no_pair() -> None:
    assert not difference({0: 1.0, 1: 2.0}, {1: 3.0, 2: 5.0}).paired


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({0: 90.0}, {0: 91.0}, "one seed"),
        ({0: 90.0, 1: 91.0}, {2: 91.0}, "one seed"),
        ({None: 90.0}, {None: 91.0}, "one seed"),
        ({0: 90.0, 1: 92.0}, {0: 90.0, 1: 92.0}, "the same values"),
        ({0: 90.0, 1: 92.0}, {0: 91.0, 1: 93.0}, "no spread over seeds"),
        ({0: 93.12, 1: 93.05, 2: 93.3}, {0: 93.22, 1: 93.15, 2: 93.4}, "no spread over seeds"),
        ({0: 90.0, 1: 90.0}, {2: 91.0, 3: 91.0}, "no spread over seeds"),
        ({0: 1e308, 1: -1e308}, {2: 1e308, 3: 1e307}, "values too large"),
    ],
)
def test_what_cannot_be_tested_says_why(first: Values, second: Values, why: str) -> None:
    found = difference(first, second)
    assert found.untested == why
    assert found.verdict == "no test"
    assert (found.interval, found.p, found.corrected) == (None, None, None)


def test_no_pairs_have_no_differences() -> None:
    assert differences([]) == []


def test_holm_raises_p_values_step_by_step() -> None:
    # 0.01 * 4, 0.03 * 2 (0.02 * 3 is not more than what follows it), and 0.04 not below that.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.5, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert list(holm([])) == []


def test_correction_counts_what_is_tested() -> None:
    pair = (by_seed(FIRST_DRUG), by_seed(SECOND_DRUG))
    untested: tuple[Values, Values] = ({0: 1.0}, {0: 2.0})
    found = differences([pair, untested, pair, untested])
    assert [one.corrected and round(one.corrected, 6) for one in found] == [
        0.005666, None, 0.005666, None,
    ]  # fmt: skip


def coverage(seeds: int, paired: bool, repetitions: int = 2000) -> float:
    """Return how often, in percent, the interval of a difference of 0.3 holds it: of values that
    share half of their variance between pairs, and whose own variances differ."""
    generator = np.random.default_rng(8)
    shared = generator.normal(size=(repetitions, seeds))
    first = shared + generator.normal(size=shared.shape)
    second = 0.3 + shared * paired + 2 * generator.normal(size=shared.shape)
    found = differences(
        [
            (by_seed(tuple(one)), by_seed(tuple(other), first_seed=0 if paired else 100))
            for one, other in zip(first.tolist(), second.tolist(), strict=True)
        ]
    )
    held = [one.interval.low <= 0.3 <= one.interval.high for one in found if one.interval]
    assert len(held) == repetitions
    assert {one.paired for one in found} == {paired}
    return 100 * sum(held) / repetitions


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("paired", [True, False])
def test_interval_of_a_difference_covers_what_it_promises(seeds: int, paired: bool) -> None:
    # Welch's is known to cover more than it promises of two or three values.
    assert 93.5 <= coverage(seeds, paired) <= (96.5 if paired or seeds > 3 else 99.5)


def test_holm_rarely_calls_anything_real_where_all_is_equal() -> None:
    generator = np.random.default_rng(4)
    called = 0
    for _ in range(400):
        first, second = generator.normal(size=(2, 20, 4))
        pairs = [(by_seed(tuple(one)), by_seed(tuple(other)))
                 for one, other in zip(first, second, strict=True)]  # fmt: skip
        called += any(one.verdict == "real" for one in differences(pairs))
    assert called / 400 <= 0.08, "0.05 is promised; without correction it is above 0.6"


def test_numbers_are_written_with_their_uncertainty() -> None:
    assert estimate(Summary(93.123, 0.15, 3)) == "93.12\xa0±\xa00.37 (n\xa0=\xa03)"
    assert estimate(Summary(93.123, None, 1)) == "93.12 (n\xa0=\xa01)"
    assert estimate(None) == "–"
    assert between(Interval(-0.352, 1.2)) == "−0.35\xa0to +1.20"
    assert between(None) == between(Interval(-math.inf, 1.0)) == "–"
    assert (chance(0.0123), chance(0.0002), chance(None)) == ("0.012", "<\xa00.001", "–")
    assert chance(0.0002).value == 0.0002
