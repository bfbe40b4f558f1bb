"""Time to accuracy: how long each configuration trains until validation reaches an accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from resray.analysis.groups import Group
from resray.analysis.reaching import COMPUTE, EPOCHS, IMAGES, TIME, Reached, Reaching
from resray.analysis.results import Analysis
from resray.analysis.words import time_unit
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.results.summary import VALIDATION

MOST = 6
"""Thresholds, beside the study's own target."""
SIDE_BY_SIDE = 12
"""Configurations whose spreads stand beside each other rather than on each other."""


@dataclass(frozen=True)
class Measure:
    """What is needed: epochs, time, images or compute, in a unit that suits its size."""

    divisor: float
    title: str
    """Of the panel."""
    unit: str
    ticks: str
    """Form of the axis's numbers."""


def measures(reaching: Reaching, needed: dict[str, np.ndarray]) -> dict[str, Measure]:
    """Return the measures that were recorded, first the one to show: time, if it is comparable."""
    seconds = needed.get(TIME, np.array([]))
    divisor, unit = time_unit(seconds[np.isfinite(seconds)].tolist())
    until = f"until {reaching.watched} gets there"
    found = {
        TIME: Measure(divisor, f"{unit.capitalize()} of training {until}",
                      f"{unit} of training", "~g"),
        EPOCHS: Measure(1, f"Epochs {until}", "epochs", "~g"),
        IMAGES: Measure(1, f"Images trained on {until}", "images", "~s"),
        COMPUTE: Measure(1, f"Multiply-adds of training {until}",
                         "multiply-adds", "~s"),
    }  # fmt: skip
    order = [TIME, EPOCHS] if all(reaching.timed) else [EPOCHS, TIME]
    return {name: found[name] for name in [*order, IMAGES, COMPUTE] if name in needed}


