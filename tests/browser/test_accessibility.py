"""axe finds nothing serious, in any theme, width or state of the page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.chromium import Page, Visitor

GRAVE = ("serious", "critical")
EVERYTHING = "main > section { content-visibility: visible; }"


def check_access(page: Page) -> None:
    """Run axe in the page, through the debugger, which the page's policy on scripts lets pass."""
    # What is out of sight is not laid out, and axe does not look at it.
    page.evaluate("(style) => { const sheet = new CSSStyleSheet(); sheet.replaceSync(style);"
                  " document.adoptedStyleSheets = [sheet]; }", EVERYTHING)  # fmt: skip
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.response["testEngine"]["name"] == "axe-core"
    grave = [one for one in found.response["violations"] if one["impact"] in GRAVE]
    told = [(one["id"], node["target"], node["failureSummary"]) for one in grave
            for node in one["nodes"]]  # fmt: skip
    assert told == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_study_is_open_to_everyone(
    visitor: Visitor, study_page: Path, width: int, theme: str
) -> None:
    viewport = {"width": width, "height": 900}
    check_access(visitor.open(study_page, color_scheme=theme, viewport=viewport))


def test_a_search_is_open_to_everyone(visitor: Visitor, search_page: Path) -> None:
    check_access(visitor.open(search_page))


def hide_a_series(page: Page) -> None:
    page.locator("[data-figure='curves'] [data-series]").first.click()


def sort_and_filter(page: Page) -> None:
    page.locator("#table-trials thead button").first.click()
    page.locator("#table-trials input").fill("net1")


def open_the_menu(page: Page) -> None:
    page.locator("summary", has_text="View").click()


def open_the_dialog(page: Page) -> None:
    page.locator("[data-figure='curves'] .choose").click()


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_state_of_a_page_is_open_to_everyone(
    visitor: Visitor, many_page: Path, theme: str
) -> None:
    page = visitor.open(many_page, color_scheme=theme)
    steps: tuple[Callable[[Page], None], ...] = (
        hide_a_series, sort_and_filter, open_the_menu, open_the_dialog,
    )  # fmt: skip
    for step in steps:
        step(page)
    check_access(page)
