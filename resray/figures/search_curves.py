"""Figures of a search's course: learning curves with their stops, and the best so far."""

from collections.abc import Iterator, Sequence

import pandas as pd

from resray.analysis.groups import Row
from resray.analysis.results import Analysis
from resray.analysis.search import COMPLETED, Search, SearchPoint, search_of
from resray.analysis.search_cost import own_epochs
from resray.analysis.words import fixed
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.search_plot import AUDITED, WINNER, hover, look_of, looks, with_begun

CURVES = 200
"""Of more points than these, the curves of those that ended early have only their rungs' epochs."""


def search_curves(
    results: Readable, scale: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """A search's learning curves, with the rungs and each stop.

    ``scale`` is that of the epochs: linear or logarithmic.
    """
    return drawn(rungs_figure, results, theme, scale=scale)


def rungs_figure(results: Analysis) -> plot.Figure | None:
    """Validation accuracy over the epochs, coloured by the rung reached, with each stop marked."""
    search = search_of(results)
    drawn = with_begun(search) if search else []
    if search is None or not drawn or not results.search.epochs:
        return None
    traces = [
        *curves(results, search, drawn),
        *audit_curves(results, search),
        stops(results, search, drawn),
    ]
    longest = max(point.full_epochs for point in drawn)
    rungs = {int(row["rung"]): int(row["epoch"]) for point in drawn for row in point.decisions
             if row["rung"] is not None and row["value"] is not None}  # fmt: skip
    layouts = {f"by epoch{scale}": rung_layout(rungs, longest, logarithmic=bool(scale))
               for scale in ("", ", log scale")}  # fmt: skip
    panel = plot.Panel("Validation accuracy (%)", traces, plot.Choice("scale", layouts))
    audited = any(point.audited for point in drawn)
    marks = ["a cross marks a stop", *(["a dotted line a rung"] if rungs else []),
             *(["dots after a stop the audit's training"] if audited else [])]  # fmt: skip
    caption = (
        "One line per training; the darker (on dark paper, the brighter), the further it came; "
        f"{', '.join(marks)}."
    )
    series = [*looks(search, drawn), *([AUDITED] if audited else [])]
    switches = (plot.Switch("scale", "Horizontal axis", tuple(layouts)),)
    return plot.Figure(
        "rungs", "Learning curves by rung", caption, series, [panel], switches, of_search=True
    )


def curves(
    results: Analysis, search: Search, points: Sequence[SearchPoint]
) -> Iterator[plot.Trace]:
    """Yield a line for each training of each point, up to its stop."""
    for point in points:
        for row in point.rows:
            rows = results.search.epochs.get(row["trial_id"])
            if rows is not None:
                own = rows[rows["epoch"] <= own_epochs(point, row)]
                thin = len(points) > CURVES and point.state != COMPLETED
                yield curve(search, point, thinned(own, point) if thin else own)


def thinned(rows: pd.DataFrame, point: SearchPoint) -> pd.DataFrame:
    """Return the first and the last epoch and those in which the point was judged."""
    judged = {row["epoch"] for row in point.decisions}
    ends = {rows["epoch"].min(), rows["epoch"].max()}
    return rows[rows["epoch"].isin(judged | ends)]


def curve(search: Search, point: SearchPoint, rows: pd.DataFrame) -> plot.Trace:
    look, rows = look_of(search, point), rows[rows["validation_accuracy"].notna()]
    return plot.trace_of(
        look,
        type="scatter",
        mode="lines+markers" if len(rows) < 2 else "lines",
        x=rows["epoch"].tolist(),
        y=rows["validation_accuracy"].tolist(),
        line={"color": look.colour, "width": 3 if look is WINNER else 1.5},
        marker={"color": look.colour, "size": 5},
        hovertemplate=f"{hover(search, point)}<br>epoch %{{x}}: %{{y:.2f}} %<extra></extra>",
    )


def audit_curves(results: Analysis, search: Search) -> Iterator[plot.Trace]:
    """Yield what audited points did after their stop."""
    for point in search.points:
        for row in point.rows if point.audited else ():
            rows = results.search.epochs.get(row["trial_id"])
            if row["audited"] and rows is not None:
                line = curve(search, point, rows[rows["epoch"] >= own_epochs(point, row)])
                style = {"color": AUDITED.colour, "width": 1.5, "dash": "dot"}
                yield line | {"line": style, "legendgroup": AUDITED.key}


def stops(results: Analysis, search: Search, points: Sequence[SearchPoint]) -> plot.Trace:
    """Return a cross at every stop, at the end of its curve."""
    found = [(point, point.stop) for point in points if point.stop]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [stop["epoch"] for _, stop in found],
        "y": [accuracy_at(results, stop) for _, stop in found],
        "marker": {"symbol": "x-thin", "size": 7, "line": {"width": 1.5, "color": "@ink"}},
        "customdata": [
            f"{hover(search, point)}<br>stopped: highest so far {fixed(stop['value'])} %, cutoff "
            f"{fixed(stop['cutoff'])} %"
            for point, stop in found
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
    }


def accuracy_at(results: Analysis, stop: Row) -> float:
    """Return the accuracy of the epoch after which a training was stopped.

    Where that epoch was not recorded, or not evaluated, the value that was judged: the highest so
    far.
    """
    rows = results.search.epochs.get(stop["trial_id"])
    at_stop = () if rows is None else rows[rows["epoch"] == stop["epoch"]]["validation_accuracy"]
    return float(next((value for value in at_stop if not pd.isna(value)), stop["value"]))


def rung_layout(rungs: dict[int, int], longest: int, *, logarithmic: bool) -> plot.Layout:
    """Return the layout, with a dotted line and a name at each rung."""
    if logarithmic:
        marked = sorted({1, longest, *rungs.values()})
        axis: plot.Layout = {
            "type": "log",
            "tickvals": marked,
            "ticktext": [str(epoch) for epoch in marked],
        }
    else:
        axis = plot.axis_to(longest, 0.03)
    lines = [{"type": "line", "x0": epoch, "x1": epoch, "y0": 0, "y1": 1, "yref": "paper",
              "layer": "below", "line": {"color": "@axis", "width": 1, "dash": "dot"}}
             for epoch in rungs.values()]  # fmt: skip
    return plot.layout("epoch", 420, xaxis=axis, shapes=lines)
