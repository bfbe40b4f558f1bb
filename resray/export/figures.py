"""The report's figures as pictures, as Plotly's JSON, and as the numbers behind them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resray.analysis.results import Analysis
from resray.errors import InputError, unknown
from resray.export.formats import (
    FIGURE_FORMATS,
    as_csv,
    check_place,
    format_of,
    write_file,
)
from resray.export.images import IMAGE_FORMATS, draw_images
from resray.export.sheets import load
from resray.export.tables import all_sheets
from resray.figures.drawing import chosen_views, drawn_panels
from resray.figures.drawn import caption_of, plot_of
from resray.figures.figure_data import figure_frame
from resray.figures.palette import THEMES
from resray.figures.plot import Figure
from resray.report.contents import all_figures


@dataclass(frozen=True)
class Look:
    """How a figure is drawn. Raises InputError for a theme that there is not."""

    views: tuple[str, ...] = ()
    """``switch=option``, as the buttons above the figure in the report."""
    theme: str = "light"
    width: int | None = None
    """In pixels; None: what suits the panels."""
    height: int | None = None
    scale: float = 2.0
    """A PNG's pixels for one of the width."""

    def __post_init__(self) -> None:
        if self.theme not in THEMES:
            raise InputError(unknown("--theme", self.theme, THEMES))


AS_SHOWN = Look()
"""As the report shows it at first."""


def export_figure(
    folders: Path | Sequence[Path],
    output: Path,
    *,
    figure: str,
    format: str | None = None,
    select: Sequence[str] = (),
    look: Look = AS_SHOWN,
    names: Sequence[str | None] | None = None,
) -> tuple[Path, str]:
    """Write a figure of the report of one or more folders to a file; return it and its caption.

    ``figure`` is the figure's id. Without a ``format`` (png, svg, json: a Plotly figure, csv: its
    numbers) the file's suffix says it. Of a single folder, ``select`` restricts the report to the
    trials whose name one of these matches; of several, ``names`` are what to call each. Raises
    InputError for an unknown figure, switch or format, a file that cannot be written, and where
    what draws pictures is not installed.
    """
    format = format_of(output, format, FIGURE_FORMATS, "a figure")
    check_place(output)
    results = load([folders] if isinstance(folders, Path) else folders, select, names)
    found = drawable_figures(results)
    if figure not in found and figure in all_sheets(results):
        raise InputError(f"--name: {figure!r} is a table, which `resray export table` writes")
    if figure not in found:
        raise InputError(unknown("--name", figure, found))
    chosen_views(found[figure], look.views)
    write_figures(results, {output: found[figure]}, format, look)
    return output, caption_of(results, found[figure])


def drawable_figures(results: Analysis) -> dict[str, Figure]:
    """Return the report's figures by id, without those that came out empty."""
    return {name: figure for name, figure in all_figures(results).items() if figure.chosen()}


def write_figures(
    results: Analysis, figures: Mapping[Path, Figure], format: str, look: Look
) -> None:
    """Write each figure to its file, pictures in one browser."""
    if format in IMAGE_FORMATS:
        plots = ((str(path), pictured(results, one, look)) for path, one in figures.items())
        draw_images(plots, format, look.scale, lambda name, data: write_file(Path(name), data))
        return
    for path, figure in figures.items():
        write_file(path, numbers_of(results, figure, look) if format == "csv" else
                   json.dumps(pictured(results, figure, look), indent=1) + "\n")  # fmt: skip


def numbers_of(results: Analysis, figure: Figure, look: Look) -> str:
    """Return the figure's points, of all series, as comma-separated values."""
    panels = drawn_panels(figure, chosen_views(figure, look.views), hidden=())
    return as_csv(figure_frame(figure, panels, results))


def pictured(results: Analysis, figure: Figure, look: Look) -> dict[str, Any]:
    """Return a figure as one of Plotly's."""
    views = chosen_views(figure, look.views)
    return plot_of(results, figure, views, look.theme, look.width, look.height)
