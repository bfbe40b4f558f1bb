"""A page of many configurations: a few are drawn, the others are found and added."""

from pathlib import Path

from tests.chromium import Page, Visitor, expect, settle


def names(page: Page, figure: str = "curves"):  # type: ignore[no-untyped-def]
    return page.locator(f"[data-figure='{figure}'] [data-series]")


def drawn_series(page: Page) -> set[str]:
    """Return the keys of the series that the learning curves draw."""
    plot = page.locator("[data-figure='curves'] .plot").first
    return set(plot.evaluate("plot => plot.data.map((trace) => trace.legendgroup)"))


def test_the_most_accurate_are_drawn_at_first(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page)
    best = [f"net{number:02}" for number in range(13, 25)]
    assert sorted(names(page).all_text_contents()) == best
    assert len(drawn_series(page) - {None}) == 12


def test_one_is_found_and_added(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page)
    page.locator("[data-figure='curves'] .choose").click()
    dialog = page.locator("#chooser")
    expect(dialog.locator(".found")).to_have_text("25 of 25 fit, 12 are drawn")
    dialog.locator("input[type=search]").fill("NET 03")
    expect(dialog.locator(".list label")).to_have_text([" net03"])
    dialog.get_by_label("net03").check()
    expect(dialog.locator(".found")).to_have_text("1 of 25 fit, 13 are drawn")
    dialog.get_by_role("button", name="Close").click()
    settle(page)
    for figure in ("curves", "cost", "gradients"):
        expect(names(page, figure).filter(has_text="net03")).to_have_count(1)
    assert len(drawn_series(page) - {None}) == 13
    assert "draw=net03" in page.url
    fresh = visitor.open(many_page, page.url[page.url.index("#") :])
    expect(names(fresh)).to_have_count(13)


def test_the_first_choice_comes_back(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page, "#?draw=net01&draw=net02")
    expect(names(page)).to_have_text(["net01", "net02"])
    page.locator("[data-figure='curves'] .choose").click()
    page.locator("#chooser .reset").click()
    page.locator("#chooser").get_by_role("button", name="Close").click()
    expect(names(page)).to_have_count(12)
    settle(page)


def test_one_of_many_is_left_alone(visitor: Visitor, many_page: Path) -> None:
    page = visitor.open(many_page)
    names(page).filter(has_text="net20").dblclick()
    settle(page)
    pressed = page.locator("[data-figure='curves'] [data-series][aria-pressed=true]")
    expect(pressed).to_have_text(["net20"])
    assert len(drawn_series(page) - {None}) == 1
    # What was not drawn anyway need not be hidden.
    assert page.url.count("hide=") == 11
