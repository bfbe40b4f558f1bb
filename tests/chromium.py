"""Debian's chromium, headless, in which pages are opened as a reader opens them: from disk."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright (uv sync)")

from playwright.sync_api import Browser, BrowserContext, Page, expect  # noqa: E402

PATIENCE = 30_000
"""Milliseconds after which what is waited for counts as missing: other work may run beside."""

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OWN = ("file:", "data:", "blob:")

expect.set_options(timeout=PATIENCE)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser; skip the test where there is none."""
    if CHROMIUM is None:
        pytest.skip("no chromium (apt-get install chromium)")
    arguments = ["--no-sandbox", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Visitor:
    """Opens pages, and notices what none of them may do: log, fail, ask for anything."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.contexts: list[BrowserContext] = []
        self.pages: list[Page] = []
        self.faults: list[str] = []

    def open(self, path: Path, fragment: str = "", *, until: str = "drawn", **options: Any) -> Page:
        """Open a file in a fresh profile; ``until`` the script says so, "" for at once."""
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        return self.open_beside(context, path, fragment, until=until)

    def open_beside(
        self, context: BrowserContext, path: Path, fragment: str = "", *, until: str = "drawn"
    ) -> Page:
        """Open a file in a profile that is open already."""
        page = context.new_page()
        page.on("console", lambda message: self.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self.note_request(request.url))
        page.goto(path.as_uri() + fragment)
        if until:
            come_to(page, until)
        self.pages.append(page)
        return page

    def note_request(self, address: str) -> None:
        if not address.startswith(OWN):
            self.faults.append(f"request: {address}")

    def check(self) -> None:
        """Fail if any page did what none may do."""
        noted = [page.locator("html").get_attribute("data-errors") for page in self.pages]
        assert [text for text in noted if text] == []
        assert self.faults == [], self.faults

    def close(self) -> None:
        for context in self.contexts:
            context.close()


def come_to(page: Page, state: str) -> None:
    """Wait until the page is ``ready`` to be used, or ``drawn`` in full."""
    page.locator(f"html[data-{state}=yes]").wait_for(state="attached")


def settle(page: Page) -> None:
    """Wait until no figure is being drawn."""
    expect(page.locator("[aria-busy=true]")).to_have_count(0)


def table_rows(page: Page, name: str) -> list[list[str]]:
    """Return the texts of the rows that stand in a table of the page."""
    rows = page.locator(f"#table-{name} tbody").first
    return list(
        rows.evaluate("body => [...body.rows].map(r => [...r.cells].map(c => c.textContent))")
    )
