"""The numbers that a figure is drawn from, one line for each point."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd

from resray.analysis.results import Analysis
from resray.figures.plot import Figure, Panel, Trace, all_series

COLUMNS = ("panel", "axis", "series", "trace", "kind", "x", "y", "z", "error_x", "error_y", "text")
"""``trace`` counts a panel's lines, bars and clouds of points; ``axis`` is what ``x`` is."""

LINE_END = "; "
"""Stands where Plotly begins a new line."""

_TAG = re.compile(r"</?[a-z][^<>]*>")


def figure_frame(figure: Figure, panels: Sequence[Panel], results: Analysis) -> pd.DataFrame:
    """Return a figure's points in long form, as `COLUMNS`; columns without a value are left out."""
    look = all_series(results.groups).values()
    labels = {one.key: one.label for one in (*look, *figure.series)}
    rows = [
        {"panel": panel.title, "axis": axis_title(panel), "trace": number, **point}
        for panel in panels
        for number, trace in enumerate(own_traces(panel), 1)
        for point in points_of(trace, labels)
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    return frame.loc[:, [name for name in COLUMNS if not frame[name].isna().all()]]


def own_traces(panel: Panel) -> list[Trace]:
    """Return a panel's traces without those that only help the eye."""
    return [trace for trace in panel.traces if not (trace.get("meta") or {}).get("helper")]


def axis_title(panel: Panel) -> str | None:
    title = panel.layout.get("xaxis", {}).get("title") or {}
    return as_read(title.get("text") if isinstance(title, dict) else title)


def points_of(trace: Trace, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield a trace's points with their series and errors; a gap between lines is no point."""
    kind = kind_of(trace)
    if trace.get("z") is not None:
        yield from ({"kind": kind, **cell} for cell in cells_of(trace))
        return
    meta = trace.get("meta") or {}
    keys = meta.get("keys")
    lists = (meta.get("x", trace.get("x")), trace.get("y"), keys, trace.get("text"),
             errors(trace, "error_x"), errors(trace, "error_y"))  # fmt: skip
    for x, y, key, text, error_x, error_y in zip_longest(*map(as_list, lists)):
        if x is None and y is None:
            continue
        series = labels.get(key or trace.get("legendgroup", ""), trace.get("name"))
        yield {"kind": kind, "series": series, "x": as_read(x), "y": as_read(y),
               "error_x": error_x, "error_y": error_y, "text": as_read(text)}  # fmt: skip


def cells_of(trace: Trace) -> Iterator[dict[str, Any]]:
    """Yield the cells of a heatmap."""
    for row, (y, values) in enumerate(zip_longest(as_list(trace.get("y")), trace["z"])):
        for column, (x, z) in enumerate(zip_longest(as_list(trace.get("x")), values or [])):
            yield {"x": column if x is None else as_read(x),
                   "y": row if y is None else as_read(y), "z": z}  # fmt: skip


def kind_of(trace: Trace) -> str:
    """Return what a trace is drawn as: ``band``, ``lines``, ``markers``, ``bar``, ``heatmap``."""
    if trace.get("fill", "none") != "none":
        return "band"
    kind = str(trace.get("type", "scatter"))
    return str(trace.get("mode", "lines")) if kind == "scatter" else kind


def errors(trace: Trace, name: str) -> Any:
    """Return the lengths of a trace's error bars, if they are drawn."""
    bars = trace.get(name) or {}
    return bars.get("array") if bars.get("visible", True) else None


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def as_read(value: Any) -> Any:
    """Return what Plotly shows for a text: its few tags and all entities resolved."""
    if not isinstance(value, str):
        return value
    return html.unescape(_TAG.sub("", value.replace("<br>", LINE_END)))
