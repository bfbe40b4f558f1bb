"""Published figures beside ours: a row each, how far they are apart, and why some may not be."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resray.analysis.groups import as_labelled
from resray.analysis.published import (
    Comparison,
    amount,
    comparisons,
    published_amount,
    signed_difference,
)
from resray.analysis.results import Analysis
from resray.analysis.statistics import Summary, mean_interval
from resray.analysis.words import shortened, time_unit
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.study.metrics import METRICS

LONGEST = 30
"""Letters of a row's second line: on a phone, names and points share the width."""


def published_against_measured(
    results: Readable, metric: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Published values beside the measured ones.

    ``metric`` is one that the study has published values of.
    """
    return drawn(published_figure, results, theme, view=metric)


def published_figure(results: Analysis) -> plot.Figure | None:
    """Published and measured values by metric; nothing if the study names none."""
    found = comparisons(results)
    if not found:
        return None
    look = plot.all_series(results.groups)
    views = {name: [metric_panel(own, look)] for name, own in by_metric(found).items()}
    caption = (
        "Diamonds are published, circles ours: at the epoch that validation selects"
        f"{as_labelled(results.groups)}, or after the epoch that the row names; bars: 95 % "
        "interval of the mean over seeds. A small pale circle is our best "
        "epoch on test, which selects on test, as most published figures do. Hollow circles "
        "may not be compared, for the reason that the row or the title tells."
    )
    shown = {item.group.label for item in found if item.group}
    series = [entry for label, entry in look.items() if label in shown]
    return plot.Figure("published", "Published and measured", caption, series,
                       **plot.between("Metric", views), scales=("x",))  # fmt: skip


def by_metric(found: Sequence[Comparison]) -> dict[str, list[Comparison]]:
    """Return the comparisons by metric, those of single epochs apart; test accuracy comes first."""
    groups: dict[str, list[Comparison]] = {}
    for item in sorted(found, key=order):
        name = METRICS[item.published.metric].title
        epochs = "" if item.published.epoch is None else " by epoch"
        groups.setdefault(name if "epoch" in name else name + epochs, []).append(item)
    return groups


def order(item: Comparison) -> tuple[bool, bool]:
    figure = item.published
    return figure.metric != "test_accuracy", figure.epoch is not None


def metric_panel(items: Sequence[Comparison], look: Mapping[str, plot.Series]) -> plot.Panel:
    """Return the rows of one metric."""
    metric = METRICS[items[0].published.metric]
    divisor, unit = unit_of(items)
    reasons = {reason(item) for item in items if item.measured}
    shared = reasons.pop() if len(reasons) == 1 else None
    names = row_names(items, known=shared)
    rows = Rows(items, names, look, divisor)
    title = f"{metric.title} ({unit})" if unit else metric.title
    axes = plot.bar_layout(
        title,
        len(items),
        row=46 if any("<br>" in name for name in names) else 34,
        xaxis={} if unit else {"tickformat": "~s"},
    )
    title = title[0].upper() + title[1:]
    return plot.Panel(
        f"{title}: {shared}, not to be compared" if shared else title, rows.traces(), axes
    )


def unit_of(items: Sequence[Comparison]) -> tuple[float, str]:
    """Return by what a metric's values are divided to be drawn, and their unit then."""
    metric = METRICS[items[0].published.metric]
    if metric.unit == "s":
        ours = [item.measured.mean for item in items if item.measured]
        return time_unit([*(item.published.value for item in items), *ours])
    return metric.scale, metric.unit


def reason(item: Comparison) -> str | None:
    """Return in a few words why a published figure and ours may not be compared."""
    return str(item.obstacles[0]) if item.obstacles else None


def row_names(items: Sequence[Comparison], known: str | None) -> list[str]:
    """Return a name for each row that no other has, as Plotly takes it.

    On the second line stands what tells rows of one configuration apart, and why one may not be
    compared, unless that is ``known`` of all.
    """
    firsts = [title_of(item) for item in items]
    repeated = {name for name, times in Counter(firsts).items() if times > 1}
    sourced = Counter(zip(firsts, (item.published.source for item in items), strict=True))
    names: list[str] = []
    for item, first in zip(items, firsts, strict=True):
        figure = item.published
        several = sourced[first, figure.source] > 1
        told = (figure.protocol if several else figure.source) if first in repeated else None
        obstacle = reason(item)
        parts = [shortened(text, LONGEST) for text in (told, obstacle) if text and text != known]
        name = plotly_text(first)
        if parts:
            second = "<br>".join(plotly_text(part) for part in parts)
            name += f'<br><span style="font-size:10px">{second}</span>'
        names.append(name)
    return apart(names)


def apart(names: Sequence[str]) -> list[str]:
    """Return the names with a number behind each that repeats an earlier one."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def title_of(item: Comparison) -> str:
    figure = item.published
    label = item.group.label if item.group else figure.trial
    return f"{label}, epoch {figure.epoch}" if figure.epoch else label


@dataclass
class Rows:
    """The traces of one metric's rows: lines between the two values, then the values themselves."""

    items: Sequence[Comparison]
    names: Sequence[str]
    look: Mapping[str, plot.Series]
    divisor: float

    def traces(self) -> list[plot.Trace]:
        own = [self.line("solid", compared=True), self.line("dot", compared=False)]
        return [self.published(), *own, self.best_on_test(), self.ours()]

    def published(self) -> plot.Trace:
        """Return the published values; this trace has all rows, and so gives their order."""
        values = [item.published.value for item in self.items]
        marker = {"symbol": "diamond", "color": "@ink", "size": 8,
                  "line": {"color": "@paper", "width": 1}}  # fmt: skip
        told = [hover_of_published(item) for item in self.items]
        return self.points(values, marker, told, zorder=1)

    def ours(self) -> plot.Trace:
        summaries = [item.measured for item in self.items]
        hollow = [bool(item.obstacles) for item in self.items]
        colours = [self.colour(item) for item in self.items]
        marker = {
            "symbol": ["circle-open" if one else "circle" for one in hollow],
            "color": colours,
            "size": 11,
            "line": {"width": 2, "color": colours},
        }
        halves = [self.half_interval(summary) for summary in summaries]
        bars = {"type": "data", "array": halves, "color": "@muted", "thickness": 1.2, "width": 4,
                "visible": any(halves)}  # fmt: skip
        values = [None if summary is None else summary.mean for summary in summaries]
        return self.points(values, marker, [hover(item) for item in self.items], error_x=bars)

    def best_on_test(self) -> plot.Trace:
        """Return our best epochs on test, where the published figure is of a whole training."""
        values = [best_of(item) for item in self.items]
        colours = [f"{self.colour(item)}/45" for item in self.items]
        told = ["" if value is None else f"ours, best epoch on test: {value:.2f} %"
                for value in values]  # fmt: skip
        return self.points(values, {"symbol": "circle", "color": colours, "size": 8}, told)

    def line(self, dash: str, *, compared: bool) -> plot.Trace:
        """Return a line from each published value to ours, in the rows of one kind."""
        ends: list[tuple[str, float | None, str | None]] = []
        for item, name in zip(self.items, self.names, strict=True):
            if item.measured and bool(item.obstacles) != compared:
                values = (item.published.value, item.measured.mean, None)
                ends += [(name, self.drawn(value), self.key(item)) for value in values]
        return {
            "type": "scatter",
            "mode": "lines",
            "y": [name for name, _, _ in ends],
            "x": [value for _, value, _ in ends],
            "line": {"color": "@axis", "width": 1.5, "dash": dash},
            "hoverinfo": "skip",
            # Below the points, whose first trace must come first: it has every row.
            "zorder": -1,
            "meta": {"helper": True, "keys": [key for _, _, key in ends]},
        }

    def points(
        self,
        values: Sequence[float | None],
        marker: dict[str, Any],
        told: Sequence[str],
        **others: Any,
    ) -> plot.Trace:
        return {
            "type": "scatter",
            "mode": "markers",
            "y": list(self.names),
            "x": [self.drawn(value) for value in values],
            "marker": marker,
            "customdata": list(told),
            "hovertemplate": "%{customdata}<extra></extra>",
            "meta": {"keys": [self.key(item) for item in self.items]},
            "cliponaxis": False,
            **others,
        }

    def drawn(self, value: float | None) -> float | None:
        return None if value is None else value / self.divisor

    def half_interval(self, summary: Summary | None) -> float | None:
        interval = summary and mean_interval(summary)
        if not summary or not interval:
            return None
        return self.drawn(interval.high - summary.mean)

    def key(self, item: Comparison) -> str | None:
        return self.look[item.group.label].key if item.group else None

    def colour(self, item: Comparison) -> str:
        return self.look[item.group.label].colour if item.group else "@muted"


def best_of(item: Comparison) -> float | None:
    """Return our mean of the best epochs on test, beside a published accuracy of a training."""
    figure = item.published
    if item.group is None or figure.metric != "test_accuracy" or figure.epoch is not None:
        return None
    summary = item.group.summary("test_accuracy_best")
    return summary.mean if summary else None


def hover_of_published(item: Comparison) -> str:
    """Return what is told of a published value: whose it is and how it came about."""
    figure = item.published
    return lines(
        f"<b>{plotly_text(title_of(item))}</b>",
        f"published: {plotly_text(published_amount(figure))}, {plotly_text(figure.source)}",
        plotly_text(figure.protocol),
        plotly_text(item.notes or ""),
    )


def hover(item: Comparison) -> str:
    """Return what is told of our value: how far it is from the published one, or why not."""
    figure, measured = item.published, item.measured
    if measured is None:
        return ""
    return lines(
        f"<b>{plotly_text(title_of(item))}</b>",
        f"ours: {amount(figure.metric, measured)} (n = {measured.n})",
        f"published: {plotly_text(published_amount(figure))}",
        f"difference: {signed_difference(item)}" if item.difference is not None else "",
        plotly_text(item.notes or ""),
    )


def lines(*texts: str) -> str:
    return "<br>".join(wrapped(text) for text in texts if text)


def wrapped(line: str, width: int = 60) -> str:
    """Return a line broken between words, so that it fits a phone."""
    rows = [""]
    for word in line.split(" "):
        fits = len(rows[-1]) + len(word) < width
        rows = [*rows[:-1], f"{rows[-1]} {word}".strip()] if fits else [*rows, word]
    return "<br>".join(rows)
