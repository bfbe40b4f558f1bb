"""Learning curves and gradient norms over the epochs."""

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from resray.report.aggregate import Results
from resray.report.plot import (
    Figure,
    Panel,
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
from resray.report.text import plotly_text


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
