"""What corruptions cost each configuration, and what views and ensembles bring."""

from collections.abc import Mapping, Sequence
from typing import Any

from resray.analysis.evaluations import MEAN, Evaluated, ensembles, evaluated, first_checkpoints
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import listed, signed, with_interval
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon")
ENSEMBLE = "ensemble over seeds"

Pairs = Mapping[str, tuple[float, float]]
"""Accuracy on the test images as they are, and another one of the same checkpoint, by trial."""


def robustness(results: Readable, theme: str = "light") -> PlotlyFigure:
    """Accuracy on corrupted images against clean ones, and what views and ensembles bring."""
    return drawn(robustness_figure, results, theme)


def robustness_figure(results: Analysis) -> plot.Figure | None:
    """Corrupted against uncorrupted accuracy, the share that is lost, and what views bring."""
    found = first_checkpoints(evaluated(results))
    look = plot.all_series(results.groups)
    corrupted = {one.label: pairs for one in found if (pairs := pairs_of(one, "corruptions", MEAN))}
    gains = gains_of(results, found)
    panels = []
    caption = ""
    if corrupted:
        panels += [scatter_panel(corrupted, look), loss_panel(corrupted, look)]
        caption += corruption_caption(corrupted)
    if gains:
        panels.append(gain_panel(gains, look))
        caption += gain_caption(gains)
    if not panels:
        return None
    shown = {*corrupted, *(label for own in gains.values() for label in own)}
    series = [entry for label, entry in look.items() if label in shown]
    names = listed(one.checkpoint for one in found)
    caption += f"Checkpoint {names}; means over trials, bars: half the 95 % interval."
    return plot.Figure("robustness", "Robustness, views and ensembles", caption, series, panels)


def pairs_of(one: Evaluated, kind: str, condition: str) -> Pairs:
    """Return the accuracies of the trials that have both."""
    test = one.by_trial("test")
    return {trial_id: (test[trial_id], value)
            for trial_id, value in one.by_trial(kind, condition).items()
            if trial_id in test and summarise([test[trial_id] + value])}  # fmt: skip


def differences(pairs: Pairs) -> Summary | None:
    """Return by how much the other accuracy is above that on the images as they are."""
    return summarise(value - test for test, value in pairs.values())


# --- corruptions --------------------------------------------------------------------------------


def corruption_caption(corrupted: Mapping[str, Pairs]) -> str:
    return (
        "Corrupted accuracy is the mean over all corruptions. Solid line: nothing is lost; dotted "
        f"line: the mean change of {signed(mean_change(corrupted), 1)} points, above which a "
        "configuration loses less than the others. The share is that of the uncorrupted accuracy. "
    )


def mean_change(corrupted: Mapping[str, Pairs]) -> float:
    """Return the mean over configurations of what corruptions change, in points."""
    mean = summarise(change.mean for pairs in corrupted.values() if (change := differences(pairs)))
    return mean.mean if mean else 0.0


def scatter_panel(corrupted: Mapping[str, Pairs], look: Mapping[str, plot.Series]) -> plot.Panel:
    """Return a point for each configuration, with lines along which equally much is lost."""
    lines = [line_of_change(0.0, "solid"), line_of_change(mean_change(corrupted), "dot")]
    traces = [scatter_point(look[label], pairs) for label, pairs in corrupted.items()]
    values = [pair for pairs in corrupted.values() for pair in pairs.values()]
    before, after = zip(*values, strict=True)
    # The lines, which go on for ever, would stretch the axes.
    axes = plot.layout("test accuracy, uncorrupted (%)", 320, shapes=lines,
                       xaxis={"nticks": 6, "range": plot.with_room(before, 0.08, 1.0)},
                       yaxis={"range": plot.with_room(after, 0.08, 1.0)})  # fmt: skip
    return plot.Panel("Test accuracy under corruption (%)", traces, axes)


def line_of_change(change: float, dash: str) -> dict[str, Any]:
    return {"type": "line", "layer": "below", "x0": 0, "y0": change, "x1": 100, "y1": 100 + change,
            "line": {"color": "@axis", "width": 1, "dash": dash}}  # fmt: skip


