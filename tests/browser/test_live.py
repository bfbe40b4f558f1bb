"""A page that is written again while its study runs."""

from pathlib import Path

import pytest

from resray.report import write_report
from tests.chromium import Visitor, come_to, expect
from tests.report_builder import trial, write_results

PAUSE = 4
"""Seconds between two loads: enough to draw the page and to use it, also on a busy machine."""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Write a live page of one trial; its results lie beside it."""
    write_results(tmp_path / "results", [trial(epochs=5)])
    return write_report(tmp_path / "results", tmp_path / "live.html", live=PAUSE)


def write_again(live: Path) -> None:
    """Write the page anew, after another trial ended."""
    results = live.parent / "results"
    write_results(results, [trial(epochs=5), trial("resnet34", epochs=5)])
    write_report(results, live, live=PAUSE)


def test_the_page_comes_back_with_what_is_new(visitor: Visitor, live: Path) -> None:
    page = visitor.open(live)
    expect(page.locator("#table-trials tbody tr")).to_have_count(1)
    page.locator("[data-figure='curves'] [data-option='loss']").click()
    # At once: the page loads itself again meanwhile, and Playwright would wait for it to be still.
    page.evaluate("document.getElementById('trials-heading').scrollIntoView()")
    write_again(live)
    expect(page.locator("#table-trials tbody tr")).to_have_count(2)
    come_to(page, "drawn")
    chosen = page.locator("[data-figure='curves'] [data-option='loss']")
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#trials-heading")).to_be_in_viewport()


@pytest.mark.slow
def test_a_paused_page_stays_until_it_goes_on(visitor: Visitor, live: Path) -> None:
    page = visitor.open(live)
    pause = page.locator("#live button")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    write_again(live)
    page.wait_for_timeout(1500 * PAUSE)
    expect(page.locator("#table-trials tbody tr")).to_have_count(1)
    pause.click()
    expect(page.locator("#table-trials tbody tr")).to_have_count(2)
