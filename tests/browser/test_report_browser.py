"""The page in a real browser: Debian's chromium, headless; skipped where there is none."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from resray.report import write_report
from tests.report_builder import trial, write_results
from tests.search_builder import GRID, SearchBuilder, shuffled

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
STUDY = Path(__file__).parents[2] / "benchmarks" / "depth-family.yaml"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium (apt-get install chromium)")


def browse(page: Path, *options: str) -> tuple[str, str]:
    """Return the document after its scripts ran, and what the browser logged."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
        "--disable-background-networking", "--disable-dev-shm-usage",
        "--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000",
        f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr


def report(folder: Path, rows: list[dict[str, object]]) -> Path:
    write_results(folder / "results", rows, study=STUDY)
    return write_report(folder / "results", folder / "report.html")


def check_health(document: str, log: str) -> None:
    assert 'data-drawn="yes"' in document
    assert "data-errors" not in document
    assert "CONSOLE" not in log


@pytest.fixture(scope="module")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [trial(name, seed) for name in ("resnet18", "resnet50") for seed in (0, 1)]
    rows.append(trial("resnet34", exclusive=False, reductions='["2,000 training images"]'))
    return report(tmp_path_factory.mktemp("full"), rows)


def test_every_figure_draws_without_an_error(full_page: Path) -> None:
    document, log = browse(full_page)
    check_health(document, log)
    plots = document.split('class="plot js-plotly-plot"')[1:]
    assert len(plots) == 3 + 2 + 1 + 2 + 2
    assert all('class="main-svg"' in plot for plot in plots)
    # Points of three groups in each of three cost panels; bars of three groups, thrice.
    assert len(re.findall(r'class="trace scatter', document)) > 9
    assert len(re.findall(r'<g class="point"', document)) >= 9


def test_every_figure_of_a_search_draws(tmp_path: Path) -> None:
    builder = SearchBuilder(tmp_path)
    builder.run(shuffled(GRID)[:10], diverging=[3])
    builder.audit(1)
    builder.confirm(1)
    document, log = browse(builder.report())
    check_health(document, log)
    figures = re.findall(r'data-figure="([a-z]+)"(.*?)<figcaption', document, re.DOTALL)
    drawn = {name: body.count('class="main-svg"') for name, body in figures}
    # Plotly draws each plot in three layers: of a space with three axes, three panels.
    search = {name: drawn[name] // 3 for name in ("parallel", "axes", "rungs", "best", "workers")}
    assert search == {"parallel": 1, "axes": 3, "rungs": 1, "best": 1, "workers": 1}


def test_plots_follow_dark_mode(full_page: Path) -> None:
    light, _ = browse(full_page)
    dark, log = browse(full_page, "--blink-settings=preferredColorScheme=0")
    check_health(dark, log)
    first_series = {"light": "rgb(0, 103, 165)", "dark": "rgb(86, 169, 232)"}
    assert first_series["light"] in light
    assert first_series["dark"] in dark
    assert first_series["light"] not in dark


def test_buttons_switch_views_and_hide_series(full_page: Path) -> None:
    script = """<script>addEventListener("load", () => setTimeout(() => {
      const curves = document.querySelector('[data-figure="curves"]');
      curves.querySelector('[data-view="3"]').click();
      curves.querySelector('[data-series="s0"]').click();
    }, 2000));</script>"""
    page = full_page.with_name("clicked.html")
    html = full_page.read_text(encoding="utf-8")
    page.write_text(html.replace("</body>", script + "</body>"), encoding="utf-8")
    document, log = browse(page)
    check_health(document, log)
    curves = document.split('data-figure="curves"')[1].split("<figcaption")[0]
    assert "Validation loss (nats)" in curves
    assert "Validation accuracy" not in curves
    assert re.search(r'data-series="s0" aria-pressed="false"', curves)
    # Of two panels: a training and a validation line for each trial but the two hidden ones.
    assert len(re.findall(r'class="trace scatter', curves)) == 2 * 2 * 3


def test_phone_has_no_sideways_scroll(full_page: Path) -> None:
    probe = """<script>addEventListener("load", () => setTimeout(() => {
      const frame = document.querySelector("iframe").contentDocument.documentElement;
      document.body.dataset.widths = frame.scrollWidth + " of " + frame.clientWidth;
    }, 3000));</script>"""
    page = full_page.with_name("phone.html")
    frame = f'<iframe src="{full_page.name}" style="width:390px;height:800px;border:0"></iframe>'
    page.write_text(f"<!DOCTYPE html><body>{frame}{probe}</body>", encoding="utf-8")
    document, _ = browse(page, "--allow-file-access-from-files")
    assert re.search(r'data-widths="(\d+) of \1"', document)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [trial(epochs=1, status="failed")],
        [trial("<script>alert(1)</script>", trial_id="x"), trial("<b>bold</b>", trial_id="y")],
        [trial(test_accuracy=None, validation_accuracy=None, epochs=1)],
    ],
    ids=["empty", "failed", "hostile", "unvalidated"],
)
def test_odd_results_open(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    document, log = browse(report(tmp_path, rows))
    check_health(document, log)
    assert "alert(1)</script>" not in document
