"""A figure's panels as one Plotly figure, with title and key: what the page shows around them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resray.errors import InputError
from resray.figures.heading import (
    EDGE,
    LINE,
    PANEL,
    Heading,
    has_rows,
    key_entries,
    key_height,
    key_layout,
    label_width,
    row_labels,
    text_height,
    title_of,
    wrapped,
)
from resray.figures.palette import coloured, palette
from resray.figures.plot import Layout, Panel, Trace

Plot = dict[str, Any]
"""Plotly's ``{"data": [...], "layout": {...}}``."""

COLUMN, SINGLE = 440, 760
"""Widths in pixels: of each of several panels, and of one alone."""
LEFT = 64
"""Left of the first panel; more where its labels need it."""
BETWEEN = 70
"""Between panels side by side, for the tick labels of the right one."""
BELOW = 56
"""Below a panel's plot, for tick labels and the axis' title."""
ABOVE = 14
"""Between a panel's title and its plot."""
LOWEST = 60
"""Of a plot."""

_AXIS = re.compile(r"([xy])axis(\d*)")
_REFERENCE = re.compile(r"([xy])(\d*)( domain)?")
_LINKS = ("anchor", "overlaying", "matches", "scaleanchor")
"""An axis' keys that name another axis."""


@dataclass(frozen=True)
class Cell:
    """A part of the plotting area, which reaches from 0 to 1 both ways: from left, from below."""

    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True)
class Placed:
    """A panel's traces, layout and annotations, as parts of the whole figure."""

    traces: list[Trace]
    layout: Layout
    annotations: list[dict[str, Any]]


def composed(
    panels: Sequence[Panel], heading: Heading, theme: str, width: int | None, height: int | None
) -> Plot:
    """Return one Plotly figure of all panels, in the colours of a theme.

    Panels stand side by side as the width (in pixels; None: what suits them) allows, those with
    named rows below one another. Without a ``height`` (in pixels) it follows from theirs. Raises
    InputError if the height does not suffice.
    """
    across = columns_of(panels, width)
    width = width or (SINGLE if across == 1 else LEFT + EDGE + across * COLUMN)
    grid = Grid(panels, across, width)
    top = text_height(heading, width)
    left = max([LEFT, *(panel.layout.get("margin", {}).get("l", 0) for panel in panels)])
    room = width - EDGE - max(left, label_width(panels))
    key = key_height(heading.series, width, room)
    margin = {"l": left, "r": EDGE, "t": top + key + grid.titles[0], "b": BELOW}
    if height is not None:
        grid.stretch(height - margin["t"] - margin["b"])
    whole_height = margin["t"] + grid.height + margin["b"]
    frame = {
        "width": width,
        "height": whole_height,
        "margin": margin,
        # White, or the dark theme's panel. Were it transparent, dark text could meet a dark page.
        "paper_bgcolor": "@panel",
        "title": title_of(heading, width),
        "showlegend": bool(heading.series),
        "legend": key_layout(x=(EDGE - 10) / width, y=1 - top / whole_height),
    }
    traces, layout = joined(panels, grid)
    plot = {"data": [*traces, *key_entries(heading.series, width)], "layout": layout | frame}
    colours = palette(theme)
    return dict(coloured(plot, colours | {"paper": colours["panel"]}))


def joined(panels: Sequence[Panel], grid: "Grid") -> tuple[list[Trace], Layout]:
    """Return the traces and the layout of all panels, each in its place."""
    traces: list[Trace] = []
    layout: Layout = {}
    for number, panel in enumerate(panels):
        own = placed(with_short_rows(panel), number, grid.cell(number))
        traces += own.traces
        merge(layout, own.layout | {"annotations": [*own.annotations, grid.title(number)]})
    return traces, layout


def with_short_rows(panel: Panel) -> Panel:
    """Return a panel in which no row's label takes more than its share of the width."""
    labels = row_labels(panel)
    if all(row == label for row, label in labels.items()):
        return panel
    ticks = {"tickmode": "array", "tickvals": [*labels], "ticktext": [*labels.values()]}
    axis = {**panel.layout["yaxis"], **ticks}
    return replace(panel, layout={**panel.layout, "yaxis": axis})


def merge(layout: Layout, other: Layout) -> None:
    """Add a panel's layout to those before it; what both say stays as it was, lists are joined."""
    for key, value in other.items():
        if key in ("shapes", "annotations"):
            layout[key] = [*layout.get(key, []), *value]
        else:
            layout.setdefault(key, value)


# --- where the panels stand ---------------------------------------------------------------------


def columns_of(panels: Sequence[Panel], width: int | None) -> int:
    """Return how many panels stand side by side."""
    if any(map(has_rows, panels)):
        return 1
    most = 3 if width is None else max(1, int((width - LEFT - EDGE) // (COLUMN * 0.75)))
    rows = math.ceil(len(panels) / most)
    return math.ceil(len(panels) / rows) if panels else 1


class Grid:
    """The places of panels, row by row. Lengths in pixels, of the area within the margins."""

    def __init__(self, panels: Sequence[Panel], across: int, width: float) -> None:
        self.across = across
        self.width = width - LEFT - EDGE
        self.column = (self.width - BETWEEN * (across - 1)) / across
        self.texts = [wrapped(str(panel.title), self.column, PANEL) for panel in panels]
        rows = [range(start, min(start + across, len(panels)))
                for start in range(0, len(panels), across)]  # fmt: skip
        # Without what stands below a plot.
        heights = [max(float(panel.layout["height"]) - BELOW, LOWEST) for panel in panels]
        self.plots = [max(heights[place] for place in row) for row in rows]
        self.titles = [ABOVE + PANEL * LINE * max(len(self.texts[place]) for place in row)
                       for row in rows]  # fmt: skip
        self.between = sum(self.titles[1:]) + BELOW * (len(rows) - 1)

    @property
    def height(self) -> float:
        return sum(self.plots) + self.between

    def stretch(self, height: float) -> None:
        """Make the area as high as this, the plots in proportion.

        Raises InputError if one of them would be lower than can be read.
        """
        factor = (height - self.between) / sum(self.plots)
        lacking = LOWEST / min(self.plots) - factor
        if lacking > 0:
            raise InputError(
                f"--height: {math.ceil(lacking * sum(self.plots))} pixels more are needed here"
            )
        self.plots = [factor * plot for plot in self.plots]

    def cell(self, number: int) -> Cell:
        """Return a panel's part of the area."""
        row, column = divmod(number, self.across)
        left = column * (self.column + BETWEEN)
        top = sum(self.plots[:row]) + sum(self.titles[1 : row + 1]) + BELOW * row
        x = (left / self.width, min((left + self.column) / self.width, 1))
        y = (1 - (top + self.plots[row]) / self.height, 1 - top / self.height)
        return Cell(x, (max(y[0], 0), y[1]))

    def title(self, number: int) -> dict[str, Any]:
        """Return a panel's title, above its plot."""
        cell = self.cell(number)
        return {
            "text": "<br>".join(self.texts[number]),
            "x": cell.x[0], "xref": "paper", "xanchor": "left",
            "y": cell.y[1], "yref": "paper", "yanchor": "bottom", "yshift": ABOVE / 2,
            "align": "left", "showarrow": False, "font": {"size": PANEL, "color": "@ink"},
        }  # fmt: skip


# --- a panel on axes of its own -----------------------------------------------------------------


def placed(panel: Panel, number: int, cell: Cell) -> Placed:
    """Return a panel in a cell of the figure; ``number`` counts the panels before it."""
    names = axis_names(panel.layout, number)
    layout: Layout = {}
    for key, value in panel.layout.items():
        if match := _AXIS.fullmatch(key):
            letter, own = match.groups()
            new = names[letter + own]
            layout[f"{letter}axis{new[1:]}"] = axis_in(value, letter, names, cell)
        elif key not in ("meta", "height", "margin", "annotations", "shapes", "legend", "title"):
            layout[key] = value
    layout["shapes"] = [moved(shape, names) for shape in panel.layout.get("shapes", [])]
    notes = [moved(note, names) for note in panel.layout.get("annotations", [])]
    return Placed([trace_in(trace, names, cell) for trace in panel.traces], layout, notes)


def axis_names(layout: Layout, number: int) -> dict[str, str]:
    """Return the new name of each of a panel's axes: ``{"x": "x3", "y": "y3", "y2": "y103"}``."""
    keys = {"x", "y"} | {"".join(m.groups()) for key in layout if (m := _AXIS.fullmatch(key))}
    names = {}
    for key in keys:
        # A panel's further axes are numbered from a hundred on: no figure has so many panels.
        place = number + 1 + 100 * (int(key[1:] or 1) - 1)
        names[key] = key[0] + (str(place) if place > 1 else "")
    return names


def axis_in(axis: Layout, letter: str, names: Mapping[str, str], cell: Cell) -> Layout:
    """Return an axis with its part of the cell, anchored to the panel's other axis."""
    low, high = cell.x if letter == "x" else cell.y
    start, end = axis.get("domain", (0, 1))
    links = {key: names.get(axis[key], axis[key]) for key in _LINKS if key in axis}
    other = names["y" if letter == "x" else "x"]
    domain = [low + (high - low) * start, low + (high - low) * end]
    return {"anchor": other, **axis, **links, "domain": domain}


def trace_in(trace: Trace, names: Mapping[str, str], cell: Cell) -> Trace:
    """Return a trace on the panel's axes, without the keys that are the page's own."""
    kept = {key: value for key, value in trace.items() if key != "meta"}
    axes = {f"{letter}axis": names[trace.get(f"{letter}axis", letter)] for letter in "xy"}
    return kept | axes | {"showlegend": False}


def moved(item: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a shape or an annotation that refers to the panel's axes.

    What refers to the paper, which was the panel's own, refers to the domain of its first axes.
    """
    changed = dict(item)
    for letter in "xy":
        old = item.get(f"{letter}ref", letter)
        match = _REFERENCE.fullmatch(old)
        new = names[match[1] + match[2]] + (match[3] or "") if match else f"{names[letter]} domain"
        changed[f"{letter}ref"] = new
    return changed
