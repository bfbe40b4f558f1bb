"""Puts a panel into a figure of several: its axes get numbers and places of their own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resray.report.plot import Layout, Panel, Trace

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
