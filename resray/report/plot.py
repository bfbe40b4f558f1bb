"""What every figure is made of: panels, views and series, in the house layout.

A figure has views (what its switch chooses between), a view has panels side by side, a panel is
one plot. Colours are tokens such as ``@series-0`` that the script replaces by the value of the
style sheet's variable ``--series-0``, so that plots follow the page into dark mode and print.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resray.report.aggregate import Group

COLOURS = 7
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")

Trace = dict[str, Any]
Layout = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """One plot; its title says what the vertical axis shows, in which unit."""

    title: str
    traces: list[Trace]
    layout: Layout


@dataclass(frozen=True)
class View:
    label: str
    panels: list[Panel]


@dataclass(frozen=True)
class Series:
    """One entry of a figure's key: a group, with its colour and symbol."""

    key: str
    label: str
    colour: str
    symbol: str


@dataclass(frozen=True)
class Figure:
    id: str
    title: str
    caption: str
    """What to read from the figure."""
    series: list[Series]
    views: list[View]


def all_series(groups: Sequence[Group]) -> dict[str, Series]:
    """Return each group's look by its label; colour and symbol together repeat after 42 groups."""
    return {
        group.label: Series(
            key=f"s{place}",
            label=group.label,
            colour=f"@series-{place % COLOURS}",
            symbol=SYMBOLS[place % len(SYMBOLS)],
        )
        for place, group in enumerate(groups)
    }


def layout(x_title: str, height: int = 320, **changes: Any) -> Layout:
    """Return the house layout: horizontal hairlines, no frame, the unit in the panel's title."""
    axis = {
        "gridcolor": "@grid",
        "linecolor": "@axis",
        "tickcolor": "@axis",
        "zeroline": False,
        "automargin": True,
        "tickfont": {"color": "@muted", "size": 12},
    }
    x_axis = {
        **axis,
        "title": {"text": x_title, "font": {"color": "@muted", "size": 12}, "standoff": 8},
        "showgrid": False,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        **changes.pop("xaxis", {}),
    }
    return {
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 10, "b": 8},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "font": {"family": "system-ui, sans-serif", "color": "@ink", "size": 12},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "@panel", "bordercolor": "@axis", "font": {"color": "@ink"}},
        "xaxis": x_axis,
        "yaxis": {**axis, "nticks": 6, **changes.pop("yaxis", {})},
        **changes,
    }


def trace_of(series: Series, **content: Any) -> Trace:
    """Return a trace that the figure's key shows and hides."""
    return {"legendgroup": series.key, "showlegend": False, **content}
