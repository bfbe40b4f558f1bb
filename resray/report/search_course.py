"""Figures of a search's course: learning curves with their stops, and the best so far."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pandas as pd

from resray.analysis.aggregate import Row
from resray.analysis.results import Results
from resray.analysis.search import COMPLETED, Search, SearchPoint, search_of
from resray.analysis.search_cost import own_epochs
from resray.analysis.words import count, duration, fixed, time_unit
from resray.report import plot
from resray.report.search_plot import AUDITED, WINNER, hover, look_of, looks, with_begun
from resray.report.text import plotly_text
from resray.results import summary

CURVES = 200
"""Of more points than these, the curves of those that ended early have only their rungs' epochs."""


# --- learning curves ----------------------------------------------------------------------------


def rungs_figure(results: Results) -> plot.Figure | None:
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
    return plot.Figure("rungs", "Learning curves by rung", caption, series, [panel], switches)


def curves(results: Results, search: Search, points: Sequence[SearchPoint]) -> Iterator[plot.Trace]:
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


def audit_curves(results: Results, search: Search) -> Iterator[plot.Trace]:
    """Yield what audited points did after their stop."""
    for point in search.points:
        for row in point.rows if point.audited else ():
            rows = results.search.epochs.get(row["trial_id"])
            if row["audited"] and rows is not None:
                line = curve(search, point, rows[rows["epoch"] >= own_epochs(point, row)])
                style = {"color": AUDITED.colour, "width": 1.5, "dash": "dot"}
                yield line | {"line": style, "legendgroup": AUDITED.key}


def stops(results: Results, search: Search, points: Sequence[SearchPoint]) -> plot.Trace:
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


def accuracy_at(results: Results, stop: Row) -> float:
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


# --- the best so far ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One epoch of a search, in the order in which they were recorded."""

    point: SearchPoint
    epoch: int
    accuracy: float
    seconds: float
    """Since the search began, over all workers: training, evaluating and saving."""
    work: float
    """Multiply-adds since then."""


def steps_of(results: Results, search: Search) -> list[Step]:
    """Return every epoch but the audit's, with what had been spent at its end."""
    made: list[Step] = []
    seconds = work = 0.0
    for _, point, row, epoch, accuracy, *parts in sorted(
        records(results, search), key=itemgetter(0)
    ):
        seconds += sum(part for part in parts if not pd.isna(part))
        work += float(row["multiply_adds"] or 0) * (row["train_images"] or 0)
        if not pd.isna(accuracy):
            made.append(Step(point, int(epoch), float(accuracy), seconds, work))
    return made


RECORDED = ["epoch", "validation_accuracy", *summary.HOLDING]


def records(results: Results, search: Search) -> Iterator[tuple[Any, ...]]:
    """Yield for every epoch but the audit's when it ended, point, row, and what was recorded."""
    for point in search.points:
        for row in point.rows:
            rows = results.search.epochs.get(row["trial_id"])
            if rows is not None:
                own = rows[rows["epoch"] <= own_epochs(point, row)].dropna(subset=["recorded"])
                recorded = zip(*(own[column] for column in RECORDED), strict=True)
                for time, record in zip(own["recorded"], recorded, strict=True):
                    yield time, point, row, *record


def best_figure(results: Results) -> plot.Figure | None:
    """The highest validation accuracy so far over the time and the compute spent."""
    search = search_of(results)
    steps = steps_of(results, search) if search else []
    if search is None or not steps:
        return None
    divisor, unit = time_unit([steps[-1].seconds])
    views = {
        "by time": [best_panel(search, steps, lambda step: step.seconds / divisor,
                               f"{unit} of training, evaluating and saving, all workers")],
        "by compute": [best_panel(search, steps, lambda step: step.work,
                                  "multiply-adds of forward passes", tickformat="~s")],
    }  # fmt: skip
    caption = (
        "The highest validation accuracy of any epoch so far; each dot is an epoch that raised it. "
        "The audit is left out."
    )
    return plot.Figure("best", "Best so far", caption, [], **plot.between("Along", views))


def best_panel(search: Search, steps: Sequence[Step], spent: Callable[[Step], float],
               x_title: str, **axis: str) -> plot.Panel:  # fmt: skip
    raised = improvements(steps)
    texts = [
        f"<b>{plotly_text(search.name_of(step.point))}</b><br>{fixed(step.accuracy)} % after epoch "
        f"{step.epoch}<br>after {duration(step.seconds)}, {count(step.work)} multiply-adds"
        for step in raised
    ]
    end = max(raised, key=lambda step: step.accuracy)
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": [*map(spent, raised), spent(steps[-1])],
        "y": [*(step.accuracy for step in raised), end.accuracy],
        "line": {"shape": "hv", "color": "@series-0", "width": 2},
        "marker": {"color": "@series-0", "size": [6] * len(raised) + [0]},
        "customdata": [*texts, f"{fixed(end.accuracy)} % at the end"],
        "hovertemplate": "%{customdata}<extra></extra>",
        "showlegend": False,
        "cliponaxis": False,
    }
    made = plot.layout(x_title, 300, xaxis={"rangemode": "tozero", **axis})
    return plot.Panel("Highest validation accuracy so far (%)", [trace], made)


def improvements(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that raised the best."""
    found: list[Step] = []
    for step in steps:
        if not found or step.accuracy > found[-1].accuracy:
            found.append(step)
    return found
