"""Statistics of a search: the expected best over the budget, and what an audit says."""

import math
import random
from datetime import datetime, timedelta
from itertools import combinations
from statistics import fmean

import pytest

from resray.search.audit import Audit, StoppedPoint, audit_began, most_hits
from resray.search.expected import expected_best

START = datetime(2027, 1, 1)


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


@pytest.mark.parametrize("drawn", range(1, 8))
def test_the_expected_best_is_the_mean_over_all_subsets(drawn: int) -> None:
    values = [61.0, 70.5, 12.25, 70.5, 66.0, 0.0, 68.75]
    bests = [max(subset) for subset in combinations(values, drawn)]
    assert expected_best(values, drawn) == pytest.approx(fmean(bests))


def test_the_expected_best_of_many_stays_finite() -> None:
    values = [float(number) for number in range(10_000)]
    # The largest of n of the numbers from 0 to N - 1 is n (N + 1) / (n + 1) - 1 on average.
    for drawn in (1, 100, 5_000, 10_000):
        assert expected_best(values, drawn) == pytest.approx(drawn * 10_001 / (drawn + 1) - 1)


# --- the audit ----------------------------------------------------------------------------------


def test_the_audit_begins_with_the_first_start_after_a_stop() -> None:
    """Starts before a trial's stop are the search's own."""
    assert audit_began([(hour(0), hour(3)), (hour(9), hour(3)), (hour(7), hour(4))]) == hour(7)
    assert audit_began([(hour(0), hour(3))]) is None


def test_the_bound_is_for_what_had_been_stopped_when_the_audit_began() -> None:
    early = [StoppedPoint(hour(1)) for _ in range(8)]
    drawn = [StoppedPoint(hour(2), audited=True, value=value) for value in (50.0, 61.0)]
    # The search has grown since, and a second draw has taken one of either kind.
    again = [StoppedPoint(hour(2), audited=True), StoppedPoint(hour(6), audited=True, value=90.0)]
    late = [StoppedPoint(hour(6)) for _ in range(30)]
    whole = Audit((*early, *drawn, *again, *late), winner=60.0)
    assert (whole.stopped, whole.audited, whole.won, whole.diverged) == (42, 4, 2, 1)
    assert whole.regret == 30.0
    sampled = whole.sampled(hour(3))
    assert (sampled.stopped, sampled.audited, sampled.won, sampled.diverged) == (11, 3, 1, 1)
    assert sampled.most == most_hits(1, 3, 11)
    assert whole.sampled(None).stopped == 0


@pytest.mark.parametrize("truth", [1, 5, 9])
def test_the_bound_holds_though_a_later_draw_is_from_more(truth: int) -> None:
    """What a second draw takes of the first population adds to a random sample of it."""
    generator, rounds, held = random.Random(truth), 2_000, 0
    values = [90.0 if number < truth else 10.0 for number in range(12)]
    for _ in range(rounds):
        first = generator.sample(range(12), 2)
        # By now 12 more were stopped, all of which would have won.
        rest = [number for number in range(24) if number not in first]
        drawn = {*first, *generator.sample(rest, 5)}
        points = [
            StoppedPoint(hour(0 if number < 12 else 9), number in drawn,
                         [*values, *[90.0] * 12][number] if number in drawn else None)
            for number in range(24)
        ]  # fmt: skip
        held += truth <= Audit(tuple(points), winner=60.0).sampled(hour(1)).most
    assert held / rounds >= 0.94, "0.95 but for chance"


@pytest.mark.parametrize(
    ("hits", "drawn", "total", "most"),
    [
        (0, 4, 18, 8),
        (4, 4, 18, 18),
        (0, 18, 18, 0),
        (3, 18, 18, 3),
        # Of many, the bound of Clopper and Pearson: 34.4 % for 3 of 20, 9.5 % for 0 of 30.
        (3, 20, 2000, 685),
        (0, 30, 2000, 188),
    ],
)
def test_most_hits(hits: int, drawn: int, total: int, most: int) -> None:
    assert most_hits(hits, drawn, total) == most


def test_most_hits_are_seldom_exceeded() -> None:
    """Among all draws the bound holds in 95 of 100, whatever the truth is."""
    drawn, total = 4, 18
    for truth in range(total + 1):
        ways = [math.comb(truth, hits) * math.comb(total - truth, drawn - hits)
                for hits in range(drawn + 1)]  # fmt: skip
        held = sum(way for hits, way in enumerate(ways)
                   if way and truth <= most_hits(hits, drawn, total))  # fmt: skip
        assert held / sum(ways) >= 0.95