def scatter_point(series: plot.Series, pairs: Pairs) -> plot.Trace:
    test = summarise(before for before, _ in pairs.values())
    after = summarise(value for _, value in pairs.values())
    assert test is not None
    assert after is not None
    text = (
        f"<b>{plotly_text(series.label)}</b><br>uncorrupted: {with_interval(test)} %<br>"
        f"corrupted: {with_interval(after)} %<br>"
        f"change: {with_interval(differences(pairs))} points (n = {test.n})"
    )
    return plot.trace_of(
        series,
        type="scatter",
        mode="markers",
        x=[test.mean],
        y=[after.mean],
        error_x=bar(test, series.colour),
        error_y=bar(after, series.colour),
        marker={"color": series.colour, "symbol": series.symbol, "size": 11},
        text=[text],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )


def bar(summary: Summary, colour: str) -> dict[str, Any]:
    return {"type": "data", "array": [summary.half], "color": colour, "thickness": 1.2,
            "width": 3, "visible": summary.half is not None}  # fmt: skip


def loss_panel(corrupted: Mapping[str, Pairs], look: Mapping[str, plot.Series]) -> plot.Panel:
    """Return a row for each configuration: the share of its accuracy that corruptions take."""
    shares = {label: lost(pairs) for label, pairs in corrupted.items()}
    trace = row_trace(shares, look, "lost under corruption", "% of the accuracy", "circle")
    title = "Share of the accuracy lost under corruption (%)"
    return plot.Panel(
        title, [trace], plot.bar_layout("% of the accuracy", len(shares), shapes=[zero_line()])
    )


def lost(pairs: Pairs) -> Summary | None:
    """Return the share of the uncorrupted accuracy that is lost, in percent."""
    return summarise(100 * (test - value) / test for test, value in pairs.values() if test)


def zero_line() -> dict[str, Any]:
    return {"type": "line", "layer": "below", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1,
            "line": {"color": "@axis", "width": 1}}  # fmt: skip


def row_trace(
    summaries: Mapping[str, Summary | None],
    look: Mapping[str, plot.Series],
    what: str,
    unit: str,
    symbol: str,
) -> plot.Trace:
    """Return a point in the row of each configuration."""
    colours = [look[label].colour for label in summaries]
    values = list(summaries.values())
    return {
        "type": "scatter",
        "mode": "markers",
        "y": [plotly_text(label) for label in summaries],
        "x": [summary and summary.mean for summary in values],
        "error_x": {"type": "data", "array": [summary and summary.half for summary in values],
                    "color": "@muted", "thickness": 1.2, "width": 3},
        "marker": {"color": colours, "symbol": symbol, "size": 10},
        "customdata": [
            f"<b>{plotly_text(label)}</b><br>{what}: {with_interval(summary)} {unit} "
            f"(n = {summary.n if summary else 0})"
            for label, summary in summaries.items()
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "meta": {"keys": [look[label].key for label in summaries]},
        "cliponaxis": False,
    }  # fmt: skip


# --- views and ensembles ------------------------------------------------------------------------


def gains_of(results: Analysis, found: Sequence[Evaluated]) -> dict[str, dict[str, Summary]]:
    """Return what each number of views, and the ensemble, brings each configuration, in points."""
    gains: dict[str, dict[str, Summary]] = {}
    for one in found:
        for view in one.conditions("tta"):
            if gain := differences(pairs_of(one, "tta", view)):
                gains.setdefault(view, {})[one.label] = gain
    order = [one.label for one in found]
    together = {one.configuration: Summary(one.gain, None, 1)
                for one in sorted(ensembles(results), key=lambda one: len(one.members))
                if one.gain is not None and one.configuration in order}  # fmt: skip
    if together:
        gains[ENSEMBLE] = {label: together[label] for label in order if label in together}
    return gains


def gain_caption(gains: Mapping[str, Mapping[str, Summary]]) -> str:
    kinds = "; ".join(f"{name}: {plain_symbol(place)}" for place, name in enumerate(gains))
    one = " An ensemble is one value." if ENSEMBLE in gains else ""
    return f"Gains are to the test accuracy of the same checkpoints ({kinds}).{one} "


def plain_symbol(place: int) -> str:
    return SYMBOLS[place % len(SYMBOLS)].partition("-")[0]


def gain_panel(
    gains: Mapping[str, Mapping[str, Summary]], look: Mapping[str, plot.Series]
) -> plot.Panel:
    labels = [label for label in look if any(label in own for own in gains.values())]
    traces = [
        row_trace({label: own.get(label) for label in labels}, look, name, "points",
                  SYMBOLS[place % len(SYMBOLS)])
        for place, (name, own) in enumerate(gains.items())
    ]  # fmt: skip
    axes = plot.bar_layout("points above the test accuracy", len(labels), shapes=[zero_line()])
    return plot.Panel("Gain by views and ensembles (points)", traces, axes)
