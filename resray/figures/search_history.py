"""Figures of a search's course: learning curves with their stops, and the best so far."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pandas as pd

from resray.analysis.results import Analysis
from resray.analysis.search import Search, SearchPoint, search_of
from resray.analysis.search_cost import own_epochs
from resray.analysis.words import count, duration, fixed, time_unit
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.results import summary


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


def steps_of(results: Analysis, search: Search) -> list[Step]:
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


def records(results: Analysis, search: Search) -> Iterator[tuple[Any, ...]]:
    """Yield for every epoch but the audit's when it ended, point, row, and what was recorded."""
    for point in search.points:
        for row in point.rows:
            rows = results.search.epochs.get(row["trial_id"])
            if rows is not None:
                own = rows[rows["epoch"] <= own_epochs(point, row)].dropna(subset=["recorded"])
                recorded = zip(*(own[column] for column in RECORDED), strict=True)
                for time, record in zip(own["recorded"], recorded, strict=True):
                    yield time, point, row, *record


def search_history(
    results: Readable, along: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """The best validation accuracy of a search so far.

    ``along`` is by time or by compute.
    """
    return drawn(best_figure, results, theme, view=along)


def best_figure(results: Analysis) -> plot.Figure | None:
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
    return plot.Figure(
        "best", "Best so far", caption, [], of_search=True, **plot.between("Along", views)
    )


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
