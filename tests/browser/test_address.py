"""The page's address holds what was chosen: deep links, back and forward, sections, saved views."""

from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Page, Visitor, come_to, expect, settle, table_rows


def choose_much(page: Page) -> None:
    """Change something of every kind that an address holds."""
    page.locator("[data-figure='curves'] [data-option='loss']").click()
    page.locator("[data-figure='curves'] [data-option='time']").click()
    page.locator("[data-figure='curves'] [data-scale='y']").click()
    page.locator("[data-figure='cost'] [data-series='s1']").click()
    page.locator("#table-trials input[type=search]").fill("resnet -failed")
    choice = page.get_by_label("Only where Status is").first
    choice.focus()
    choice.select_option("completed")
    page.locator("#table-trials thead button").nth(6).click()
    page.locator("#baseline").select_option("resnet34")
    settle(page)


def state_of(page: Page) -> dict[str, Any]:
    """Return everything of a page that a reader can have chosen, as the page shows it."""
    settle(page)
    shown = page.evaluate("""() => ({
        pressed: [...document.querySelectorAll("figure [aria-pressed=true]")]
            .map((button) => [button.closest("figure").id, button.textContent]),
        fields: [...document.querySelectorAll("main input, main select")]
            .map((field) => [field.ariaLabel ?? field.id, field.value]),
        sorted: [...document.querySelectorAll("[aria-sort]")]
            .map((heading) => [heading.textContent, heading.ariaSort]),
        drawn: [...document.querySelectorAll(".panel:not([hidden]) .plot")]
            .map((plot) => [plot.data.length, plot._fullLayout.yaxis?.type]),
        titles: [...document.querySelectorAll(".panel h3")].map((title) => title.textContent),
        hidden: [...document.querySelectorAll("[data-baseline]")].map((part) => part.hidden),
    })""")
    return dict(shown) | {"rows": table_rows(page, "trials")}


def test_an_address_brings_back_everything_that_was_chosen(
    page: Page, visitor: Visitor, study_page: Path
) -> None:
    first = state_of(page)
    choose_much(page)
    chosen = state_of(page)
    assert all(chosen[part] != first[part] for part in first)
    fragment = page.url[page.url.index("#") :]
    assert state_of(visitor.open(study_page, fragment)) == chosen
    page.locator("summary", has_text="Views").click()
    page.locator("#reset").click()
    expect(page.locator("#table-trials output")).to_have_text("13 rows")
    assert state_of(page) == first


def test_the_link_to_a_view_is_copied(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(
        study_page, until="ready", permissions=["clipboard-read", "clipboard-write"]
    )
    page.locator("[data-figure='curves'] [data-option='loss']").click()
    page.locator("summary", has_text="Views").click()
    page.locator("#copy-link").click()
    expect(page.locator("#status")).to_have_text("The link to this view copied.")
    link = page.evaluate("() => navigator.clipboard.readText()")
    assert link.startswith(study_page.as_uri())
    assert "curves.quantity=loss" in link


@pytest.mark.parametrize(
    "fragment",
    [
        "#nowhere?curves.quantity=nonsense&curves.log=q&unknown.view=1&hide=nobody",
        "#?table.nothing.sort=-x&table.trials.sort=-Nothing&table.trials.is.Nothing=1",
        "#?__proto__.x=1&constructor.log=y&table.__proto__.filter=a&baseline=nobody&draw=",
        "#?table&table.&.=&%&table.trials",
    ],
)
def test_an_address_of_another_report_does_no_harm(
    visitor: Visitor, study_page: Path, fragment: str
) -> None:
    page = visitor.open(study_page, fragment, until="ready")
    assert len(table_rows(page, "trials")) == 13


def test_back_and_forward_go_through_sections(page: Page) -> None:
    page.locator("[data-figure='curves'] [data-option='loss']").click()
    for section in ("trials", "curves"):
        page.locator(f"nav a[href='#{section}']").click()
    assert "#curves?curves.quantity=loss" in page.url
    page.go_back()
    expect(page.locator("#trials-heading")).to_be_in_viewport()
    assert "#trials?curves.quantity=loss" in page.url
    page.go_forward()
    expect(page.locator("#curves-heading")).to_be_in_viewport()


def test_every_link_of_the_navigation_shows_its_section(page: Page) -> None:
    for link in page.locator("nav a").all():
        link.click()
        section = str(link.get_attribute("href"))[1:]
        expect(page.locator(f"#{section}")).to_be_in_viewport()


def test_a_link_opens_at_its_section(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, "#timeline")
    expect(page.locator("#timeline-heading")).to_be_in_viewport()


def test_a_saved_view_survives_a_reload(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page)
    save_view(page, "as it was")
    choose_much(page)
    chosen = state_of(page)
    save_view(page, "<b>losses</b> & more")
    page.goto(study_page.as_uri())
    page.reload()
    come_to(page, "drawn")
    open_view(page, "<b>losses</b> & more")
    expect(page.locator("#table-trials output")).to_have_text("11 of 13 rows")
    assert state_of(page) == chosen
    open_view(page, "as it was")
    expect(page.locator("#table-trials output")).to_have_text("13 rows")
    assert state_of(page)["pressed"] != chosen["pressed"]
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Delete the view as it was").click()
    expect(page.locator("#saved a")).to_have_text(["<b>losses</b> & more"])


def save_view(page: Page, name: str) -> None:
    page.locator("summary", has_text="Views").click()
    page.locator("#view-name").fill(name)
    page.locator("#save-view button").click()
    expect(page.locator("#status")).to_have_text(f"View “{name}” saved in this browser.")
    page.keyboard.press("Escape")


def open_view(page: Page, name: str) -> None:
    page.locator("summary", has_text="Views").click()
    page.locator("#saved a", has_text=name).click()
    expect(page.locator("#saved")).to_be_hidden()


def test_differences_are_shown_to_the_chosen_baseline(page: Page) -> None:
    tables = page.locator("[data-baseline]:not([hidden]) caption")
    expect(tables).to_have_count(1)
    expect(tables).to_contain_text("against resnet18")
    page.locator("#baseline").select_option("resnet50")
    expect(tables).to_contain_text("against resnet50")
    assert "baseline=resnet50" in page.url
