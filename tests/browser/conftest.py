"""The pages that are looked at, and the browser that shows them: one for all tests of the page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resray.report import write_report
from tests.report_builder import evaluation, trial, write_results
from tests.search_builder import GRID, SearchBuilder, shuffled

if TYPE_CHECKING:
    from tests.chromium import Browser, Page, Visitor

STUDY = Path(__file__).parents[2] / "benchmarks" / "depth-family.yaml"
UNTESTED: dict[str, Any] = dict.fromkeys(("test_accuracy", "validation_accuracy"))
CLASSES = ("cat", "dog", "ship")


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    from tests.chromium import launched

    with launched() as browser:
        yield browser


@pytest.fixture
def visitor(browser: "Browser") -> Iterator["Visitor"]:
    """Open pages in profiles of their own; after the test, none may have done anything amiss."""
    from tests.chromium import Visitor

    visitor = Visitor(browser)
    yield visitor
    visitor.check()
    visitor.close()


def study_rows() -> list[dict[str, Any]]:
    """Return trials of all five depths: several seeds, a shared machine, a failed and a stopped
    one, a reduced one."""
    rows = [trial(n, seed) for n in ("resnet18", "resnet34", "resnet50") for seed in (0, 1, 2)]
    rows += [trial("resnet101", seed, exclusive=False) for seed in (0, 1)]
    rows.append(trial("resnet101", 2, status="failed", reason="diverged", epochs_done=3,
                      error_class="DivergedError", error_message="loss became nan",
                      **UNTESTED))  # fmt: skip
    rows.append(trial("resnet152", status="stopped", reason="stop-after", epochs_done=7,
                      stop_after=7, reductions='["2,000 training images"]'))  # fmt: skip
    return rows


def evaluations_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what `resray evaluate` measures of a trial: under corruptions, and class by class."""
    top = row["test_accuracy"]
    corrupted = [
        evaluation(row, "corruptions", top - 3 * severity, condition=f"{kind} {severity}")
        for kind in ("blur", "noise") for severity in (1, 3, 5)
    ]  # fmt: skip
    mean = evaluation(row, "corruptions", top - 9, condition="mean")
    counts = [
        evaluation(row, "test", 90.0 if true == guess else 5.0, condition=guess, metric="count",
                   images=100, **{"class": true})
        for true in CLASSES for guess in CLASSES
    ]  # fmt: skip
    by_class = [evaluation(row, "test", 90.0, images=100, **{"class": name}) for name in CLASSES]
    return [evaluation(row, "test", top), *corrupted, mean, *counts, *by_class]


@pytest.fixture(scope="package")
def study_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every kind of figure but a search's; its results lie beside it."""
    folder = tmp_path_factory.mktemp("study")
    rows = study_rows()
    evaluations = [made for row in rows[:9] for made in evaluations_of(row)]
    write_results(folder / "results", rows, evaluations=evaluations, study=STUDY)
    return write_report(folder / "results", folder / "study report.html")


@pytest.fixture(scope="package")
def search_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    builder = SearchBuilder(tmp_path_factory.mktemp("search"))
    builder.run(shuffled(GRID)[:10], diverging=[3])
    builder.audit(1)
    builder.confirm(1)
    return builder.report()


@pytest.fixture(scope="package")
def many_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 25 configurations with 10 seeds each, some of which have no test accuracy."""
    folder = tmp_path_factory.mktemp("many")
    rows = [
        trial(f"net{number:02}", seed, epochs=3, validation_accuracy=81.0 + number / 4,
              test_accuracy=None if seed == 3 else 80 + number / 4 + seed / 10,
              recipe=json.dumps({"epochs": 3, "width": number}))
        for number in range(25) for seed in range(10)
    ]  # fmt: skip
    write_results(folder / "results", rows)
    return write_report(folder / "results", folder / "many.html")


@pytest.fixture(scope="package")
def shared(browser: "Browser", study_page: Path) -> Iterator[tuple["Visitor", "Page"]]:
    from tests.chromium import Visitor

    visitor = Visitor(browser)
    yield visitor, visitor.open(study_page, accept_downloads=True)
    visitor.close()


@pytest.fixture
def page(shared: tuple["Visitor", "Page"]) -> Iterator["Page"]:
    """The study's page as it is at first; opened once, and brought back for each test."""
    visitor, page = shared
    reset(page)
    yield page
    visitor.check()


def reset(page: "Page") -> None:
    """Bring a page back to its first state through its address, as its own button does."""
    from tests.chromium import settle

    page.evaluate("""() => new Promise((resolve) => {
        addEventListener("hashchange", () => setTimeout(resolve), { once: true });
        location.hash = `#?again=${Math.random()}`;
    })""")
    settle(page)