def time_to_accuracy(
    results: Readable, along: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """What each configuration needs to reach an accuracy on validation.

    ``along`` is time, epoch, images or compute.
    """
    return drawn(time_to_accuracy_figure, results, theme, along=along)


def time_to_accuracy_figure(results: Analysis) -> plot.Figure | None:
    """What each configuration needs to reach an accuracy on validation, over that accuracy."""
    reaching = Reaching(results, results.groups)
    thresholds = reaching.thresholds(MOST)
    if not thresholds or not (reaching.best >= thresholds[0]).any():
        return None
    needed = {along: reaching.needed(along, thresholds) for along in reaching.spent}
    shown = measures(reaching, needed)
    look = plot.all_series(results.groups)
    found = {along: reaching.reached(needed[along]) for along in shown}
    traces = [
        line(reaching, place, look[group.label], thresholds, found, shown)
        for place, group in enumerate(reaching.groups)
        if any(np.isfinite(reached.median[place]) for reached in found[EPOCHS])
    ]
    drawn = {trace["legendgroup"] for trace in traces}
    attained = [value for value in thresholds if (reaching.best >= value).any()]
    series = [one for one in look.values() if one.key in drawn]
    titles = {name: one.title for name, one in shown.items()}
    layouts = {name: plot_layout(attained, one, reaching.watched) for name, one in shown.items()}
    return plot.Figure(
        id="time-to-accuracy",
        title="Time to accuracy",
        caption=caption(reaching, thresholds) + plot.dashed_note(series),
        series=series,
        panels=[plot.Panel(plot.Choice("along", titles), traces, plot.Choice("along", layouts))],
        switches=(plot.Switch("along", "Along", tuple(shown)),),
        scales=("y",),
    )  # fmt: skip


def plot_layout(thresholds: Sequence[float], measure: Measure, watched: str) -> plot.Layout:
    room = 0.06 * (thresholds[-1] - thresholds[0] or 1)
    x_axis = {"tickvals": thresholds, "ticktext": [f"{value:g}" for value in thresholds],
              "range": [thresholds[0] - room, thresholds[-1] + room]}  # fmt: skip
    y_axis = {"rangemode": "tozero", "tickformat": measure.ticks}
    return plot.layout(f"{watched} accuracy to reach (%)", 360, xaxis=x_axis, yaxis=y_axis)


def line(
    reaching: Reaching, place: int, series: plot.Series, thresholds: Sequence[float],
    found: dict[str, list[Reached]], shown: dict[str, Measure],
) -> plot.Trace:  # fmt: skip
    """Return one configuration's medians over its seeds, from lowest to highest of those that got
    there, where most did."""
    counts = [int(reached.count[place]) for reached in found[EPOCHS]]
    kept = [n for n, reached in enumerate(found[EPOCHS]) if np.isfinite(reached.median[place])]
    whole = int(reaching.trials[place])
    open_ones = [series.symbol + ("" if counts[n] == whole else "-open") for n in kept]

    def values(along: str, which: str) -> list[float]:
        scaled = [getattr(found[along][n], which)[place] / shown[along].divisor for n in kept]
        return [float(f"{value:.5g}") for value in scaled]

    medians = {along: values(along, "median") for along in shown}
    spans = {
        along: {
            "type": "data",
            "symmetric": False,
            "array": differences(values(along, "high"), medians[along]),
            "arrayminus": differences(medians[along], values(along, "low")),
            "visible": any(counts[n] > 1 for n in kept),
            "color": series.colour,
            "thickness": 1.5,
            "width": 0,
        }
        for along in shown
    }
    solid = reaching.timed[place]
    return plot.trace_of(
        series,
        type="scatter",
        mode="lines+markers",
        meta={"x": [thresholds[n] for n in kept]},
        x=[thresholds[n] + aside(place, len(reaching.groups), thresholds) for n in kept],
        y=plot.Choice("along", medians),
        error_y=plot.Choice("along", spans),
        line={"color": series.colour, "width": 2,
              "dash": plot.Choice("along", {along: series.dash if solid or along != TIME else "dash"
                                       for along in shown})},
        marker={"color": series.colour, "size": 8, "symbol": open_ones},
        customdata=[[f"{thresholds[n]:g}", f"{counts[n]} of {whole}"] for n in kept],
        hovertemplate=plot.Choice("along", {
            along: hover(reaching.groups[place], measure, solid or along != TIME)
            for along, measure in shown.items()}),
        cliponaxis=False,
    )  # fmt: skip


def aside(place: int, groups: int, thresholds: Sequence[float]) -> float:
    """Return how far a configuration's points stand beside their thresholds."""
    gaps = [after - before for before, after in pairwise(thresholds)]
    beside = min(groups, SIDE_BY_SIDE)
    return 0.3 * min(gaps, default=1.0) * ((place % beside + 0.5) / beside - 0.5)


def differences(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [float(f"{high - low:.3g}") for high, low in zip(above, below, strict=True)]


def hover(group: Group, measure: Measure, comparable: bool) -> str:
    note = "" if comparable else f"<br>{plot.SHARED}"
    return (
        f"<b>{plotly_text(group.label)}</b><br>%{{customdata[0]}} % after %{{y:.3{measure.ticks}}} "
        f"{measure.unit}<br>reached by %{{customdata[1]}} seeds{note}<extra></extra>"
    )


def caption(reaching: Reaching, thresholds: Sequence[float]) -> str:
    test = (
        "test is never looked at, as that would select on it"
        if reaching.watched == VALIDATION
        else "of as-run trials, the test accuracy, which selects on test as their authors did"
    )
    text = (
        "Down is faster. Training until the validation accuracy first reaches a threshold, at the "
        f"end of an epoch; {test}. Medians over the finished trials, of which one that never gets "
        "there takes for ever: no point where half of them did not. Bars from the fastest to the "
        "slowest that did; open symbols: not all of them did. "
    )
    if (target := reaching.target) is not None:
        never = "" if (reaching.best >= target).any() else "; no trial reached it"
        text += f"The study's target is {target:g}\u00a0%{never}. "
    if not all(reaching.timed):
        text += "Dashed along time: shared machine or another device, times not compared. "
    below = int((np.nanmax(reaching.best, axis=1) < thresholds[0]).sum())
    if below:
        text += f"{below:,} of {len(reaching.rows):,} trials reached none of the thresholds."
    return text
