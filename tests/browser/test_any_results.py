"""Whatever results hold, their page opens: every figure draws, nothing fails, nothing runs."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from resray.report import write_report
from tests.browser.conftest import STUDY
from tests.chromium import Browser, Visitor
from tests.random_results import RandomResults, results

LENIENT = settings(
    deadline=timedelta(seconds=60),
    derandomize=True,
    # A page that does not open is waited for: making its results smaller would take hours.
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check_opens(browser: Browser, made: RandomResults) -> None:
    """Open the page of results, and look at every figure and the table of trials."""
    visitor = Visitor(browser)
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder, "results"), STUDY)
        page = visitor.open(write_report(Path(folder, "results"), Path(folder, "page.html")))
        try:
            visitor.check()
            for plot in page.locator(".panel:not([hidden]) .plot").all():
                assert plot.locator(".main-svg").count() >= 1
            assert page.locator("#table-trials tbody tr").count() == len(made.trials)
        finally:
            visitor.close()


@settings(LENIENT, max_examples=4)
@given(made=results())
def test_the_page_of_any_results_opens(browser: Browser, made: RandomResults) -> None:
    check_opens(browser, made)


@pytest.mark.slow
@settings(LENIENT, max_examples=200)
@given(made=results())
def test_the_pages_of_many_results_open(browser: Browser, made: RandomResults) -> None:
    check_opens(browser, made)
