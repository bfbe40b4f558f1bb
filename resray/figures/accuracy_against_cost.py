"""Accuracy against what it costs, and the configurations that no other dominates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resray.analysis.costs import TESTED, Cost, costs_of, front, qualities_of
from resray.analysis.groups import Group
from resray.analysis.results import Analysis
from resray.analysis.statistics import Moments
from resray.analysis.words import plural, shortened, with_interval
from resray.figures import plot
from resray.figures.curve_traces import choice
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.label_places import LONGEST, label_places
from resray.figures.plot import plotly_text

HEIGHT, INNER = 420, 340
"""Pixels of the plot, and between its axes."""
CLOUD_FROM, CLOUD_MOST = 40, 2000
"""Of more configurations than the first, all stand as a grey cloud behind those that are drawn;
of more than the second, that many of them."""


def accuracy_against_cost(
    results: Readable, cost: str | None = None, quality: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Accuracy against what it costs, with the front that nothing dominates.

    ``cost`` is one of the switch's costs (parameters, seconds, ...); ``quality`` an accuracy
    that was measured.
    """
    return drawn(cost_figure, results, theme, cost=cost, quality=quality)


def cost_figure(results: Analysis) -> plot.Figure | None:
    """Accuracy against each cost, with the front of the configurations that no other dominates."""
    qualities, costs = qualities_of(results), costs_of(results)
    if TESTED not in qualities or not costs:
        return None
    look = plot.all_series(results.groups)
    scatter = Scatter(results.groups, qualities, costs, look)
    switches = (
        plot.Switch("cost", "Cost", tuple(costs)),
        plot.Switch("quality", "Accuracy", tuple(qualities)),
    )
    title = choice("quality", {name: f"{name.capitalize()} (%)" for name in qualities})
    return plot.Figure(
        id="cost",
        title="Accuracy against cost",
        caption=" ".join(caption(scatter)),
        series=[look[group.label] for group in scatter.groups],
        panels=[plot.Panel(title, list(scatter.traces()), scatter.layout())],
        switches=tuple(switch for switch in switches if len(switch.options) > 1),
        scales=("x",),
    )


