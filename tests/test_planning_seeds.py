"""How many seeds a difference takes: against simulated studies, and as typed."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from resray.analysis.contrasts import PLANNED, POWER, with_one
from resray.analysis.planning import chance_of_showing, detectable, seeds_for
from tests.command_line import Resray, assert_refused
from tests.report_builder import trial, write_results


@pytest.mark.parametrize("seeds", [3, 10])
def test_a_difference_is_shown_as_often_as_is_said(seeds: int) -> None:
    generator = np.random.default_rng(2)
    first, second = generator.normal(size=(2, 20_000, seeds))
    found = stats.ttest_ind(second + 2.0, first, axis=1)
    shown = (found.pvalue < 0.05) & (found.statistic > 0)
    assert chance_of_showing(2.0, 1.0, seeds, PLANNED) == pytest.approx(shown.mean(), abs=0.012)


def test_seeds_and_detectable_differences_agree() -> None:
    for correction in (PLANNED, with_one(5)):
        for difference in (0.1, 0.5, 2.0):
            seeds = seeds_for(difference, 0.25, correction)
            assert seeds is not None
            assert chance_of_showing(difference, 0.25, seeds, correction) >= POWER
            assert detectable(0.25, seeds, correction) <= difference
            if seeds > 2:
                assert detectable(0.25, seeds - 1, correction) > difference
    assert seeds_for(1e-4, 1.0, PLANNED) is None


def test_the_spread_is_that_of_the_results_or_as_given(resray: Resray, tmp_path: Path) -> None:
    shown = resray("show", "depth-family", "--detect", "0.5", "--out", str(tmp_path))
    assert shown.code == 0
    assert "0.2 points (assumed" in shown.out
    assert "the best of 5 against the others" in shown.out
    rows = [trial("resnet18", seed, test_accuracy=90 + seed) for seed in range(3)]
    write_results(tmp_path / "results" / "depth-family", rows)
    shown = resray("show", "depth-family", "--detect", "0.5", "--out", str(tmp_path))
    assert "1 points (of 1 configuration" in shown.out
    given = resray("show", "depth-family", "--detect", "0.5", "--spread", "0.1")
    assert "0.1 points (as given)" in given.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--detect", "0"), "--detect: 0 must be above 0"),
        (("--detect", "-1"), "--detect: -1 must be above 0"),
        (("--detect", "0.5", "--spread", "nan"), "--spread: nan must be above 0"),
        (("--spread", "1"), "--spread: is for --detect"),
    ],
)
def test_what_cannot_be_detected_is_refused(
    resray: Resray, words: tuple[str, ...], says: str
) -> None:
    assert_refused(resray("show", "depth-family", *words), 2, says)
