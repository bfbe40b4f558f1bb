"""The figures, as plain Plotly data that the page's script draws."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from resray.report.ablation_section import ablation_figure
from resray.report.aggregate import Group, Results
from resray.report.evaluations_section import evaluations_figure
from resray.report.phases import phases_figure
from resray.report.plot import (
    SHARED,
    Figure,
    Panel,
    Series,
    Trace,
    all_series,
    between,
    epoch_axis,
    layout,
    series_with_epochs,
    time_unit,
    trace_of,
    trial_label,
)
from resray.report.search_course import best_figure, rungs_figure
from resray.report.search_figures import axes_figure, parallel_figure
from resray.report.search_workers import workers_figure
from resray.report.text import count, duration, plotly_text, spread
from resray.report.throughput import time_figure

# --- accuracy against what it costs -------------------------------------------------------------


def cost_figure(results: Results) -> Figure | None:
    """Mean test accuracy against parameters, multiply-adds and training time."""
    look = all_series(results.groups)
    shown = [group for group in results.groups if group.summary("test_accuracy")]
    if not shown:
        return None
    panels = [
        cost_panel("parameters", "parameters", shown, look),
        cost_panel("multiply_adds", "multiply-adds", shown, look),
        cost_panel("seconds_training", "training time", shown, look),
    ]
    bars = any((summary := g.summary("test_accuracy")) and summary.n > 1 for g in shown)
    caption = "Test accuracy at the epoch that validation selects: up is better, left is cheaper. "
    caption += "Bars: standard deviation over seeds. " if bars else "One seed each, so no spread. "
    if not all(group.exclusive for group in shown):
        caption += "Open symbols: shared machine, times not compared."
    return Figure(
        id="cost",
        title="Test accuracy against cost",
        caption=caption,
        series=[look[group.label] for group in shown],
        panels=panels,
    )


def cost_panel(column: str, name: str, groups: Sequence[Group], look: dict[str, Series]) -> Panel:
    timed = column == "seconds_training"
    costs = [(group, summary) for group in groups if (summary := group.summary(column))]
    divisor, unit = time_unit([cost.mean for _, cost in costs]) if timed else (1.0, "")
    traces = []
    for group, cost in costs:
        accuracy = group.summary("test_accuracy")
        assert accuracy is not None
        series = look[group.label]
        amount = duration(cost.mean) if timed else count(cost.mean)
        note = f"<br>{SHARED}" if timed and not group.exclusive else ""
        measured = f"{spread(accuracy)} % (n = {accuracy.n})"
        trace = trace_of(
            series,
            type="scatter",
            mode="markers",
            x=[cost.mean / divisor],
            y=[accuracy.mean],
            error_y={"type": "data", "array": [accuracy.deviation], "color": series.colour,
                     "thickness": 1.5, "width": 4, "visible": accuracy.deviation is not None},
            marker={"color": series.colour, "size": 13,
                    "line": {"width": 1.5, "color": series.colour if note else "@paper"},
                    "symbol": series.symbol + ("-open" if note else "")},
            text=[f"<b>{plotly_text(group.label)}</b><br>{measured}<br>{amount}{note}"],
            hovertemplate="%{text}<extra></extra>",
            cliponaxis=False,
        )  # fmt: skip
        traces.append(trace)
    axis = {"rangemode": "tozero", "nticks": 6} | ({} if timed else {"tickformat": "~s"})
    titles = {"seconds_training": f"{unit} of training", "multiply_adds": "multiply-adds per image"}
    return Panel(
        f"Test accuracy (%) against {name}",
        traces,
        layout(titles.get(column, name), 300, xaxis=axis),
    )


# --- learning curves and gradients --------------------------------------------------------------


def curve_figure(results: Results) -> Figure | None:
    """Learning curves of every trial: validation and test, each before the training curve."""
    if not results.epochs:
        return None
    views = {
        f"{quantity} by {along}": [
            curve_panel(results, split, quantity, along) for split in ("validation", "test")
        ]
        for quantity in ("accuracy", "loss")
        for along in ("epoch", "time")
    }
    caption = (
        "One line per trial; dotted and pale behind it, the same quantity on the augmented training"
        " images while training. Where the dotted line leaves the solid one, the model memorises. "
        "Drag to zoom, double-click to go back."
    )
    if not all(group.exclusive for group in results.groups):
        caption += " Some trials shared their machine: their times are not compared."
    series = series_with_epochs(results)
    return Figure("curves", "Learning curves", caption, series, **between("Quantity", views))


def curve_panel(results: Results, split: str, quantity: str, along: str) -> Panel:
    unit = {"accuracy": "%", "loss": "nats"}[quantity]
    divisor, time_name = time_unit(
        [float(rows["seconds_training"].sum()) for rows in results.epochs.values()]
    )
    x_title = "epoch" if along == "epoch" else f"{time_name} of training"

    def x_values(rows: pd.DataFrame) -> pd.Series:
        return rows["epoch"] if along == "epoch" else rows["seconds_training"].cumsum() / divisor

    # The training curves first, so that they lie behind.
    traces = [
        *lines(results, x_values, f"train_{quantity}", "train", background=True),
        *lines(results, x_values, f"{split}_{quantity}", split),
    ]
    axis = {"rangemode": "tozero"} if along == "time" else epoch_axis(results)
    return Panel(
        f"{split.capitalize()} {quantity} ({unit})", traces, layout(x_title, 340, xaxis=axis)
    )


def gradient_figure(results: Results) -> Figure | None:
    """Gradient norms of the first and the last stage, epoch by epoch."""
    panels = []
    for stage in ("first", "last"):
        column = f"gradient_norm_{stage}_stage"
        traces = list(lines(results, lambda rows: rows["epoch"], column, f"{stage} stage"))
        if traces:
            axis = {"type": "log", "tickvals": log_ticks(traces), "tickformat": "~g"}
            made = layout("epoch", 300, xaxis=epoch_axis(results), yaxis=axis)
            panels.append(Panel(f"Gradient norm, {stage} stage (L2, log scale)", traces, made))
    if not panels:
        return None
    caption = (
        "Mean over the epoch's steps. Were gradients vanishing with depth, the first stage's norm "
        "would fall from one depth to the next by far more than the last stage's."
    )
    series = series_with_epochs(results)
    return Figure("gradients", "Gradient norms", caption, series, panels)


def log_ticks(traces: Sequence[Trace]) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten; over more than three decades, only these."""
    values = [value for trace in traces for value in trace["y"] if value > 0]
    steps = (1, 2, 5) if values and max(values) < 1000 * min(values) else (1,)
    return [step * 10.0**power for power in range(-12, 9) for step in steps]


