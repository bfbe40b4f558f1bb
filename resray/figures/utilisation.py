"""How much of what their devices can the networks use, over what a network costs."""

from collections.abc import Sequence

from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import Valued, count, listed, with_interval
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text

TICKS = [step * 10.0**power for power in range(5, 13) for step in (1, 2, 5)]
CAPTION = (
    "The share of the device's matrix rate that training reaches: six floating-point operations "
    "for each multiply-add of a forward pass (two each; a backward pass as many as two forward "
    "passes), times images per second, over what the trial's devices reach multiplying matrices in "
    "the same precision. Means over finished trials; bars: half the 95 % interval. "
)


def utilisation_of(group: Group) -> Summary | None:
    """Return the utilisation in percent over a group's finished trials."""
    shares = [row["utilisation"] for row in group.finished]
    return summarise(None if share is None else 100 * share for share in shares)


def percents(group: Group) -> Valued | None:
    """Return the same in words, None where it is not known."""
    summary = utilisation_of(group)
    return with_interval(summary, 1) if summary else None


def utilisation(results: Readable, theme: str = "light") -> PlotlyFigure:
    """How much of its device each configuration uses, over what its network costs."""
    return drawn(utilisation_figure, results, theme)


def utilisation_figure(results: Analysis) -> plot.Figure | None:
    """Utilisation over multiply-adds, one point a configuration."""
    groups = [group for group in results.groups
              if utilisation_of(group) and group.summary("multiply_adds")]  # fmt: skip
    if not groups:
        return None
    look = plot.all_series(results.groups)
    series = [look[group.label] for group in groups]
    alone = all(group.exclusive for group in groups)
    axis = {"type": "log", "tickvals": TICKS, "tickformat": "~s"}
    drawn = plot.layout("multiply-adds of one image's forward pass", 300, xaxis=axis,
                        yaxis={"rangemode": "tozero"})  # fmt: skip
    return plot.Figure(
        id="utilisation",
        title="Utilisation",
        caption=CAPTION + ("" if alone else "Open: shared machine, times not compared."),
        series=series,
        panels=[plot.Panel("Utilisation (%)", [points(groups, series)], drawn)],
    )


def points(groups: Sequence[Group], series: Sequence[plot.Series]) -> plot.Trace:
    used = [summary for group in groups if (summary := utilisation_of(group))]
    sizes = [summary for group in groups if (summary := group.summary("multiply_adds"))]
    halves = [summary.half for summary in used]
    return {
        "type": "scatter",
        "mode": "markers",
        "meta": {"keys": [one.key for one in series]},
        "x": [size.mean for size in sizes],
        "y": [summary.mean for summary in used],
        "error_y": {"type": "data", "array": halves, "color": "@muted", "thickness": 1,
                    "width": 3, "visible": any(halves)},
        "marker": {
            "color": [one.colour for one in series],
            "symbol": [one.symbol + ("" if group.exclusive else "-open")
                       for one, group in zip(series, groups, strict=True)],
            "size": 12,
            "line": {"color": "@paper", "width": 1},
        },
        "customdata": [hover(*each) for each in zip(groups, used, sizes, strict=True)],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
        "cliponaxis": False,
    }  # fmt: skip


def hover(group: Group, used: Summary, size: Summary) -> str:
    facts = (group.distinct(column) for column in ("device", "precision", "step"))
    where = plotly_text(", ".join(listed(values) for values in facts if values))
    return (
        f"<b>{plotly_text(group.label)}</b><br>{with_interval(used, 1)} % (n = {used.n})<br>"
        f"{count(size.mean)} multiply-adds<br>{where}"
        + ("" if group.exclusive else f"<br>{plot.SHARED}")
    )
