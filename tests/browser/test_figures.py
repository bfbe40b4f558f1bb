"""Figures in the browser: drawn under every option, hidden, isolated, on log axes, saved."""

import itertools
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.chromium import Page, Visitor, expect, settle
from tests.page_reader import figures_of, panels_of

MARKS = ".trace, .point, .hm, image, .crisp"


def combinations(switches: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """Yield every combination of options."""
    for options in itertools.product(*switches.values()):
        yield dict(zip(switches, options, strict=True))


def choose(page: Page, figure: str, options: dict[str, str]) -> None:
    """Press the switches of a figure."""
    for name, option in options.items():
        button = f"[data-figure='{figure}'] [data-switch='{name}'][data-option='{option}']"
        page.locator(button).click()
    settle(page)


def drawn_panels(page: Page, figure: str) -> list[dict[str, Any]]:
    """Return what stands in each visible panel of a figure."""
    panels = page.locator(f"[data-figure='{figure}'] .panel:not([hidden])")
    return list(panels.evaluate_all("""(panels, marks) => panels.map((panel) => ({
        title: panel.querySelector("h3").textContent,
        empty: panel.classList.contains("empty"),
        marks: panel.querySelectorAll(marks).length,
        traces: panel.querySelector(".plot").data.length,
    }))""", MARKS))  # fmt: skip


def check_figure(page: Page, name: str, payload: dict[str, Any]) -> None:
    """Compare what is drawn with what Python put into the page, under every option."""
    for options in combinations(payload["switches"]):
        choose(page, name, options)
        expected = panels_of(payload, **options)
        drawn = drawn_panels(page, name)
        assert [panel["title"] for panel in drawn] == [panel["title"] for panel in expected]
        assert [panel["traces"] for panel in drawn] == [len(panel["data"]) for panel in expected]
        assert all(panel["marks"] and not panel["empty"] for panel in drawn), (name, options)


def test_every_figure_of_a_study_draws_under_every_option(page: Page, study_page: Path) -> None:
    figures = figures_of(study_page.read_text(encoding="utf-8"))
    assert {"cost", "curves", "time", "gradients", "timeline", "confusion"} <= set(figures)
    for name, payload in figures.items():
        check_figure(page, name, payload)


def test_every_figure_of_a_search_draws_under_every_option(
    visitor: Visitor, search_page: Path
) -> None:
    page = visitor.open(search_page)
    figures = figures_of(search_page.read_text(encoding="utf-8"))
    assert {"parallel", "axes", "rungs", "best", "workers"} <= set(figures)
    for name, payload in figures.items():
        check_figure(page, name, payload)


def keys_drawn(page: Page) -> set[str]:
    """Return the keys of all series that any plot of the page draws."""
    return set(
        page.locator(".plot").evaluate_all("""(plots) => plots.flatMap((plot) =>
        (plot.data ?? []).flatMap((trace) => trace.meta?.keys ?? [trace.legendgroup]))""")
    )


def series(page: Page, figure: str, key: str) -> Any:
    return page.locator(f"[data-figure='{figure}'] [data-series='{key}']")


def test_a_series_is_hidden_in_every_figure(page: Page) -> None:
    assert {"s0", "s1"} <= keys_drawn(page)
    series(page, "curves", "s0").click()
    settle(page)
    assert "s0" not in keys_drawn(page)
    assert "s1" in keys_drawn(page)
    for button in page.locator("[data-series='s0']").all():
        expect(button).to_have_attribute("aria-pressed", "false")
    series(page, "cost", "s0").click()
    settle(page)
    assert "s0" in keys_drawn(page)


def test_a_double_click_leaves_a_series_alone(page: Page) -> None:
    series(page, "curves", "s1").dblclick()
    settle(page)
    assert {key for key in keys_drawn(page) if key and key.startswith("s")} == {"s1"}
    expect(series(page, "cost", "s0")).to_have_attribute("aria-pressed", "false")
    series(page, "curves", "s1").dblclick()
    settle(page)
    assert {"s0", "s1", "s2", "s3", "s4"} <= keys_drawn(page)


def test_where_everything_is_hidden_the_figure_says_so(page: Page) -> None:
    for button in page.locator("[data-figure='curves'] [data-series]").all():
        button.click()
    settle(page)
    empty = page.locator("[data-figure='curves'] .panel:not([hidden])")
    expect(empty.first).to_have_class("panel empty")
    expect(empty.first.locator(".plot")).to_be_hidden()


@pytest.mark.parametrize("axis", ["x", "y"])
def test_axes_become_logarithmic(page: Page, axis: str) -> None:
    button = page.locator(f"[data-figure='curves'] [data-scale='{axis}']")
    kind = f"plot => plot._fullLayout.{axis}axis.type"
    plot = page.locator("[data-figure='curves'] .plot").first
    assert plot.evaluate(kind) == "linear"
    button.click()
    settle(page)
    assert plot.evaluate(kind) == "log"
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    settle(page)
    assert plot.evaluate(kind) == "linear"


def saved(page: Page, figure: str, form: str) -> Path:
    """Save a figure through its menu."""
    frame = page.locator(f"[data-figure='{figure}']")
    frame.locator(".menu > summary").click()
    with page.expect_download() as download:
        frame.locator(f"[data-save='{form}']").click()
    assert download.value.suggested_filename == f"results-{figure}.{form}"
    return download.value.path()


def test_a_figure_is_saved_as_a_picture(page: Page) -> None:
    with Image.open(saved(page, "curves", "png")) as picture:
        assert picture.format == "PNG"
        # At twice the size, so that it is sharp in print; not of one colour.
        assert picture.width == 2 * (640 + 48)
        assert len(picture.convert("L").getcolors() or []) > 50


def test_a_figure_is_saved_as_a_drawing(page: Page) -> None:
    root = ElementTree.parse(saved(page, "curves", "svg")).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {"".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Validation accuracy (%)", "Test accuracy (%)", "resnet18", "resnet152"} <= texts
    assert sum(node.get("class") == "main-svg" for node in root.iter()) >= 2


def test_a_figure_is_saved_before_it_is_drawn(visitor: Visitor, study_page: Path) -> None:
    page = visitor.open(study_page, until="ready", accept_downloads=True)
    last = page.locator("[data-figure]").last.get_attribute("data-figure")
    assert last
    assert ElementTree.parse(saved(page, last, "svg")).getroot().tag.endswith("svg")
