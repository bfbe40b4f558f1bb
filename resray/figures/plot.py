"""What every figure is made of: panels, switches and series, in the house layout.

A figure has panels side by side; a panel is one plot. What depends on a switch of the figure is a
`Choice`, wherever in the panels it stands. Colours are tokens such as ``@series-0`` that the script
replaces by the value of the style sheet's variable ``--series-0``, so that plots follow the page
into dark mode and print.
"""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import fixed, with_interval

BAR_BASE = 90
"""Pixels of a plot of bars that are not its rows: the axis and its title."""

SHARED = "shared machine: times not compared"

COLOURS = 7
DASHES = ("solid", "dashdot", "longdashdot", "longdash")
"""Of lines whose colour repeats; plain dots and dashes mean something in some figures."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon")

MANY, DRAWN = 20, 12
"""Of more groups than the first, figures show so many at first: more cannot be told apart."""

Trace = dict[str, Any]
Layout = dict[str, Any]


class Choice(dict[str, Any]):
    """A value that depends on a switch: the value for each of the switch's options."""

    def __init__(self, switch: str, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.switch = switch


class Curve(list[float | None]):
    """A line's values, which the page needs only as exactly as the eye can see them.

    They are sent rounded to less than a two-thousandth of their range, as differences, once for all
    traces that hold the same `Curve`. None, and what is not finite, leaves a gap.
    """


@dataclass(frozen=True)
class Switch:
    """A row of buttons that chooses between options; the first one is chosen at first."""

    id: str
    title: str
    """What is chosen, for those who hear the page."""
    options: tuple[str, ...]


@dataclass(frozen=True)
class Panel:
    """One plot; its title says what the vertical axis shows, in which unit."""

    title: str | Choice
    traces: list[Trace]
    """Plotly's, with keys of their own. ``legendgroup``: the key of the series that shows and
    hides the trace. ``meta={"keys": [...]}``: the series of each of the trace's points, where they
    differ; every list of that length then loses the points that are hidden. ``meta={"helper":
    True}``: the trace repeats or joins points of another, so saved numbers go without it.
    ``meta={"x": [...]}``: where its points belong that are drawn beside each other."""
    layout: Layout
    """Plotly's. ``meta={"row": 38, "base": 90}``: the height follows from the categories shown."""


@dataclass(frozen=True)
class Series:
    """One entry of a figure's key: a group, with its colour and symbol, and how its lines are
    dashed."""

    key: str
    label: str
    colour: str
    symbol: str
    dash: str = "solid"


@dataclass(frozen=True)
class Figure:
    id: str
    title: str
    caption: str
    """What to read from the figure."""
    series: list[Series]
    panels: list[Panel] | Choice
    switches: tuple[Switch, ...] = ()
    scales: tuple[str, ...] = ()
    """Axes, of ``x`` and ``y``, that the reader may switch to a logarithmic scale."""
    of_search: bool = False
    """Whether it shows a search's trials, not those that are tested."""

    def chosen(self, options: Mapping[str, str] | None = None) -> list[Panel]:
        """Return the panels under some options, of switches left out under their first one."""
        first = {switch.id: switch.options[0] for switch in self.switches}
        chosen = {**first, **(options or {})}
        return [
            Panel(*(resolved(part, chosen) for part in (panel.title, panel.traces, panel.layout)))
            for panel in resolved(self.panels, chosen)
        ]


def plotly_text(value: object) -> str:
    """Return ``value`` so that Plotly shows it letter by letter.

    Plotly reads some tags and all entities in labels, ``%{...}`` in hover templates, and takes what
    stands between two ``$`` for LaTeX.
    """
    escaped = html.escape(str(value), quote=False)
    return escaped.replace("%{", "&#37;{").replace("$", "&#36;")


def outline(figure: Figure) -> Figure:
    """Return a figure without its traces, which hold nearly all of its memory."""

    def bare(panels: list[Panel]) -> list[Panel]:
        return [replace(panel, traces=[]) for panel in panels]

    panels = figure.panels
    if isinstance(panels, Choice):
        shells: Any = Choice(panels.switch, {name: bare(own) for name, own in panels.items()})
    else:
        shells = bare(panels)
    return replace(figure, panels=shells)


def resolved(value: Any, chosen: Mapping[str, str]) -> Any:
    """Return ``value`` with every `Choice` in it replaced by what was chosen.

    A choice that lacks the option is worth its first one.
    """
    if isinstance(value, Choice):
        first = next(iter(value))
        return resolved(value.get(chosen.get(value.switch, first), value[first]), chosen)
    if isinstance(value, dict):
        return {key: resolved(item, chosen) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, chosen) for item in value]
    return value


def between(title: str, options: Mapping[str, list[Panel]]) -> dict[str, Any]:
    """Return a figure's ``panels`` and ``switches`` where one switch changes all of it."""
    switch = Switch("view", title, tuple(options))
    return {"panels": Choice("view", options), "switches": (switch,) if len(options) > 1 else ()}


