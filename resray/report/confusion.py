"""Confusion matrices: which class is taken for which."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from resray.report.aggregate import Results
from resray.report.by_class import MOST, Confusion, confusions
from resray.report.plot import Figure, Layout, Panel, Trace, between, layout
from resray.report.sections import marks
from resray.report.tables import number_column, table, text_column
from resray.report.text import Html, fixed, plotly_text, spread, tag

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
    rows = [row for one in found for row in confused_rows(one, most)]
    columns = [
        text_column("Configuration", facet=len(found) > 1),
        text_column("True class", facet=True),
        text_column("Taken for", facet=True),
        number_column("Of the class, %"),
        number_column("Images"),
        number_column("n"),
        text_column("Note", optional=True),
    ]
    caption = (
        f"The {most} most confused pairs of classes of each configuration: share of the true "
        "class's test images, mean over trials, ± sample standard deviation where n is 2 or more; "
        "images: their mean number in a trial"
    )
    return table(caption, columns, rows, id="confused") if rows else Html()


def confused_rows(one: Confusion, most: int) -> list[list[object]]:
    note = marks(one.group, timed=False)
    return [
        [
            one.group.label,
            one.classes[label],
            one.classes[taken],
            tag("strong", spread(one.share(label, taken), 1)),
            fixed(float(one.counts[:, label, taken].mean()), 1),
            one.n,
            note,
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


def confusion_figure(results: Results) -> Figure | None:
    """The confusion matrix of each configuration, in percent of the true class's images."""
    found = confusions(results)
    if not found:
        return None
    views = {
        one.group.label: [Panel(title_of(one), [matrix_trace(one)], matrix_layout(one))]
        for one in found
    }
    caption = (
        "Rows are true classes and add up to 100 %, columns what they were taken for: the diagonal "
        "is what was right. Shades follow the square root, so that small shares of errors "
        f"differ; where nothing is drawn, no image fell. Checkpoint {found[0].checkpoint}; means "
        "over trials."
        + (f" These are the {MOST} most accurate configurations." if len(found) == MOST else "")
    )
    return Figure("confusion", "Confusion matrix", caption, [], **between("Configuration", views))


def title_of(one: Confusion) -> str:
    images = int(one.counts.sum(axis=(1, 2)).max())
    return f"{one.group.label}: % of each true class, {images:,} images (n = {one.n})"


def matrix_trace(one: Confusion) -> Trace:
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


def matrix_layout(one: Confusion) -> Layout:
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
    return layout("taken for" if labelled else "", height, xaxis=columns, yaxis=rows,
                  shapes=[outline(place) for place in range(size)] if labelled else [])  # fmt: skip


def outline(place: int) -> dict[str, Any]:
    """Return the frame of a cell of the diagonal."""
    low, high = place - 0.5, place + 0.5
    return {"type": "rect", "x0": low, "x1": high, "y0": low, "y1": high,
            "line": {"color": "@ink", "width": 1}}  # fmt: skip
