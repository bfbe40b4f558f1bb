"""Lines over the epochs as traces: means with their bands, single trials, selected epochs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resray.analysis.results import Analysis
from resray.figures.epoch_lines import Line, LineSet, Spread, outline
from resray.figures.plot import (
    MANY,
    Choice,
    Curve,
    Series,
    Trace,
    all_series,
    plotly_text,
    trace_of,
    trial_label,
)
from resray.results.summary import LAST

MARKED = 12
"""A line of no more points shows each of them."""

Quantities = Mapping[str, Spread]
"""What the heights may be, by the option of the figure's switch ``quantity``."""


def choice(switch: str, options: Mapping[str, Any]) -> Any:
    """Return a choice between values, or the value itself where all options have the same."""
    first, *others = options.values()
    same = all(one is first or (isinstance(one, str) and one == first) for one in others)
    return first if same else Choice(switch, options)


@dataclass
class Drawing:
    """Makes the traces of a set of lines; equal lists of numbers become one `Curve`.

    ``along`` is what they may be drawn along: the lines' places, (lines, epochs), by the option of
    the figure's switch ``along``. ``kept`` are the places of the epochs to draw, for each line.
    """

    results: Analysis
    lines: LineSet
    along: Mapping[str, np.ndarray]
    kept: Sequence[np.ndarray]

    def __post_init__(self) -> None:
        self.look = all_series(self.results.groups)
        self._curves: dict[bytes, Curve] = {}
        self._band_places: dict[tuple[int, bytes], Any] = {}

    def lines_and_bands(self, found: Quantities, what: str) -> list[Trace]:
        """Return the lines over their bands."""
        return [*self.bands(found), *self.line_traces(found, what)]

    def line_traces(
        self, found: Quantities, what: str, background: bool = False
    ) -> Iterator[Trace]:
        """Yield each line that has values; ``what`` says in the hover text what they are of."""
        for place, line, series in self.with_values(found):
            points = len(self.kept[place])
            marked = points == 1 or (points <= MARKED and not background)
            yield trace_of(
                series,
                type="scatter",
                mode="lines+markers" if marked else "lines",
                x=self.places(place, self.kept[place]),
                y=choice("quantity", {name: self.curve(spread.mean[place, self.kept[place]])
                                      for name, spread in found.items()}),
                line={"color": series.colour, "dash": self.dash(line, series, background),
                      "width": 1.4 if background or not line.finished else 2},
                opacity=0.45 if background else 1 if line.finished else 0.7,
                marker={"color": series.colour, "size": 4 if background else 5,
                        "symbol": series.symbol},
                connectgaps=line.sparse,
                hovertemplate=choice("quantity", {
                    name: hover(self.results, line, what, int(spread.count[place]))
                    for name, spread in found.items()}),
            )  # fmt: skip

    def bands(self, found: Quantities) -> Iterator[Trace]:
        """Yield the area from the lowest to the highest seed of each line of several."""
        for place, line, series in self.with_values(found):
            if len(line.rows) > 1:
                yield trace_of(
                    series,
                    type="scatter",
                    mode="lines",
                    fill="toself",
                    fillcolor=series.colour,
                    opacity=0.18,
                    line={"color": series.colour, "width": 0},
                    hoverinfo="skip",
                    x=choice("quantity", {name: self.band_places(place, spread)
                                          for name, spread in found.items()}),
                    y=choice("quantity", {name: self.band_heights(place, spread)
                                          for name, spread in found.items()}),
                )  # fmt: skip

    def marks(self, found: Quantities, what: str) -> Iterator[Trace]:
        """Yield a mark for each seed: its own value at the epoch that was selected."""
        for place, line, series in self.with_values(found):
            trials = self.lines.trials_of(place)
            selected = self.lines.selected[trials]
            if (selected < 0).all():
                continue
            selection = line.group.selection
            epoch = LAST if selection == LAST else f"as selected by {selection}"
            yield trace_of(
                series,
                type="scatter",
                mode="markers",
                x=self.places(place, selected),
                y=choice("quantity", {name: self.curve(spread.selected[trials])
                                      for name, spread in found.items()}),
                marker={"color": series.colour, "symbol": series.symbol,
                        "size": 8 if len(self.look) <= MANY else 6,
                        "line": {"color": "@paper", "width": 1}},
                customdata=[row["seed"] for row in line.rows],
                hovertemplate=f"<b>{plotly_text(line.group.label)} (seed %{{customdata}})</b><br>"
                              f"{what}, {epoch}: %{{y}}"
                              "<br>%{xaxis.title.text}: %{x}<extra></extra>",
            )  # fmt: skip

    def with_values(self, found: Quantities) -> Iterator[tuple[int, Line, Series]]:
        """Yield the lines of which any of these quantities has a value, with place and look."""
        known = np.any([spread.count > 0 for spread in found.values()], axis=0)
        for place in np.flatnonzero(known).tolist():
            line = self.lines.lines[place]
            yield place, line, self.look[line.group.label]

    def curve(self, values: np.ndarray) -> Curve:
        key = values.tobytes()
        if key not in self._curves:
            self._curves[key] = Curve(values.tolist())
        return self._curves[key]

    def places(self, place: int, epochs: np.ndarray) -> Any:
        return choice("along", {name: self.curve(where[place, epochs])
                                for name, where in self.along.items()})  # fmt: skip

    def band_places(self, place: int, spread: Spread) -> Any:
        kept = self.kept[place]
        there = np.isfinite(spread.mean[place, kept])
        key = (place, there.tobytes())
        if key not in self._band_places:
            sparse = self.lines.lines[place].sparse
            own = {name: where[place, kept] for name, where in self.along.items()}
            ways = {name: outline(there, one, one, sparse) for name, one in own.items()}
            self._band_places[key] = choice("along", {
                name: self.curve(way) for name, way in ways.items()
            })  # fmt: skip
        return self._band_places[key]

    def band_heights(self, place: int, spread: Spread) -> Curve:
        kept = self.kept[place]
        there = np.isfinite(spread.mean[place, kept])
        edges = spread.high[place, kept], spread.low[place, kept]
        return self.curve(outline(there, *edges, self.lines.lines[place].sparse))

    def dash(self, line: Line, series: Series, background: bool) -> Any:
        """Return how a line is dashed: along time, those of shared machines are alike."""
        if background or line.exclusive:
            return "dot" if background else series.dash
        return choice("along", {name: "dash" if name == "time" else series.dash
                                for name in self.along})  # fmt: skip


def hover(results: Analysis, line: Line, what: str, count: int) -> str:
    """Return what is told of a line that the mouse is over."""
    alone = len(line.rows) == 1
    name = trial_label(results, line.rows[0]) if alone else line.group.label
    number = "" if alone else f" (mean, n = {count})"
    return (
        f"<b>{plotly_text(name)}</b><br>{what}: %{{y}}{number}"
        "<br>%{xaxis.title.text}: %{x}<extra></extra>"
    )