def all_series(groups: Sequence[Group]) -> dict[str, Series]:
    """Return each group's look by its label, in the groups' order.

    Colour and symbol together repeat after 42 groups, colour and dash after 28; of many groups
    those that the page draws at first come first, so that these differ.
    """
    keys = {group.label: f"s{place}" for place, group in enumerate(groups)}
    looks = {
        group.label: (f"@series-{place % COLOURS}", SYMBOLS[place % len(SYMBOLS)], dash_of(place))
        for place, group in enumerate(by_prominence(groups))
    }
    return {label: Series(key, label, *looks[label]) for label, key in keys.items()}


def dash_of(place: int) -> str:
    """Return how the line of the series at this place is dashed: those of one colour differ."""
    return DASHES[place // COLOURS % len(DASHES)]


def dashed_note(series: Iterable[Series]) -> str:
    """Return what a caption says of lines that are dashed to be told apart; nothing if none is."""
    dashed = any(one.dash != "solid" for one in series)
    return " Lines of one colour differ in their dashes, as the key shows." if dashed else ""


def by_prominence(groups: Sequence[Group]) -> list[Group]:
    """Return the groups, of many the most accurate first."""
    if len(groups) <= MANY:
        return list(groups)
    means = {group.label: group.summary("test_accuracy") for group in groups}
    known = [group for group in groups if means[group.label]]
    ranked = sorted(known, key=lambda group: -mean_of(means[group.label]))
    return [*ranked, *(group for group in groups if means[group.label] is None)]


def mean_of(summary: Summary | None) -> float:
    assert summary is not None
    return summary.mean


def drawn_at_first(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that figures show until the reader chooses others: of many, a few."""
    return by_prominence(groups)[: DRAWN if len(groups) > MANY else None]


def layout(x_title: str | Choice, height: int = 320, **changes: Any) -> Layout:
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


def series_with_epochs(results: Analysis) -> list[Series]:
    """Return the looks of the groups that recorded an epoch."""
    look = all_series(results.groups)
    with_epochs = {results.labels[trial_id] for trial_id in results.epoch_table}
    return [series for label, series in look.items() if label in with_epochs]


def epoch_axis(results: Analysis) -> Layout:
    """Return an axis on which epochs are whole numbers, with room around a single one."""
    return axis_to(int(max(results.epoch_table.numbers, default=1)), 0.04)


def axis_to(epoch: int, room: float) -> Layout:
    """Return an axis of epochs from 1 on, with room as `with_room` has it."""
    ticks = {"dtick": 1} if epoch <= 10 else {"nticks": 8}
    return {"range": with_room([1, epoch], room, least=1), **ticks}


def with_room(values: Sequence[float], share: float, least: float = 0.0) -> list[float]:
    """Return a range that holds the values, at both ends a share of their span, which counts as
    ``least`` or more."""
    low, high = min(values), max(values)
    room = share * max(high - low, least)
    return [low - room, high + room]


def trial_label(results: Analysis, row: Row) -> str:
    """Return a trial's label, seed and, unless it completed, its state."""
    state = "" if row["status"] == "completed" else f", {row['status']}"
    return f"{results.labels[row['trial_id']]} (seed {row['seed']}{state})"


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
        f"<b>{plotly_text(group.label)}</b><br>{what}: {with_interval(summary)} "
        f"(n = {summary.n if summary else 0})" + ("" if group.exclusive else f"<br>{SHARED}")
        for group, summary in zip(groups, summaries, strict=True)
    ]
    halves = [summary and summary.half for summary in summaries]
    colours = [look[group.label].colour for group in groups]
    alone = [group.exclusive for group in groups]
    return {
        "type": "bar",
        "orientation": "h",
        "y": [plotly_text(group.label) + ("" if group.exclusive else " (shared)")
              for group in groups],
        "x": [summary and summary.mean for summary in summaries],
        "meta": {"keys": [look[group.label].key for group in groups]},
        "error_x": {"type": "data", "array": halves, "color": "@ink", "thickness": 1.2,
                    "visible": spread_bars and any(halves)},
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


def bar_layout(x_title: str | Choice, rows: int, row: int = 38, **changes: Any) -> Layout:
    """Return the layout of horizontal bars, the first group on top, each ``row`` pixels high."""
    x_axis = {"showgrid": True, "showline": False, "ticks": "", "nticks": 5, "tickangle": 0,
              **changes.pop("xaxis", {})}  # fmt: skip
    y_axis = {"autorange": "reversed", "showgrid": False, "type": "category", "nticks": 0,
              "ticksuffix": " "}  # fmt: skip
    return layout(x_title, BAR_BASE + row * rows, xaxis=x_axis, yaxis=y_axis, bargap=0.35,
                  meta={"base": BAR_BASE, "row": row}, **changes)  # fmt: skip
