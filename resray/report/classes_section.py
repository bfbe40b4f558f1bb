"""Accuracy class by class: which classes are hard, and for which configuration."""

from collections.abc import Sequence

import numpy as np

from resray.report.aggregate import Results
from resray.report.by_class import MOST, ByClass, accuracy_of, class_accuracies, confusions
from resray.report.confusion import confused_table
from resray.report.plot import (
    Figure,
    Layout,
    Panel,
    Series,
    Trace,
    all_series,
    bar_layout,
    layout,
    trace_of,
)
from resray.report.sections import marks
from resray.report.tables import number_column, table, text_column
from resray.report.text import Html, join, listed, plotly_text, spread

ROWS = 20
"""With more classes than these, each is a place on the horizontal axis and no row of its own."""


def classes_section(results: Results) -> Html:
    """The accuracy of each class, and the pairs most often confused; nothing if not evaluated."""
    found = class_accuracies(results)
    parts = [classes_table(found) if found else Html(), confused_table(confusions(results))]
    return join(part for part in parts if part)


def classes_table(found: Sequence[ByClass]) -> Html:
    shown = most_accurate(found)
    hardest = hardest_first(shown)
    summaries = {one.group.label: dict(zip(one.classes, one.summaries, strict=True))
                 for one in shown}  # fmt: skip
    columns = [
        text_column("Class"),
        *(number_column(f"{one.group.label}, % (n = {one.n})") for one in shown),
    ]
    rows = [
        [name, *(spread(summaries[one.group.label].get(name)) for one in shown)] for name in hardest
    ]
    few = len(found) > len(shown)
    caption = (
        f"Test accuracy by class, hardest first ({checkpoints(shown)}): means over trials, ± sample"
        " standard deviation where n is 2 or more"
        + (f"; of {len(found)} configurations the {len(shown)} most accurate" if few else "")
        + marked(shown)
    )
    return table(caption, columns, rows, id="classes")


def most_accurate(found: Sequence[ByClass]) -> list[ByClass]:
    """Return the `MOST` most accurate configurations, in their order."""
    best = sorted(found, key=lambda one: -accuracy_of(one.group))[:MOST]
    return [one for one in found if one in best]


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


def marked(found: Sequence[ByClass]) -> str:
    """Return what sets configurations apart from complete runs, after a semicolon."""
    notes = {one.group.label: note for one in found if (note := marks(one.group, timed=False))}
    if not notes:
        return ""
    if len(notes) == len(found) and len(set(notes.values())) == 1:
        return f"; {listed(notes.values())}"
    return "; " + listed((f"{label}: {note}" for label, note in notes.items()), most=MOST)


# --- the figure ---------------------------------------------------------------------------------


def classes_figure(results: Results) -> Figure | None:
    """Test accuracy of each class, one series per configuration, the hardest class first."""
    found = class_accuracies(results)
    hardest = hardest_first(found)
    if not hardest:
        return None
    look = all_series(results.groups)
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
    panel = Panel(title, traces, row_layout(hardest) if upright else column_layout(hardest))
    series = [look[one.group.label] for one in found]
    return Figure("classes", "Accuracy by class", caption, series, [panel])


def row_layout(names: Sequence[str]) -> Layout:
    return bar_layout("test accuracy (%)", len(names), row=26)


def column_layout(names: Sequence[str]) -> Layout:
    axis = {"showticklabels": False, "ticks": "", "range": [-1, len(names)]}
    return layout(f"{len(names)} classes, from the hardest to the easiest", 380, xaxis=axis)


def distances(one: ByClass, order: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return how far the highest and the lowest trial of each class are from the mean, 0 if none.

    Standard deviations would leave the range of 0 to 100 %.
    """
    values = dict(zip(one.classes, one.accuracies.T, strict=True))
    means = {name: summary.mean for name, summary in zip(one.classes, one.summaries, strict=True)
             if summary}  # fmt: skip
    above = [float(np.nanmax(values[name])) - means[name] if name in means else 0.0
             for name in order]  # fmt: skip
    below = [means[name] - float(np.nanmin(values[name])) if name in means else 0.0
             for name in order]  # fmt: skip
    return above, below


def class_trace(one: ByClass, series: Series, order: Sequence[str], upright: bool) -> Trace:
    summaries = dict(zip(one.classes, one.summaries, strict=True))
    known = [summaries.get(name) for name in order]
    means = [summary and summary.mean for summary in known]
    rows = [plotly_text(name) for name in order]
    along = {"x": means, "y": rows} if upright else {"x": list(range(len(order))), "y": means}
    above, below = distances(one, order)
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 0,
            "color": f"{series.colour}/50", "thickness": 1.5, "visible": one.n > 1}  # fmt: skip
    return trace_of(
        series,
        type="scatter",
        mode="markers",
        **along,
        **({"error_x": bars} if upright else {}),
        marker={"color": series.colour, "symbol": series.symbol, "size": 9 if upright else 6},
        customdata=[
            f"<b>{plotly_text(one.group.label)}</b><br>{name}: {spread(summary)} %"
            f" (n = {summary.n if summary else 0})"
            for name, summary in zip(rows, known, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        cliponaxis=False,
    )
