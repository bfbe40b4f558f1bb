"""Light, dark, narrow, on paper, and without JavaScript."""

import re
from pathlib import Path

import pytest

from tests.chromium import Page, Visitor, expect


def slow(value: int) -> object:
    """Return a parameter of a test that is slow with it."""
    return pytest.param(value, marks=pytest.mark.slow)


FIRST_SERIES = {"light": "rgb(0, 103, 165)", "dark": "rgb(86, 169, 232)"}
PAPER = {"light": "rgb(253, 253, 251)", "dark": "rgb(20, 23, 26)"}


def check_theme(page: Page, theme: str) -> None:
    """Check the colours of the page and of what Plotly drew in it."""
    expect(page.locator("body")).to_have_css("background-color", PAPER[theme])
    check_series(page, theme)


def check_series(page: Page, theme: str) -> None:
    lines = page.locator("[data-figure='curves'] .main-svg")
    other = "dark" if theme == "light" else "light"
    expect(lines.locator(f"[style*='{FIRST_SERIES[theme]}']").first).to_be_attached()
    expect(lines.locator(f"[style*='{FIRST_SERIES[other]}']")).to_have_count(0)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_picture_that_answers_begins_on_the_first_screen(
    visitor: Visitor, study_page: Path, width: int, height: int
) -> None:
    page = visitor.open(study_page, viewport={"width": width, "height": height})
    plot = page.locator("#answer .plot .main-svg").first
    expect(plot).to_be_attached()
    box = plot.bounding_box()
    assert box
    assert box["y"] <= 0.85 * height


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_and_plots_have_the_readers_theme(
    visitor: Visitor, study_page: Path, theme: str
) -> None:
    page = visitor.open(study_page, color_scheme=theme)
    check_theme(page, theme)
    other = "dark" if theme == "light" else "light"
    page.emulate_media(color_scheme=other)  # type: ignore[arg-type]
    check_theme(page, other)


@pytest.mark.slow
def test_the_readers_choice_of_theme_stays(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, color_scheme="light")
    button = page.locator("#theme")
    expect(button).to_have_text("Theme: auto")
    button.click()
    expect(button).to_have_text("Theme: light")
    button.click()
    expect(button).to_have_text("Theme: dark")
    check_theme(page, "dark")
    again = visitor.open_beside(page.context, study_page)
    expect(again.locator("#theme")).to_have_text("Theme: dark")
    check_theme(again, "dark")
    again.locator("#theme").click()
    check_theme(again, "light")


@pytest.mark.parametrize("width", [slow(320), 390, slow(768)])
def test_a_narrow_screen_shows_all_of_the_page(
    visitor: Visitor, study_page: Path, width: int
) -> None:
    page = visitor.open(study_page, viewport={"width": width, "height": 844})
    # Sections out of sight are not laid out, so each is looked at in its turn.
    for section in page.locator("main > section").all():
        section.scroll_into_view_if_needed()
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
    for menu in page.locator("details.menu:visible").all():
        menu.locator("summary").click()
        box = menu.locator("> div").bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")


def test_paper_is_white_and_has_no_tools(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, color_scheme="dark")
    page.emulate_media(media="print")
    check_series(page, "light")
    for tool in ("nav", ".page-tools", ".tools", ".switch", ".menu", ".skip"):
        assert not any(part.is_visible() for part in page.locator(tool).all())
    assert page.locator("figcaption, table").first.is_visible()


@pytest.mark.slow
def test_a_printed_page_holds_all_sections(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, color_scheme="dark")
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 5
    # The screen has its own colours again.
    check_theme(page, "dark")


def test_tables_stand_without_javascript(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page, until="", java_script_enabled=False)
    expect(page.locator("noscript .banner")).to_be_visible()
    expect(page.locator("#table-trials tbody tr")).to_have_count(100)
    expect(page.locator("#table-means tbody tr")).to_have_count(25)
    # Nothing stands there that would do nothing.
    for dead in page.locator("main button, .page-tools, figure").all():
        assert not dead.is_visible()


def test_paper_holds_every_column(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")
    widths = page.locator("table:visible").evaluate_all(
        "tables => tables.map((table) => [table.closest('.table').id, table.scrollWidth])"
    )
    assert widths
    assert [(name, width) for name, width in widths if width > 718] == []
