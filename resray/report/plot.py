"""What every figure is made of: panels, views and series, in the house layout.

A figure has views (what its switch chooses between), a view has panels side by side, a panel is
one plot. Colours are tokens such as ``@series-0`` that the script replaces by the value of the
style sheet's variable ``--series-0``, so that plots follow the page into dark mode and print.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resray.report.aggregate import Group, Results, Row
from resray.report.statistics import summarise
from resray.report.text import fixed, plotly_text, spread

SHARED = "shared machine: times not compared"

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


def series_with_epochs(results: Results) -> list[Series]:
    """Return the looks of the groups that recorded an epoch."""
    look = all_series(results.groups)
    with_epochs = {results.labels[trial_id] for trial_id in results.epochs}
    return [series for label, series in look.items() if label in with_epochs]


def epoch_axis(results: Results) -> Layout:
    """Return an axis on which epochs are whole numbers, with room around a single one."""
    last = max((int(rows["epoch"].max()) for rows in results.epochs.values()), default=1)
    room = 0.04 * max(last - 1, 1)
    return {"range": [1 - room, last + room]} | ({"dtick": 1} if last <= 10 else {"nticks": 8})


def trial_label(results: Results, row: Row) -> str:
    """Return a trial's label, seed and, unless it completed, its state."""
    state = "" if row["status"] == "completed" else f", {row['status']}"
    return f"{results.labels[row['trial_id']]} (seed {row['seed']}{state})"


def time_unit(seconds: Sequence[float]) -> tuple[float, str]:
    """Return the divisor and the name of the unit that suits the longest of these times."""
    longest = max(seconds, default=0.0)
    if longest >= 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if longest >= 120 else (1.0, "seconds")


def bars(
    groups: Sequence[Group],
    look: dict[str, Series],
    what: str,
    values: Callable[[Group], Sequence[float | None]],
    opacity: float = 1.0,
    spread_bars: bool = False,
) -> Trace:
    """Return one horizontal bar per group: the mean over its finished trials."""
    summaries = [summarise(values(group)) for group in groups]
    hover = [
        f"<b>{plotly_text(group.label)}</b><br>{what}: {spread(summary)} "
        f"(n = {summary.n if summary else 0})" + ("" if group.exclusive else f"<br>{SHARED}")
        for group, summary in zip(groups, summaries, strict=True)
    ]
    deviations = [summary and summary.deviation for summary in summaries]
    colours = [look[group.label].colour for group in groups]
    alone = [group.exclusive for group in groups]
    return {
        "type": "bar",
        "orientation": "h",
        "y": [plotly_text(group.label) + ("" if group.exclusive else " (shared)")
              for group in groups],
        "x": [summary and summary.mean for summary in summaries],
        "error_x": {"type": "data", "array": deviations, "color": "@ink", "thickness": 1.2,
                    "visible": spread_bars and any(deviations)},
        "marker": {
            "color": ["@clear" if not own else c for c, own in zip(colours, alone, strict=True)],
            "line": {"color": colours, "width": 1.5},
            "opacity": opacity,
        },
        "text": [fixed(summary.mean, 1 if summary.mean < 1000 else 0) if summary else ""
                 for summary in summaries],
        "textposition": "auto" if opacity == 1 else "none",
        "insidetextanchor": "start",
        "insidetextfont": {"color": ["@paper" if own else "@ink" for own in alone]},
        "outsidetextfont": {"color": "@ink"},
        "textangle": 0,
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip


def bar_layout(x_title: str, height: int, **changes: Any) -> Layout:
    """Return the layout of horizontal bars, the first group on top."""
    x_axis = {"showgrid": True, "showline": False, "ticks": "", "nticks": 5, "tickangle": 0,
              **changes.pop("xaxis", {})}  # fmt: skip
    y_axis = {"autorange": "reversed", "showgrid": False, "type": "category", "nticks": 0,
              "ticksuffix": " "}  # fmt: skip
    return layout(x_title, height, xaxis=x_axis, yaxis=y_axis, bargap=0.35, **changes)
