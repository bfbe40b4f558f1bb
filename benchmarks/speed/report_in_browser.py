"""How fast a report opens and reacts in headless Chromium, driven by playwright."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu"]
PATIENCE = 120_000
"""Milliseconds."""

SCRIPT = """async ([part, begin, over]) => {
  const trials = document.getElementById("table-trials");
  const query = trials.querySelector("input[type=search]");
  const curves = document.querySelector("[data-figure=curves]");
  const steps = {
    filter: () => {
      delete trials.dataset.shown;
      query.value = "resnet34";
      query.dispatchEvent(new Event("input", { bubbles: true }));
    },
    sort: () => {
      delete trials.dataset.shown;
      trials.querySelector("th.number button.sort").click();
    },
    listed: () => trials.dataset.shown !== undefined,
    change: () => curves.querySelector("[data-switch][aria-pressed=false]").click(),
    hide: () => curves.querySelector("[data-series][aria-pressed=true]").click(),
    redrawn: () => !curves.hasAttribute("aria-busy"),
    all: () => !document.querySelector("[aria-busy=true]"),
  };
  const frame = () => new Promise(requestAnimationFrame);
  ({ trials, curves })[part].scrollIntoView();
  await frame();
  await frame();
  const start = performance.now();
  steps[begin]();
  while (!steps[over]()) await frame();
  await frame();
  const seconds = (performance.now() - start) / 1000;
  while (!steps.all()) await frame();
  return seconds;
}"""
"""Does something to a part of the page, and returns the seconds until what comes of it is painted.
"""

REACTIONS = {
    "the first word typed into the filter of all trials": ("trials", "filter", "listed"),
    "all trials sorted by a number": ("trials", "sort", "listed"),
    "another quantity of the learning curves": ("curves", "change", "redrawn"),
    "a series hidden, in the figure in sight": ("curves", "hide", "redrawn"),
    "a series hidden, in every figure": ("curves", "hide", "all"),
}
"""What the reader does: the part of the page, the step that begins it, and that which ends it."""


def reactions(page: Path, chromium: Path, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of opening a report and of its reactions, each in a fresh profile."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for _ in range(rounds):
            for what, seconds in visit(browser, page).items():
                found.setdefault(what, []).append(seconds)
        browser.close()
    return found


def visit(browser: "Browser", path: Path) -> dict[str, float]:
    """Open a report and use it; return the seconds that everything took."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    start = time.perf_counter()
    page.goto(path.resolve().as_uri())
    found = {}
    for state, what in (("ready", "until it reacts"), ("drawn", "until all figures are drawn")):
        page.locator(f"html[data-{state}=yes]").wait_for(state="attached")
        found[what] = time.perf_counter() - start
    for what, steps in REACTIONS.items():
        found[what] = page.evaluate(SCRIPT, steps)
    faults = page.locator("html").get_attribute("data-errors")
    assert faults is None, faults
    page.context.close()
    return found
