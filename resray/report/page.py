"""Puts the report together: one HTML file that needs nothing else and asks nobody for anything."""

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import resray
from resray.analysis.results import Analysis
from resray.figures.palette import style_sheet
from resray.figures.plot import MANY, Figure, all_series, drawn_at_first, outline
from resray.files import output_file
from resray.report import sections
from resray.report.contents import SECTIONS, Section, content, made_figures
from resray.report.payload import figure_payload, packed
from resray.report.text import Html, escape, join, tag

SCRIPTS = ("payload", "state", "colours", "figures", "tables", "copies", "pictures", "chooser",
           "views", "live", "start")  # fmt: skip
"""The parts of the page's script, in their order."""
PACKERS = 2
"""Threads that compress figures."""


def write_report(
    folders: Path | Sequence[Path],
    output: Path,
    *,
    trial_ids: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    baseline: str | None = None,
    price_per_gpu_hour: float | None = None,
    live: float | None = None,
) -> Path:
    """Write the HTML report of results to ``output`` and return that path.

    ``folders`` is a study's results folder, or several to lay beside each other, which ``names``
    may name. ``trial_ids`` restricts the report of one folder to those trials; None takes all.
    Differences are shown to the configuration whose label is ``baseline``; None takes the study's
    first. ``price_per_gpu_hour`` adds money to the costs. ``live`` is after how many seconds an
    open page loads itself again; None: never. The file appears whole, by rename.

    Raises InputError if a folder holds no results or no configuration is called ``baseline``.
    """
    with collection_paused():
        results = Analysis.of(
            folders, names, trial_ids, baseline=baseline, price_per_gpu_hour=price_per_gpu_hour
        )
        page = render(results, live)
    with output_file(output) as file:
        # A lone surrogate, which only a hostile name holds, becomes a question mark.
        file.write(page.encode("utf-8", "replace"))
    return output


def render(results: Analysis, live: float | None = None) -> str:
    """Return the page."""
    # Plotly takes half a second to import, which only this function needs.
    from plotly.offline import get_plotlyjs

    # Compression works outside of Python's lock: figures are packed while sections are written.
    with ThreadPoolExecutor(PACKERS) as pool:
        packs = [pool.submit(packed, "plotly", get_plotlyjs())]
        figures: dict[str, Figure] = {}
        for figure in made_figures(results):
            packs.append(pool.submit(packed, f"figure-{figure.id}", figure_payload(figure)))
            figures[figure.id] = outline(figure)
        packs.append(pool.submit(packed, "page", page_payload(results)))
        if results.study is not None:
            source = results.folder / "study.yaml"
            packs.append(pool.submit(packed, "study", source.read_text(encoding="utf-8")))
        shown = [(part, body) for part in SECTIONS if (body := content(part, results, figures))]
    study = results.study
    return Template(resource("page.html")).substitute(
        title=escape(results.title),
        question=tag("p", study.question, class_="question") if study else "",
        live=live_note(live),
        banners=sections.banner_section(results),
        downloads=downloads(results),
        navigation=join(
            tag("li", tag("a", part.short_title, href=f"#{part.id}")) for part, _ in shown
        ),
        sections=join(section(part, body) for part, body in shown),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=escape(resray.__version__),
        style=style_sheet() + resource("style.css"),
        script="\n".join(resource(f"script/{name}.js") for name in SCRIPTS),
        packed=join(pack.result() for pack in packs),
    )


@contextmanager
def collection_paused() -> Iterator[None]:
    """Stop Python from looking for objects that only refer to each other.

    A report makes hardly any, but millions of others, which the search would go through again and
    again: a sixth of the time for thousands of trials.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def page_payload(results: Analysis) -> dict[str, Any]:
    """Return what the script must know of the page: its configurations, and which are drawn."""
    look = all_series(results.groups)
    return {
        "name": results.folder.name,
        "many": len(results.groups) > MANY,
        "drawn": [look[group.label].key for group in drawn_at_first(results.groups)],
        "series": [
            {"key": series.key, "label": series.label, "button": sections.key_button(series)}
            for series in look.values()
        ],
    }


def live_note(seconds: float | None) -> Html:
    """Tell that the page loads itself again, and let the reader stop that."""
    if seconds is None:
        return Html()
    pause = tag("button", "Pause", type="button", aria_pressed="false")
    text = f"Live: the study is running; this page is loaded again every {seconds:g} s. "
    return tag("p", text, pause, id="live", data_seconds=f"{seconds:g}")


def downloads(results: Analysis) -> Html:
    """Buttons of the menu of downloads, as far as there is something behind them."""
    found = {
        "trials-csv": "All trials (CSV)" if results.rows else None,
        "study": "Study file (YAML)" if results.study else None,
        "system": "Copy system information" if results.all_rows else None,
    }
    return join(
        tag("button", text, type="button", data_download=name)
        for name, text in found.items() if text
    )  # fmt: skip


def section(part: Section, body: Html) -> Html:
    heading = tag("h2", part.title, id=f"{part.id}-heading")
    return tag("section", heading, body, id=part.id, aria_labelledby=f"{part.id}-heading")


def resource(name: str) -> str:
    """Return a text file that lies beside this module."""
    return files("resray.report").joinpath(name).read_text(encoding="utf-8")