@dataclass
class Scatter:
    """Configurations as points: what they cost across, how good they are upwards."""

    all_groups: Sequence[Group]
    qualities: Mapping[str, Moments]
    costs: Mapping[str, Cost]
    look: Mapping[str, plot.Series]

    def __post_init__(self) -> None:
        known = np.any([quality.n > 0 for quality in self.qualities.values()], axis=0)
        self.places = np.flatnonzero(known)
        self.groups = [self.all_groups[place] for place in self.places.tolist()]
        self.labels = [plotly_text(group.label) for group in self.groups]

    def by_cost(self, value: Callable[[Cost], Any]) -> Any:
        return choice("cost", {name: value(cost) for name, cost in self.costs.items()})

    def by_quality(self, value: Callable[[Moments], Any]) -> Any:
        return choice("quality", {name: value(own) for name, own in self.qualities.items()})

    def by_both(self, value: Callable[[Cost, Moments], Any]) -> Any:
        return self.by_cost(lambda cost: self.by_quality(lambda quality: value(cost, quality)))

    # --- traces ---

    def traces(self) -> Iterator[plot.Trace]:
        if len(self.groups) > CLOUD_FROM:
            yield self.cloud()
        yield self.by_both(self.steps)
        yield self.points()

    def cloud(self) -> plot.Trace:
        """Return all configurations in grey, drawn whether or not their series are."""
        step = -(-len(self.groups) // CLOUD_MOST)
        some = self.places[::step]
        return {
            "type": "scatter",
            "mode": "markers",
            "meta": {"helper": True},
            "x": self.by_cost(lambda cost: plot.Curve(cost.measured.mean[some].tolist())),
            "y": self.by_quality(lambda quality: plot.Curve(quality.mean[some].tolist())),
            "marker": {"color": "@axis", "size": 5, "opacity": 0.55},
            "hovertext": self.labels[::step],
            "hovertemplate": "<b>%{hovertext}</b><extra></extra>",
            "showlegend": False,
        }

    def points(self) -> plot.Trace:
        """Return the configurations in their colours; those off the front are paler."""
        series = [self.look[group.label] for group in self.groups]
        own = self.places
        return {
            "type": "scatter",
            "mode": "markers",
            "meta": {"keys": [one.key for one in series]},
            "x": self.by_cost(lambda cost: cost.measured.mean[own].tolist()),
            "y": self.by_quality(lambda quality: quality.mean[own].tolist()),
            "error_x": self.by_cost(lambda cost: self.error_bars(cost.measured)),
            "error_y": self.by_quality(self.error_bars),
            "marker": {
                "color": [one.colour for one in series],
                "symbol": self.by_cost(lambda cost: self.symbols(cost, series)),
                "size": 12,
                "opacity": self.by_both(self.opacities),
                "line": {"color": "@paper", "width": 1},
            },
            "hovertext": self.by_cost(self.names),
            "customdata": self.by_quality(self.amounts),
            "hovertemplate": "<b>%{hovertext}</b><br>%{customdata}<br>%{x} %{xaxis.title.text}"
                             "<extra></extra>",
            "showlegend": False,
            "cliponaxis": False,
        }  # fmt: skip

    def steps(self, cost: Cost, quality: Moments) -> plot.Trace:
        """Return the front as steps, with names beside its points where there is room."""
        members = front(cost.measured.mean, quality.mean, cost.candidates)
        x, y = cost.measured.mean[members].tolist(), quality.mean[members].tolist()
        # The last step goes on to the edge: whoever pays more need not get less.
        end = ([self.x_range(cost)[1]], y[-1:]) if x else ([], [])
        texts, positions = self.beside(members, cost, quality)
        return {
            "type": "scatter",
            "mode": "lines+markers+text",
            "meta": {"helper": True},
            "x": x + end[0],
            "y": y + end[1],
            "line": {"color": "@muted", "width": 1.5, "shape": "hv"},
            "marker": {
                "color": "@muted",
                "size": [9] * len(x) + [0] * len(end[0]),
                "opacity": 1,
                "line": {"width": 0},
            },
            "text": texts,
            "textposition": positions or "top left",
            "textfont": {"color": "@ink", "size": 11},
            "hoverinfo": "skip",
            "showlegend": False,
            "cliponaxis": False,
        }

    def symbols(self, cost: Cost, series: Sequence[plot.Series]) -> list[str]:
        return [one.symbol + ("-open" if is_open(cost, group) else "")
                for one, group in zip(series, self.groups, strict=True)]  # fmt: skip

    def names(self, cost: Cost) -> list[str]:
        return [label + (f"<br>{plot.SHARED}" if is_open(cost, group) else "")
                for label, group in zip(self.labels, self.groups, strict=True)]  # fmt: skip

    def amounts(self, quality: Moments) -> list[str]:
        own = (quality.summaries[place] for place in self.places.tolist())
        return [f"{with_interval(one)} % (n = {one.n})" if one else "" for one in own]

    def opacities(self, cost: Cost, quality: Moments) -> list[float]:
        members = set(front(cost.measured.mean, quality.mean, cost.candidates).tolist())
        own = zip(self.places.tolist(), self.groups, strict=True)
        # Open symbols are pale enough.
        return [1.0 if place in members or is_open(cost, group) else 0.5 for place, group in own]

    def error_bars(self, quantity: Moments) -> plot.Layout:
        halves = quantity.half[self.places]
        return {"type": "data", "array": halves.tolist(), "color": "@muted", "thickness": 1,
                "width": 3, "visible": bool(np.nansum(halves) > 0)}  # fmt: skip

    # --- room ---

    def x_range(self, cost: Cost) -> list[float]:
        return [0.0, 1.05 * self.span(cost.measured)[1]]

    def y_range(self, quality: Moments) -> list[float]:
        low, high = self.span(quality)
        room = 0.07 * (high - low) or 1.0
        return [low - room, high + room]

    def span(self, quantity: Moments) -> tuple[float, float]:
        """Return the lowest and the highest point, error bars included."""
        mean, bar = quantity.mean[self.places], np.nan_to_num(quantity.half[self.places])
        known = np.isfinite(mean)
        ends = (mean - bar)[known], (mean + bar)[known]
        return (float(ends[0].min()), float(ends[1].max())) if known.any() else (0.0, 1.0)

    def beside(
        self, members: np.ndarray, cost: Cost, quality: Moments
    ) -> tuple[list[str], list[str]]:
        """Return the names beside some points and where they stand, of all but these none."""
        (left, right), (low, high) = self.x_range(cost), self.y_range(quality)
        x = (cost.measured.mean - left) / (right - left)
        y = (quality.mean - low) / (high - low)
        at = list(zip(x.tolist(), y.tolist(), strict=True))
        off = np.setdiff1d(self.places, members)
        others = [at[place] for place in off[:CLOUD_FROM].tolist() if np.isfinite(at[place]).all()]
        names = [shortened(self.all_groups[place].label, LONGEST) for place in members]
        where = label_places([at[place] for place in members], names, others, INNER)
        texts = [plotly_text(name) if own else "" for name, own in zip(names, where, strict=True)]
        return texts, [own or "top left" for own in where]

    def layout(self) -> plot.Layout:
        def made(cost: Cost) -> plot.Layout:
            y_axis = {"range": self.by_quality(self.y_range)}
            x_axis = {"range": self.x_range(cost), "tickformat": "~s" if cost.counted else "~g",
                      "hoverformat": ".4~s" if cost.counted else ".4~g"}  # fmt: skip
            return plot.layout(cost.axis, HEIGHT, xaxis=x_axis, yaxis=y_axis)

        return self.by_cost(made)


def is_open(cost: Cost, group: Group) -> bool:
    """Whether a group's symbol is open: it shared its machine, so that its cost is no measure."""
    return cost.exclusive and not group.exclusive


def caption(scatter: Scatter) -> Iterator[str]:
    """Yield what to read from the figure, sentence by sentence."""
    yield ("Up is better, left is cheaper. The stepped line is the Pareto front: those "
           "configurations than which none that was trained alike is both cheaper and more "
           "accurate; whatever is hidden, it is that of all.")  # fmt: skip
    tested = scatter.qualities[TESTED]
    if (tested.n > 1).any():
        yield (
            "Bars, and ± beside a point: half of a mean's 95 % interval. The front joins what was "
            "measured best; whether two points differ is in the table of differences."
        )
    else:
        yield "One seed each, so no spread: near points are not told apart."
    if any(cost.exclusive for cost in scatter.costs.values()):
        yield ("Times, energy and money compare between runs that had one device to themselves: "
               "only these are on their front.")  # fmt: skip
        if not all(group.exclusive for group in scatter.groups):
            yield "Open symbols: shared machine."
    if len(scatter.groups) > CLOUD_FROM:
        shown = min(len(scatter.groups), CLOUD_MOST)
        yield f"Grey: {plural(shown, 'configuration')} in all."
