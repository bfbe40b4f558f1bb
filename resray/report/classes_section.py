"""Accuracy class by class: which classes are hard, and for which configuration."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from resray.analysis.by_class import (
    MOST,
    ByClass,
    Confusion,
    accuracy_of,
    class_accuracies,
    confusions,
)
from resray.analysis.results import Results
from resray.analysis.superclasses import SUPERCLASS, by_superclass
from resray.analysis.words import fixed, listed, with_interval
from resray.report import plot
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, plotly_text, tag

ROWS = 20
"""With more classes than these, each is a place on the horizontal axis and no row of its own."""


def classes_section(results: Results) -> Html:
    """The accuracy of each class, and the pairs most often confused; nothing if not evaluated."""
    found, matrices = class_accuracies(results), confusions(results)
    parts = [classes_table(found) if found else Html(), superclasses_table(matrices),
             confused_table(matrices)]  # fmt: skip
    return join(part for part in parts if part)


def classes_table(found: Sequence[ByClass]) -> Html:
    shown = most_accurate(found)
    hardest = hardest_first(shown)
    summaries = {one.group.label: dict(zip(one.classes, one.summaries, strict=True))
                 for one in shown}  # fmt: skip
    cifar100 = any(row["dataset"] == "cifar100" for one in shown for row in one.group.trials)
    rows = (
        [text_cell("Class", name),
         text_cell("Superclass", SUPERCLASS.get(name) if cifar100 else None, optional=True,
                   facet=True),
         *(number_cell(f"{one.group.label}, % (n = {one.n})",
                       with_interval(summaries[one.group.label].get(name))) for one in shown)]
        for name in hardest
    )  # fmt: skip
    few = len(found) > len(shown)
    caption = (
        f"Test accuracy by class, hardest first ({checkpoints(shown)}): means over trials, ± half"
        " the 95 % interval where n is 2 or more"
        + (f"; of {len(found)} configurations the {len(shown)} most accurate" if few else "")
        + marked(shown)
    )
    return table(caption, rows, id="classes")


def superclasses_table(found: Sequence[Confusion]) -> Html:
    """The accuracy of each superclass of CIFAR-100, hardest first; nothing for other images."""
    pairs = [pair for one in found if (pair := by_superclass(one))]
    classes = [of_classes for of_classes, _ in pairs]
    rows = [
        [text_cell("Superclass", name),
         *(number_cell(f"{one.group.label}: {what}, % (n = {one.n})",
                       with_interval(one.summaries[one.classes.index(name)]))
           for pair in pairs for what, one in zip(("class", "superclass"), pair, strict=True))]
        for name in hardest_first(classes)
    ]  # fmt: skip
    caption = (
        "Test accuracy by superclass, the one whose classes are hardest first: how often the class "
        "was right, and how often the superclass of the class predicted (the coarse label; "
        f"{checkpoints(classes)}): means over trials, ± half the 95 % interval where n is 2 or "
        f"more{marked(classes)}"
    )
    return table(caption, rows, id="superclasses")


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


def classes_figure(results: Results) -> plot.Figure | None:
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


# --- confusion: which class is taken for which ----------------------------------------------------

NAMED = 20
"""With more classes than these, cells bear no numbers and axes no names."""
PAIRS = 40
"""Rows of the table of confused pairs, shared among the configurations."""
STEPS = [(step / 6) ** 2 for step in range(7)]
"""Where the shades stand on the scale from 0 to 1: evenly by square root, so that errors of a few
percent differ beside a diagonal of ninety."""


def confused_table(found: Sequence[Confusion]) -> Html:
    """The pairs of classes that each configuration confuses most."""
    most = min(max(PAIRS // len(found), 5), 20) if found else 0
    rows = (row for one in found for row in confused_rows(one, most, facet=len(found) > 1))
    caption = (
        f"The {most} most confused pairs of classes of each configuration: share of the true "
        "class's test images, mean over trials, ± half the 95 % interval where n is 2 or more; "
        "images: their mean number in a trial"
    )
    return table(caption, rows, id="confused")


def confused_rows(one: Confusion, most: int, facet: bool) -> list[list[Cell]]:
    note = marks(one.group, timed=False)
    return [
        [
            text_cell("Configuration", one.group.label, facet=facet),
            text_cell("True class", one.classes[label], facet=True),
            text_cell("Taken for", one.classes[taken], facet=True),
            number_cell(
                "Of the class, %", tag("strong", with_interval(one.share(label, taken), 1))
            ),
            number_cell("Images", fixed(float(one.counts[:, label, taken].mean()), 1)),
            number_cell("n", one.n),
            text_cell("Note", note, optional=True),
        ]
        for label, taken in most_confused(one.mean, most)
    ]


def most_confused(mean: np.ndarray, most: int) -> list[tuple[int, int]]:
    """Return the cells beside the diagonal with the largest values above 0, largest first."""
    errors = np.where(np.isfinite(mean), mean, 0.0)
    np.fill_diagonal(errors, 0.0)
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    cells = (divmod(int(place), len(errors)) for place in order)
    return [(label, taken) for label, taken in cells if errors[label, taken] > 0]


# --- the figure ---------------------------------------------------------------------------------


def confusion_figure(results: Results) -> plot.Figure | None:
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
