"""The page without a mouse."""

from pathlib import Path

from tests.chromium import Page, Visitor, expect, settle

FOCUS = """() => {
    const { id, className, tagName, dataset } = document.activeElement;
    return [tagName, id, String(className), Object.keys(dataset).join()].join(" ");
}"""


def stops(page: Page, count: int, key: str = "Tab") -> list[str]:
    """Press Tab so many times and return what has the focus after each."""
    found = []
    for _ in range(count):
        page.keyboard.press(key)
        found.append(str(page.evaluate(FOCUS)))
    return found


def test_the_first_stop_leads_to_the_answer(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, until="ready")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.querySelector('#answer').contains(document.activeElement)")


def test_tab_reaches_every_kind_of_control_in_order(page: Page) -> None:
    page.locator("#claims-heading").scroll_into_view_if_needed()
    page.locator(".skip").focus()
    reached = stops(page, 120)
    places = [
        next(place for place, stop in enumerate(reached) if wanted in stop)
        for wanted in ("SUMMARY", "theme", "switch,option", "scale", "series", "sort", "baselines")
    ]
    assert places == sorted(places)


def test_switches_and_series_work_with_the_keyboard(page: Page) -> None:
    loss = page.locator("[data-figure='curves'] [data-option='loss']")
    loss.focus()
    page.keyboard.press("Enter")
    expect(loss).to_have_attribute("aria-pressed", "true")
    settle(page)
    series = page.locator("[data-figure='curves'] [data-series='s0']")
    series.focus()
    page.keyboard.press("Space")
    expect(series).to_have_attribute("aria-pressed", "false")
    settle(page)
    expect(series).to_be_focused()


def test_tables_are_sorted_with_the_keyboard(page: Page) -> None:
    heading = page.locator("#table-means thead th").nth(2)
    heading.locator("button").focus()
    page.keyboard.press("Space")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect(heading.locator("button")).to_be_focused()


def test_wide_tables_are_moved_with_the_keyboard(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, until="ready", viewport={"width": 390, "height": 800})
    frame = page.locator("#table-means .scroll")
    frame.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert frame.evaluate("(element) => element.scrollLeft") > 0


def test_menus_open_with_keys_and_close_with_escape(page: Page) -> None:
    menu = page.locator("details.menu", has_text="Views").first
    summary = menu.locator("summary")
    for key in ("Enter", "Space"):
        summary.focus()
        page.keyboard.press(key)
        expect(menu.locator("#copy-link")).to_be_visible()
        page.keyboard.press("Tab")
        expect(menu.locator("#copy-link")).to_be_focused()
        page.keyboard.press("Escape")
        expect(menu.locator("#copy-link")).to_be_hidden()
        expect(summary).to_be_focused()


def test_an_entry_gives_the_focus_back_to_its_menu(page: Page) -> None:
    menu = page.locator("#table-means details.menu")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("The table as CSV copied.")
    expect(menu.locator("summary")).to_be_focused()


def test_the_dialog_keeps_the_focus_and_gives_it_back(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page, until="ready")
    choose = page.locator("[data-figure='curves'] .choose")
    choose.scroll_into_view_if_needed()
    choose.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#chooser")
    expect(dialog.locator("input[type=search]")).to_be_focused()
    inside = "() => document.activeElement.closest('#chooser, body').tagName"
    assert stops(page, 40)
    # Chromium lets the focus go to its own bar after the last stop, but to nothing of the page.
    expect(page.locator("body :focus:not(#chooser *)")).to_have_count(0)
    assert page.evaluate(inside) in ("DIALOG", "BODY")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(choose).to_be_focused()
