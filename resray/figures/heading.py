"""What stands above the panels of a picture: title, note and key; and the lengths of texts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap

from resray.analysis.words import shortened
from resray.figures.figure_data import LINE_END, as_read
from resray.figures.plot import Layout, Panel, Series, Trace, plotly_text

EDGE = 24
"""Around everything, in pixels."""
LETTER = 0.58
"""A letter's mean width in font sizes, of a wide font: what fits by it fits in others."""
LINE = 1.35
"""From one line to the next, in font sizes."""
TITLE, PANEL, NOTE, KEY = 18, 14, 12, 12
"""Font sizes."""
ENTRY = 44
"""Width of an entry of the key beside its text."""
LONGEST = 44
"""Letters of a row's label; what is longer would leave no room for the plot."""


@dataclass(frozen=True)
class Heading:
    """Two texts, and the series that the key names."""

    title: str
    note: str
    series: Sequence[Series]


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


def key_height(series: Sequence[Series], width: float, room: float) -> float:
    """Return the height of the key, for which Plotly leaves ``room``, the width of the plots.

    It sets the entries in columns if a row is too short for them.
    """
    if not series:
        return 0
    entries = [ENTRY + LETTER * KEY * len(key_text(one, width)) for one in series]
    rows = 1 if sum(entries) <= room else math.ceil(len(series) / max(1, room // max(entries)))
    return rows * 19 + 12


def key_text(series: Series, width: float) -> str:
    """Return a series' label, shortened to what a picture is wide."""
    return shortened(series.label, max(int((width - 2 * EDGE - ENTRY) / (LETTER * KEY)), 2))


def key_layout(x: float, y: float) -> Layout:
    """Return the layout of the key, whose corner stands there in the picture."""
    return {
        "orientation": "h", "traceorder": "normal", "font": {"size": KEY, "color": "@ink"},
        "x": x, "xref": "container", "xanchor": "left",
        "y": y, "yref": "container", "yanchor": "top",
    }  # fmt: skip


def key_entries(series: Sequence[Series], width: float) -> Iterator[Trace]:
    """Yield a trace without points for each series, for the key to show."""
    for one in series:
        yield {
            "type": "scatter",
            "mode": "markers" if one.dash == "solid" else "lines+markers",
            "x": [None],
            "y": [None],
            "name": plotly_text(key_text(one, width)),
            "legendgroup": one.key,
            "showlegend": True,
            "hoverinfo": "skip",
            "marker": {"color": one.colour, "symbol": one.symbol, "size": 9},
            "line": {"color": one.colour, "width": 2, "dash": one.dash},
        }


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Return the lines that a text takes in a width, each harmless to Plotly."""
    letters = max(int(width / (LETTER * size)), 8)
    return [plotly_text(line) for line in wrap(text, letters)]


# --- the labels of rows -------------------------------------------------------------------------


def row_labels(panel: Panel) -> dict[str, str]:
    """Return what to write at each named row of a panel, short enough to leave room for the plot.

    Rows and labels are Plotly's text, in which ``<br>`` begins a line.
    """
    if not has_rows(panel):
        return {}
    rows = dict.fromkeys(str(row) for trace in panel.traces for row in trace.get("y") or [])
    return {row: "<br>".join(map(short_line, row.split("<br>"))) for row in rows}


def has_rows(panel: Panel) -> bool:
    return bool(panel.layout.get("yaxis", {}).get("type") == "category")


def short_line(line: str) -> str:
    text = as_read(line)
    return line if len(text) <= LONGEST else plotly_text(shortened(text, LONGEST))


def label_width(panels: Sequence[Panel]) -> float:
    """Return about how much Plotly leaves for the labels of the panels' rows."""
    labels = (label for panel in panels for label in row_labels(panel).values())
    lines = (line for label in labels for line in as_read(label).split(LINE_END))
    return max((LETTER * KEY * len(line) + 24 for line in lines), default=0)
