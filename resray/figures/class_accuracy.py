"""Accuracy class by class: which classes are hard, and for which configuration."""

from collections.abc import Sequence

import numpy as np

from resray.analysis.by_class import (
    ByClass,
    class_accuracies,
)
from resray.analysis.results import Analysis
from resray.analysis.words import listed, with_interval
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text

ROWS = 20
"""With more classes than these, each is a place on the horizontal axis and no row of its own."""


def hardest_first(found: Sequence[ByClass]) -> list[str]:
    """Return the classes by their mean accuracy over the configurations, the lowest first."""
    means: dict[str, list[float]] = {}
    for one in found:
        for name, summary in zip(one.classes, one.summaries, strict=True):
            means.setdefault(name, []).extend([summary.mean] if summary else [])
    return sorted(means, key=lambda name: float(np.mean(means[name])) if means[name] else 0.0)


def checkpoints(found: Sequence[ByClass]) -> str:
    """Return what was evaluated, on how many images."""
    images = listed(f"{count:,}" for count in sorted({one.images for one in found}))
    return f"{listed(one.checkpoint for one in found)}, {images} test images"


def class_accuracy(results: Readable, theme: str = "light") -> PlotlyFigure:
    """Test accuracy of each class, the hardest first."""
    return drawn(classes_figure, results, theme)


def classes_figure(results: Analysis) -> plot.Figure | None:
    """Test accuracy of each class, one series per configuration, the hardest class first."""
    found = class_accuracies(results)
    hardest = hardest_first(found)
    if not hardest:
        return None
    look = plot.all_series(results.groups)
    upright = len(hardest) <= ROWS
    traces = [class_trace(one, look[one.group.label], hardest, upright) for one in found]
    order = "Hardest class first" if upright else "Hardest class on the left"
    caption = (
        f"{order}, by the mean over configurations; {checkpoints(found)}. Each point is a mean over"
        " trials" + ("; bars: from the lowest seed to the highest. " if upright else ". ")
        + "Where configurations part on a class, they have learnt different things, however close "
        "their overall accuracies are."
    )  # fmt: skip
    title = "Test accuracy (%) by class"
    rows = plot.bar_layout("test accuracy (%)", len(hardest), row=26)
    panel = plot.Panel(title, traces, rows if upright else column_layout(hardest))
    series = [look[one.group.label] for one in found]
    return plot.Figure("classes", "Accuracy by class", caption, series, [panel])


def column_layout(names: Sequence[str]) -> plot.Layout:
    axis = {"showticklabels": False, "ticks": "", "range": [-1, len(names)]}
    return plot.layout(f"{len(names)} classes, from the hardest to the easiest", 380, xaxis=axis)


def distances(one: ByClass, order: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return how far the highest and the lowest trial of each class are from the mean, 0 if none.

    Standard halves would leave the range of 0 to 100 %.
    """
    values = dict(zip(one.classes, one.accuracies.T, strict=True))
    means = {name: summary.mean for name, summary in zip(one.classes, one.summaries, strict=True)
             if summary}  # fmt: skip
    above = [float(np.nanmax(values[name])) - means[name] if name in means else 0.0
             for name in order]  # fmt: skip
    below = [means[name] - float(np.nanmin(values[name])) if name in means else 0.0
             for name in order]  # fmt: skip
    return above, below


def class_trace(
    one: ByClass, series: plot.Series, order: Sequence[str], upright: bool
) -> plot.Trace:
    summaries = dict(zip(one.classes, one.summaries, strict=True))
    known = [summaries.get(name) for name in order]
    means = [summary and summary.mean for summary in known]
    rows = [plotly_text(name) for name in order]
    along = {"x": means, "y": rows} if upright else {"x": list(range(len(order))), "y": means}
    above, below = distances(one, order)
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0,
            "color": f"{series.colour}/50", "thickness": 1.5, "visible": one.n > 1}  # fmt: skip
    return plot.trace_of(
        series,
        type="scatter",
        mode="markers",
        **along,
        **({"error_x": bars} if upright else {}),
        marker={"color": series.colour, "symbol": series.symbol, "size": 9 if upright else 6},
        customdata=[
            f"<b>{plotly_text(one.group.label)}</b><br>{name}: {with_interval(summary)} %"
            f" (n = {summary.n if summary else 0})"
            for name, summary in zip(rows, known, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )
