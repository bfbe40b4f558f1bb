"""A figure's panels as one Plotly figure, with title and key: what the page shows around them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from resray.errors import InputError
from resray.export.axes import Cell, placed
from resray.export.figure_data import LINE_END, as_read
from resray.report.palette import coloured, palette
from resray.report.plot import Layout, Panel, Series, Trace
from resray.report.text import plotly_text

Plot = dict[str, Any]
"""Plotly's ``{"data": [...], "layout": {...}}``."""

COLUMN, SINGLE = 440, 760
"""Widths in pixels: of each of several panels, and of one alone."""
EDGE = 24
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
LETTER = 0.58
"""A letter's mean width in font sizes, of a wide font: what fits by it fits in others."""
LINE = 1.35
"""From one line to the next, in font sizes."""
TITLE, PANEL, NOTE, KEY = 18, 14, 12, 12
"""Font sizes."""


@dataclass(frozen=True)
class Heading:
    """What stands above the panels: two texts, and the series that the key names."""

    title: str
    note: str
    series: Sequence[Series]


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
    margin = {
        "l": LEFT,
        "r": EDGE,
        "t": top + key_height(heading.series, width - EDGE - left_of(panels)) + grid.titles[0],
        "b": BELOW,
    }
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
    plot = {"data": [*traces, *key_entries(heading.series)], "layout": layout | frame}
    colours = palette(theme)
    return dict(coloured(plot, colours | {"paper": colours["panel"]}))


def joined(panels: Sequence[Panel], grid: "Grid") -> tuple[list[Trace], Layout]:
    """Return the traces and the layout of all panels, each in its place."""
    traces: list[Trace] = []
    layout: Layout = {}
    for number, panel in enumerate(panels):
        own = placed(panel, number, grid.cell(number))
        traces += own.traces
        merge(layout, own.layout | {"annotations": [*own.annotations, grid.title(number)]})
    return traces, layout


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
    if any(panel.layout.get("yaxis", {}).get("type") == "category" for panel in panels):
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
        self.plots = [max(plot_height(panels[place]) for place in row) for row in rows]
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


def plot_height(panel: Panel) -> float:
    """Return the height of a panel's plot without what stands below it."""
    return max(float(panel.layout["height"]) - BELOW, LOWEST)


# --- what stands above them ---------------------------------------------------------------------


def title_of(heading: Heading, width: float) -> Layout:
    """Return the figure's title, with the note below it in smaller letters."""
    title = "<br>".join(wrapped(heading.title, width - 2 * EDGE, TITLE))
    note = "<br>".join(wrapped(heading.note, width - 2 * EDGE, NOTE))
    return {
        "text": f"<b>{title}</b>",
        "subtitle": {"text": note, "font": {"size": NOTE, "color": "@muted"}},
        "font": {"size": TITLE, "color": "@ink"},
        "x": 0, "xref": "container", "xanchor": "left",
        "y": 1, "yref": "container", "yanchor": "top", "pad": {"l": EDGE, "t": EDGE},
    }  # fmt: skip


def text_height(heading: Heading, width: float) -> float:
    """Return the height of title and note."""
    title = wrapped(heading.title, width - 2 * EDGE, TITLE)
    note = wrapped(heading.note, width - 2 * EDGE, NOTE)
    return EDGE + LINE * (TITLE * len(title) + NOTE * len(note)) + 12


def left_of(panels: Sequence[Panel]) -> float:
    """Return about how much Plotly leaves for the labels of a panel's rows."""
    named = (panel for panel in panels if panel.layout.get("yaxis", {}).get("type") == "category")
    rows = {str(row) for panel in named for trace in panel.traces for row in trace.get("y") or []}
    lines = (line for row in rows for line in as_read(row).split(LINE_END))
    return max([LEFT, *(LETTER * KEY * len(line) + 24 for line in lines)])


def key_height(series: Sequence[Series], room: float) -> float:
    """Return the height of the key, for which Plotly leaves the width of the plots.

    It sets the entries in columns if a row is too short for them.
    """
    if not series:
        return 0
    entries = [44 + LETTER * KEY * len(one.label) for one in series]
    rows = 1 if sum(entries) <= room else math.ceil(len(series) / max(1, room // max(entries)))
    return rows * 19 + 12


def key_layout(x: float, y: float) -> Layout:
    """Return the layout of the key, whose corner stands there in the picture."""
    return {
        "orientation": "h", "traceorder": "normal", "font": {"size": KEY, "color": "@ink"},
        "x": x, "xref": "container", "xanchor": "left",
        "y": y, "yref": "container", "yanchor": "top",
    }  # fmt: skip


def key_entries(series: Sequence[Series]) -> Iterator[Trace]:
    """Yield a trace without points for each series, for the key to show."""
    for one in series:
        yield {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "name": plotly_text(one.label),
            "legendgroup": one.key,
            "showlegend": True,
            "hoverinfo": "skip",
            "marker": {"color": one.colour, "symbol": one.symbol, "size": 9},
        }


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Return the lines that a text takes in a width, each harmless to Plotly."""
    letters = max(int(width / (LETTER * size)), 8)
    return [plotly_text(line) for line in wrap(text, letters)]
