"""What the page's script is given: figures and long tables as compressed JSON."""

import base64
import gzip
import json
import math
from typing import Any

import numpy as np

from resray.figures.plot import Choice, Curve, Figure
from resray.report.text import Html, tag

LEVEL = 5
"""Of compression: the highest takes twice the time for a twentieth of the size."""
STEPS = 2000
"""Steps of a curve's range that are told apart: a plot is a few hundred pixels high."""
PLAIN = (str, int, bool)
"""What JSON writes as it is."""


def packed(name: str, value: Any) -> Html:
    """Return a script element that holds ``value`` for the page's script, found by ``name``.

    Compressed, so that a page of many trials can be sent by mail. In base64, nothing in it can end
    the element.
    """
    # A lone surrogate is no character and could not be encoded; only hostile text holds one.
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    data = gzip.compress(text.encode("utf-8", "replace"), compresslevel=LEVEL, mtime=0)
    # Not escaped: base64 has no letter that HTML reads.
    content = Html(base64.b64encode(data).decode())
    return tag("script", content, type="application/gzip", data_name=name)


def figure_payload(figure: Figure) -> dict[str, Any]:
    """Return a figure as the script reads it: plain JSON values, each `Curve` once."""
    panels = figure.panels
    if isinstance(panels, Choice):
        content: Any = Choice(panels.switch, {name: as_dicts(own) for name, own in panels.items()})
    else:
        content = as_dicts(panels)
    curves = Curves()
    return {
        "panels": plain(content, curves),
        "curves": curves.written,
        "switches": {switch.id: list(switch.options) for switch in figure.switches},
        "series": [series.key for series in figure.series],
    }


class Curves:
    """The different curves of a figure, in the order in which they are met."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self._places: dict[int, int] = {}

    def place(self, curve: Curve) -> int:
        if id(curve) not in self._places:
            self._places[id(curve)] = len(self.written)
            self.written.append(differences(curve))
        return self._places[id(curve)]


def plain(value: Any, curves: Curves) -> Any:
    """Return plain JSON values; a curve is its place among the figure's."""
    # Most of a figure's values are texts, whose turn would come last.
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Choice):
        options = {option: plain(item, curves) for option, item in value.items()}
        return {"$switch": value.switch, "$options": options}
    if isinstance(value, Curve):
        return {"$curve": curves.place(value)}
    if isinstance(value, dict):
        return {str(key): plain(item, curves) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, curves) for item in value]
    return finite(value)


def as_dicts(panels: Any) -> list[dict[str, Any]]:
    return [{"title": one.title, "data": one.traces, "layout": one.layout} for one in panels]


def differences(curve: Curve) -> dict[str, Any]:
    """Return a curve as whole steps from each value to the next; null where there is none.

    ``values[i] = unit * (steps[0] + ... + steps[i])``, where a null is passed over.
    """
    values = np.array(curve, float)
    known = np.isfinite(values)
    finite = values[known]
    unit = step_of(finite)
    whole = np.rint(finite / unit).astype(np.int64)
    whole[1:] -= whole[:-1].copy()
    if len(finite) == len(values):
        return {"unit": unit, "steps": whole.tolist()}
    steps: list[int | None] = [None] * len(values)
    for place, step in zip(np.flatnonzero(known).tolist(), whole.tolist(), strict=True):
        steps[place] = step
    return {"unit": unit, "steps": steps}


def step_of(values: np.ndarray) -> float:
    """Return the step, a power of ten, that the eye cannot see between two values of a curve.

    Values that are all positive may stand on a logarithmic axis, where the small ones are as tall
    as the large: they keep two digits.
    """
    if not len(values):
        return 1.0
    low, high = float(values.min()), float(values.max())
    if not (largest := max(high, -low)):
        return 1.0
    # What differs by rounding errors alone is a constant.
    step = (high - low if high - low > 1e-9 * largest else largest) / STEPS
    if low > 0:
        step = min(step, low / 100)
    # Whole numbers of steps stay exact.
    return float(10.0 ** math.floor(math.log10(max(step, 1e-9 * largest))))


def finite(value: Any) -> Any:
    """Return a plain JSON value: floats to six significant digits, null for what is not finite."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
