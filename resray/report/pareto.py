"""Accuracy against what it costs."""

from collections.abc import Sequence

from resray.report.aggregate import Group, Results
from resray.report.plot import (
    SHARED,
    Figure,
    Panel,
    Series,
    all_series,
    layout,
    time_unit,
    trace_of,
)
from resray.report.text import count, duration, plotly_text, spread


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