def lines(
    results: Results,
    x_values: Callable[[pd.DataFrame], pd.Series],
    column: str,
    what: str,
    background: bool = False,
) -> Iterator[Trace]:
    """Yield one line per trial that has a value in ``column``; NaN leaves a gap."""
    look = all_series(results.groups)
    for row in results.trials:
        rows = results.epochs.get(row["trial_id"])
        if rows is None or rows[column].isna().all():
            continue
        series = look[results.labels[row["trial_id"]]]
        marked = len(rows) <= 12 and not background
        yield trace_of(
            series,
            type="scatter",
            mode="lines+markers" if marked or len(rows) == 1 else "lines",
            x=x_values(rows).tolist(),
            y=rows[column].tolist(),
            opacity=0.45 if background else 1,
            line={"color": series.colour, "width": 1.4 if background else 2,
                  "dash": "dot" if background else "solid"},
            marker={"color": series.colour, "size": 4 if background else 7,
                    "symbol": series.symbol},
            hovertemplate=f"<b>{plotly_text(trial_label(results, row))}</b><br>{what}: %{{y:.4~g}}"
                          "<br>%{xaxis.title.text}: %{x:.4~g}<extra></extra>",
        )  # fmt: skip


def all_figures(results: Results) -> dict[str, Figure]:
    """Return the figures that the results suffice for, by id."""
    makers = (
        parallel_figure,
        axes_figure,
        rungs_figure,
        best_figure,
        workers_figure,
        cost_figure,
        curve_figure,
        phases_figure,
        gradient_figure,
        time_figure,
        ablation_figure,
        evaluations_figure,
    )
    made = (make(results) for make in makers)
    return {figure.id: figure for figure in made if figure is not None}


MISSING_FIGURES = {
    "cost": "No finished trial has a test accuracy at an epoch that validation selected.",
    "curves": "No epoch has been recorded.",
    "gradients": "No gradient norm has been recorded.",
    "time": "No finished trial has recorded its speed.",
}
"""What stands in place of a figure that the results do not suffice for."""
