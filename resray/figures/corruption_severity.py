"""The tables and the figure of what checkpoints did beyond the test set."""

from collections.abc import Sequence

from resray.analysis.evaluations import (
    Evaluated,
    corruption_kinds,
    corruption_of,
    evaluated,
    first_checkpoints,
)
from resray.analysis.results import Analysis
from resray.analysis.words import listed
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text


def title_of(kind: str) -> str:
    return "JPEG" if kind == "jpeg" else kind.capitalize()


def corruption_severity(results: Readable, theme: str = "light") -> PlotlyFigure:
    """Test accuracy by the severity of each kind of corruption."""
    return drawn(evaluations_figure, results, theme)


def evaluations_figure(results: Analysis) -> plot.Figure | None:
    """Test accuracy by severity, one panel for each kind of corruption."""
    found = [one for one in first_checkpoints(evaluated(results)) if one.conditions("corruptions")]
    kinds = corruption_kinds(found)
    if not kinds:
        return None
    look = plot.all_series(results.groups)
    axis = {"dtick": 1, "rangemode": "tozero"}
    lines = {kind: [severity_line(one, kind, look[one.label]) for one in found] for kind in kinds}
    scale = {"range": common_range([line for own in lines.values() for line in own])}
    panels = [
        plot.Panel(
            f"{title_of(kind)}: test accuracy (%)",
            own,
            plot.layout("severity, 0 is uncorrupted", 240, xaxis=axis, yaxis=scale),
        )
        for kind, own in lines.items()
    ]
    names = listed({one.checkpoint: None for one in found})
    caption = f"Means over trials at the checkpoint {names}; bars: half the 95 % interval."
    series = [look[one.label] for one in found]
    caption += plot.dashed_note(series)
    return plot.Figure("evaluations", "Corruptions", caption, series, panels)


def common_range(lines: Sequence[plot.Trace]) -> list[float]:
    """Return one scale for all panels, with room for the markers and the bars."""
    values = [
        value + part * (deviation or 0)
        for line in lines
        for value, deviation in zip(line["y"], line["error_y"]["array"], strict=True)
        for part in (-1, 1)
    ] or [0.0, 100.0]
    return plot.with_room(values, 0.05, 1.0)


def severity_line(one: Evaluated, kind: str, series: plot.Series) -> plot.Trace:
    conditions = [corruption_of(text) for text in one.conditions("corruptions")]
    severities = sorted(
        severity for name, severity in conditions if name == kind and severity is not None
    )
    summaries = {severity: one.summary("corruptions", f"{kind} {severity}")
                 for severity in severities}  # fmt: skip
    known = {0: one.summary("test"), **summaries}
    points = {severity: summary for severity, summary in known.items() if summary}
    halves = [summary.half for summary in points.values()]
    return plot.trace_of(
        series,
        type="scatter",
        mode="lines+markers",
        x=list(points),
        y=[summary.mean for summary in points.values()],
        error_y={"type": "data", "array": halves, "color": series.colour, "thickness": 1.2,
                 "width": 3, "visible": any(halves)},
        line={"color": series.colour, "width": 2, "dash": series.dash},
        marker={"color": series.colour, "size": 7, "symbol": series.symbol},
        hovertemplate=f"<b>{plotly_text(one.label)}</b><br>{plotly_text(kind)} %{{x}}: "
                      f"%{{y:.2f}} % (n = {one.n})<extra></extra>",
        cliponaxis=False,
    )  # fmt: skip
