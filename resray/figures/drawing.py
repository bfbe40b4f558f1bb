"""A figure as it is drawn once: options chosen, without what is hidden, each panel's height known.

What the page's script does for a reader (script/figures.js), for files.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from resray.analysis.results import Analysis
from resray.errors import InputError, unknown
from resray.figures.plot import Figure, Layout, Panel, Trace, all_series, drawn_at_first

NOT_OF_POINTS = {"colorscale", "range", "domain", "meta"}
"""Lists that say nothing of a trace's points, however long they are."""
DEFAULT_HEIGHT = 320


def drawn_panels(figure: Figure, views: Mapping[str, str], hidden: Collection[str]) -> list[Panel]:
    """Return the panels under some options of the switches and of the scales.

    ``views`` is as `chosen_views` returns it; ``hidden`` holds keys of series that are left out.
    """
    panels = []
    for panel in figure.chosen(views):
        traces = [
            visible_points(trace, hidden)
            for trace in panel.traces
            if trace.get("legendgroup") not in hidden
        ]
        layout = dict(panel.layout)
        for axis in figure.scales:
            if views.get(axis) == "log":
                layout |= logarithmic(layout, f"{axis}axis")
        panels.append(Panel(panel.title, traces, layout | {"height": height_of(layout, traces)}))
    return panels


def hidden_series(results: Analysis) -> frozenset[str]:
    """Return the keys of the configurations that figures do not draw at first: of many, most."""
    drawn = {group.label for group in drawn_at_first(results.groups)}
    look = all_series(results.groups)
    return frozenset(series.key for label, series in look.items() if label not in drawn)


def series_in(panels: Sequence[Panel]) -> set[str]:
    """Return the keys of the series that traces or their points are of."""
    traces = [trace for panel in panels for trace in panel.traces]
    keys = {key for trace in traces for key in (trace.get("meta") or {}).get("keys", ())}
    return keys | {trace["legendgroup"] for trace in traces if "legendgroup" in trace}


def visible_points(trace: Trace, hidden: Collection[str]) -> Trace:
    """Return a trace without the points of series that are hidden."""
    keys = (trace.get("meta") or {}).get("keys")
    if keys is None or not any(key in hidden for key in keys):
        return trace
    kept = [key not in hidden for key in keys]

    def cut(value: Any, name: str = "") -> Any:
        if name in NOT_OF_POINTS:
            return value
        if isinstance(value, list) and len(value) == len(kept):
            return [item for item, keep in zip(value, kept, strict=True) if keep]
        if isinstance(value, dict):
            return {key: cut(item, key) for key, item in value.items()}
        return value

    left = [key for key, keep in zip(keys, kept, strict=True) if keep]
    return cut(trace) | {"meta": {**trace["meta"], "keys": left}}


def height_of(layout: Layout, traces: Sequence[Trace]) -> float:
    """Return a panel's height in pixels, which may follow from the categories it shows."""
    rows = (layout.get("meta") or {}).get("row")
    if not rows:
        return float(layout.get("height", DEFAULT_HEIGHT))
    categories = {place for trace in traces for place in trace.get("y") or []}
    return float(layout["meta"]["base"] + rows * max(1, len(categories)))


def logarithmic(layout: Layout, axis: str) -> Layout:
    """Return an axis of a layout with a logarithmic scale, whose range follows from the data."""
    linear = {"range", "rangemode", "dtick", "tickvals"}
    kept = {key: value for key, value in layout.get(axis, {}).items() if key not in linear}
    # Without a format Plotly would write 40 as a small 4.
    return {axis: {"tickformat": "~g", **kept, "type": "log", "nticks": 6}}


def chosen_views(figure: Figure, typed: Sequence[str]) -> dict[str, str]:
    """Return what ``--view switch=option`` chooses; of scales, ``y=log`` or ``y=linear``.

    Raises InputError as `checked` does.
    """
    found: dict[str, str] = {}
    for text in typed:
        switch, _, option = (part.strip() for part in text.partition("="))
        found |= checked(figure, {switch: option}, f"--view {text}: ")
    return found


def checked(figure: Figure, views: Mapping[str, str | None], place: str = "") -> dict[str, str]:
    """Return the options that were asked for, without those that are None.

    Raises InputError, which begins with the ``place``, for a switch or an option that the figure
    does not have.
    """
    choices = view_choices(figure)
    asked = {switch: option for switch, option in views.items() if option is not None}
    for switch, option in asked.items():
        if not choices:
            raise InputError(f"{place}the figure {figure.id} has no switch")
        if switch not in choices:
            raise InputError(unknown(f"{place}figure {figure.id}", switch, choices))
        if option not in choices[switch]:
            what = f"{place}figure {figure.id}: {switch}"
            raise InputError(unknown(what, option, choices[switch]))
    return asked


def view_choices(figure: Figure) -> dict[str, tuple[str, ...]]:
    """Return the options of each of a figure's switches and scales; the first is the default."""
    switches = {switch.id: switch.options for switch in figure.switches}
    return switches | dict.fromkeys(figure.scales, ("linear", "log"))
