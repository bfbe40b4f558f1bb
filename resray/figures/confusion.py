"""Accuracy class by class: which classes are hard, and for which configuration."""

import math
from typing import Any

from resray.analysis.by_class import (
    MOST,
    Confusion,
    confusions,
)
from resray.analysis.results import Analysis
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text

NAMED = 20
"""With more classes than these, cells bear no numbers and axes no names."""
STEPS = [(step / 6) ** 2 for step in range(7)]
"""Where the shades stand on the scale from 0 to 1: evenly by square root, so that errors of a few
percent differ beside a diagonal of ninety."""


def confusion(
    results: Readable, configuration: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Which class is taken for which, in percent of the true class.

    ``configuration`` is the label of one.
    """
    return drawn(confusion_figure, results, theme, view=configuration)


def confusion_figure(results: Analysis) -> plot.Figure | None:
    """The confusion matrix of each configuration, in percent of the true class's images."""
    found = confusions(results)
    if not found:
        return None
    views = {
        one.group.label: [plot.Panel(title_of(one), [matrix_trace(one)], matrix_layout(one))]
        for one in found
    }
    caption = (
        "Rows are true classes and add up to 100 %, columns what they were taken for: the diagonal "
        "is what was right. Shades follow the square root, so that small shares of errors "
        f"differ; where nothing is drawn, no image fell. Checkpoint {found[0].checkpoint}; means "
        "over trials."
        + (f" These are the {MOST} most accurate configurations." if len(found) == MOST else "")
    )
    return plot.Figure(
        "confusion", "Confusion matrix", caption, [], **plot.between("Configuration", views)
    )


def title_of(one: Confusion) -> str:
    images = int(one.counts.sum(axis=(1, 2)).max())
    return f"{one.group.label}: % of each true class, {images:,} images (n = {one.n})"


def matrix_trace(one: Confusion) -> plot.Trace:
    names = [plotly_text(name) for name in one.classes]
    labelled = len(names) <= NAMED
    return {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": [[shade(value) for value in row] for row in one.mean.tolist()],
        "zmin": 0,
        "zmax": 100,
        "xgap": 1 if labelled else 0,
        "ygap": 1 if labelled else 0,
        "hoverongaps": False,
        "colorscale": shades(labelled),
        "showscale": not labelled,
        "colorbar": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "len": 0.6,
                     "thickness": 10, "outlinewidth": 0, "tickvals": [3, 11, 25, 50, 100],
                     "tickangle": 0, "tickfont": {"color": "@muted"}},
        "texttemplate": "%{z:.0f}" if labelled else None,
        "textfont": {"size": 11},
        "hovertemplate": f"<b>{plotly_text(one.group.label)}</b><br>%{{y}} taken for %{{x}}: "
                         f"%{{z:.1f}} % (n = {one.n})<extra></extra>",
    }  # fmt: skip


def shades(labelled: bool) -> list[list[object]]:
    """Return the colour scale; where cells are tiny, it begins with the page's own colour."""
    names = [f"scale-{place}" if place or labelled else "panel" for place in range(len(STEPS))]
    return [[step, f"@{name}"] for step, name in zip(STEPS, names, strict=True)]


def shade(value: float) -> float | None:
    """Return a cell's percentage; an empty cell has none."""
    return round(value, 2) if math.isfinite(value) and value > 0 else None


def matrix_layout(one: Confusion) -> plot.Layout:
    size = len(one.classes)
    labelled = size <= NAMED
    axis = {
        "type": "category",
        "showgrid": False,
        "showline": False,
        "ticks": "",
        "showticklabels": labelled,
        "constrain": "domain",
        "nticks": 0,
    }
    rows = {
        **axis,
        "autorange": "reversed",
        "scaleanchor": "x",
        "ticksuffix": " ",
        "constraintoward": "top",
    }
    columns = {**axis, "tickangle": -45}
    height = 150 + 28 * size if labelled else 520
    # Without names on the axes the title would stand in the matrix; the caption says it too.
    shapes = [outline(place) for place in range(size)] if labelled else []
    title = "taken for" if labelled else ""
    return plot.layout(title, height, xaxis=columns, yaxis=rows, shapes=shapes)


def outline(place: int) -> dict[str, Any]:
    """Return the frame of a cell of the diagonal."""
    low, high = place - 0.5, place + 0.5
    return {"type": "rect", "x0": low, "x1": high, "y0": low, "y1": high,
            "line": {"color": "@ink", "width": 1}}  # fmt: skip
