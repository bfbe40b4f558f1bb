"""Tables in the browser: filtered, sorted, paged, copied; each against what Python wrote."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from resray.analysis.results import Analysis
from resray.export.formats import written_sheet
from resray.export.sheets import report_sheet, report_tables
from resray.report import write_report
from resray.report.record import trials_section
from resray.report.tables import Table
from resray.report.text import plain_text, value_of
from tests.chromium import Page, Visitor, expect, settle, table_rows
from tests.report_builder import trial, write_results

Texts = list[list[str]]


def trials_table(page: Path) -> Table:
    """Return the table of trials as Python makes it from the results beside the page."""
    table = trials_section(Analysis.of(page.parent / "results")).tables[0]
    assert isinstance(table, Table)
    return table


def texts(table: Table) -> Texts:
    """Return a table's cells as they read; what an optional column lacks is left blank."""
    return [
        ["" if column.optional and cell is None else plain_text(cell)
         for column, cell in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]  # fmt: skip


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that puts texts in order as people do: ``net2`` before ``net10``."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in parts]


def in_order(table: Table, place: int, falling: bool) -> list[int]:
    """Return the numbers of a table's rows sorted by a column, those without a value last."""
    numeric = table.columns[place].numeric
    cells = dict(enumerate(row[place] for row in table.rows))
    without = [row for row, cell in cells.items()
               if (value_of(cell) if numeric else cell) is None]  # fmt: skip
    known = [row for row in cells if row not in without]
    if numeric:
        known.sort(key=lambda row: value_of(cells[row]) or 0.0, reverse=falling)
    else:
        known.sort(key=lambda row: natural(plain_text(cells[row])), reverse=falling)
    return known + without


@pytest.fixture(scope="module")
def opened(browser: object, many_page: Path) -> Iterator[tuple[Visitor, Page]]:
    visitor = Visitor(browser)  # type: ignore[arg-type]
    yield visitor, visitor.open(many_page, permissions=["clipboard-read", "clipboard-write"])
    visitor.close()


@pytest.fixture
def many(opened: tuple[Visitor, Page]) -> Iterator[Page]:
    """The page of 250 trials, as it is at first."""
    from tests.browser.conftest import reset

    visitor, page = opened
    reset(page)
    yield page
    visitor.check()


def search_field(page: Page, table: str = "trials"):  # type: ignore[no-untyped-def]
    return page.locator(f"#table-{table} input[type=search]")


def count_of(page: Page, table: str = "trials"):  # type: ignore[no-untyped-def]
    return page.locator(f"#table-{table} output")


def test_words_filter_rows(page: Page) -> None:
    search_field(page).fill("resnet101 node")
    expect(count_of(page)).to_have_text("0 of 13 rows")
    assert table_rows(page, "trials") == []
    search_field(page).fill("RESNET101 completed")
    expect(count_of(page)).to_have_text("2 of 13 rows")
    assert [row[0] for row in table_rows(page, "trials")] == ["resnet101", "resnet101"]


def test_a_word_after_a_minus_excludes_rows(page: Page, study_page: Path) -> None:
    search_field(page).fill("-resnet18 -failed")
    expect(count_of(page)).to_have_text("9 of 13 rows")
    expected = [row for row in texts(trials_table(study_page))
                if row[0] != "resnet18" and "failed" not in row[3]]  # fmt: skip
    assert [row[0] for row in table_rows(page, "trials")] == [row[0] for row in expected]


def test_a_column_of_few_values_is_filtered_by_choice(page: Page) -> None:
    choice = page.get_by_label("Only where Status is").first
    choice.focus()
    expect(choice.locator("option")).to_have_text(
        ["Status: all", "completed", "failed (diverged)", "stopped (stop-after)"]
    )
    choice.select_option("failed (diverged)")
    expect(count_of(page)).to_have_text("1 of 13 rows")
    assert table_rows(page, "trials")[0][3] == "failed (diverged)"
    choice.select_option("")
    expect(count_of(page)).to_have_text("13 rows")


def test_every_column_is_sorted_up_down_and_back(page: Page, study_page: Path) -> None:
    table = trials_table(study_page)
    rows = texts(table)
    for place, column in enumerate(table.columns):
        heading = page.locator("#table-trials thead th").nth(place)
        falling = column.numeric
        for direction in (falling, not falling):
            heading.locator("button").click()
            expect(heading).to_have_attribute(
                "aria-sort", "descending" if direction else "ascending"
            )
            expected = [rows[row] for row in in_order(table, place, direction)]
            assert table_rows(page, "trials") == expected, (column.title, direction)
        heading.locator("button").click()
        expect(heading).not_to_have_attribute("aria-sort", re.compile("."))
        assert table_rows(page, "trials") == rows


def test_a_long_table_is_shown_in_pages(many: Page, many_page: Path) -> None:
    rows = texts(trials_table(many_page))
    assert len(rows) == 250
    more = many.locator("#table-trials .more")
    expect(more).to_have_text("150 more rows: show 150")
    assert table_rows(many, "trials") == rows[:100]
    more.click()
    expect(more).to_be_hidden()
    assert table_rows(many, "trials") == rows


def test_a_long_table_is_sorted_and_filtered_as_a_whole(many: Page, many_page: Path) -> None:
    table = trials_table(many_page)
    place = [column.title for column in table.columns].index("Test,\u00a0%")
    heading = many.locator("#table-trials thead th").nth(place)
    heading.locator("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    rows = texts(table)
    falling = [rows[row] for row in in_order(table, place, falling=True)]
    assert table_rows(many, "trials") == falling[:100]
    search_field(many).fill("net2")
    expect(count_of(many)).to_have_text("50 of 250 rows")
    kept = [row for row in falling if "net2" in row[0]]
    assert table_rows(many, "trials") == kept
    # What has no test accuracy comes last, whatever the direction.
    assert {row[place] for row in kept[-5:]} == {"–"}


def test_figures_draw_only_what_a_filter_leaves(many: Page) -> None:
    search_field(many).fill("net03")
    many.locator("#table-trials").get_by_role("button", name="Draw only these").click()
    settle(many)
    key = many.locator("[data-figure='curves'] [data-series]")
    expect(key).to_have_text(["net03"])
    expect(many.locator("#status")).to_have_text("The figures draw one configuration.")


def test_figures_of_few_configurations_hide_what_a_filter_leaves_out(page: Page) -> None:
    search_field(page).fill("resnet34")
    page.locator("#table-trials").get_by_role("button", name="Draw only these").click()
    settle(page)
    pressed = page.locator("[data-figure='cost'] [data-series][aria-pressed=true]")
    expect(pressed).to_have_text(["resnet34"])


def copied(page: Page, table: str = "trials") -> str:
    """Copy a table through its menu, and return what the clipboard holds."""
    page.locator(f"#table-{table} summary", has_text="CSV").click()
    page.locator(f"#table-{table} .menu").get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#status")).to_have_text("The table as CSV copied.")
    return str(page.evaluate("() => navigator.clipboard.readText()"))


def check_csv(content: str, table: Table) -> None:
    """Compare CSV with what `resray export` writes of the table."""
    expected = written_sheet(report_sheet(table), "csv")
    assert with_numbers(content) == with_numbers(expected)


def with_numbers(content: str) -> list[list[str | float]]:
    """Return rows of CSV; two ways to write a number are one."""
    rows = csv.reader(io.StringIO(content, newline=""))
    return [[as_number(cell) for cell in row] for row in rows]


def as_number(cell: str) -> str | float:
    try:
        return float(f"{float(cell):.9g}")
    except ValueError:
        return cell


def test_a_table_is_copied_as_csv_in_full(many: Page, many_page: Path) -> None:
    table = trials_table(many_page)
    check_csv(copied(many), table)


def test_every_table_is_copied_as_it_is_exported(many: Page, many_page: Path) -> None:
    tables = report_tables(Analysis.of(many_page.parent / "results"))
    many.evaluate(
        "document.querySelectorAll('details:not(.menu)').forEach((one) => one.open = true)"
    )
    shown = [name for name in tables if many.locator(f"#table-{name} summary").first.is_visible()]
    assert {"means", "trials", "environment"} <= set(shown)
    assert "Test accuracy, % (as shown)" in copied(many, "means")
    for name in shown:
        check_csv(copied(many, name), tables[name])


def test_a_copy_holds_the_rows_that_pass_the_filter(many: Page) -> None:
    search_field(many).fill("net07")
    expect(count_of(many)).to_have_text("10 of 250 rows")
    assert len(list(csv.reader(io.StringIO(copied(many))))) == 11


def test_a_table_is_downloaded_as_csv(page: Page, study_page: Path) -> None:
    table = trials_table(study_page)
    page.locator("#table-trials summary", has_text="CSV").click()
    with page.expect_download() as download:
        page.locator("#table-trials").get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "results-trials.csv"
    content = download.value.path().read_bytes().decode("utf-8")
    check_csv(content, table)


def test_all_trials_and_the_study_file_are_downloaded(page: Page, study_page: Path) -> None:
    search_field(page).fill("resnet18")
    found = {}
    for name in ("trials-csv", "study"):
        page.locator("summary", has_text="Download").click()
        with page.expect_download() as download:
            page.locator(f"[data-download='{name}']").click()
        found[name] = download.value.path().read_bytes()
    assert found["study"] == (study_page.parent / "results" / "study.yaml").read_bytes()
    table = trials_table(study_page)
    check_csv(found["trials-csv"].decode(), table)


def test_nasty_names_are_copied_as_they_are_exported(visitor: Visitor, tmp_path: Path) -> None:
    names = (
        "[a] --",
        "*b*, ,, ''",
        "~~c~~ $d$ → ≤ 深 é",
        "<b>&lt;|`x`",
        "http://e {f} ^_#%",
        "=1+1",
    )
    rows = [trial(name, trial_id=str(place)) for place, name in enumerate(names)]
    write_results(tmp_path / "results", rows)
    page = visitor.open(
        write_report(tmp_path / "results", tmp_path / "page.html"),
        permissions=["clipboard-read", "clipboard-write"],
    )
    table = report_tables(Analysis.of(tmp_path / "results"))["means"]
    check_csv(copied(page, "means"), table)
