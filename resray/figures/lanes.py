"""Bars over time: a row for each process that trained."""

from collections.abc import Sequence
from typing import Any

from resray.analysis.timeline import Lane, Stretch, lanes, span_of, utilisation, without_pauses
from resray.analysis.words import duration, plural, time_unit
from resray.figures.plot import Figure, Panel, Series, Trace, layout, plotly_text, trace_of


def lane_name(lane: Lane) -> str:
    return plotly_text(f"{lane[0]} · {lane[1]}")


class Timeline:
    """Stretches, the first first, in the lanes of their processes."""

    def __init__(self, found: Sequence[Stretch]) -> None:
        self.found = found
        self.lane_of = lanes(found)
        self.lanes = set(self.lane_of.values())
        self.moved, self.cut = without_pauses(found)
        self.span = span_of(self.moved)
        self._divisor, self._unit = time_unit([self.span])

    def bars(
        self, look: Series, own: Sequence[Stretch], texts: Sequence[str], framed: bool = True
    ) -> Trace:
        """Return bars of one look.

        A frame tells neighbours apart; of bars as narrow as a pixel it would be all that is seen.
        """
        zero = self.moved[0].start
        return trace_of(
            look,
            type="bar",
            orientation="h",
            y=[lane_name(self.lane_of[one.process]) for one in own],
            x=[one.seconds / self._divisor for one in own],
            base=[(one.start - zero).total_seconds() / self._divisor for one in own],
            marker={"color": look.colour, "line": {"color": "@paper", "width": 1 if framed else 0}},
            customdata=list(texts),
            hovertemplate="%{customdata}<extra></extra>",
        )

    def figure(self, id: str, title: str, caption: str, looks: Sequence[Series],
               traces: list[Trace], row: float = 30, **changes: Any) -> Figure:  # fmt: skip
        """Return the figure of bars, the first lane on top, each ``row`` pixels high.

        Its key has those of the ``looks`` that some bar has.
        """
        names = [lane_name(lane) for lane in sorted(self.lanes, reverse=True)]
        y_axis = {"type": "category", "categoryorder": "array", "categoryarray": names,
                  "showgrid": False, "nticks": 0 if row >= 14 else 20,
                  "ticksuffix": " "}  # fmt: skip
        made = layout(
            f"{self._unit} since the first start",
            round(80 + row * len(names)),
            xaxis={"range": [0, 1.01 * self.span / self._divisor or 1]},
            yaxis=y_axis,
            barmode="overlay",
            bargap=0.25,
            **changes,
        )
        if self.cut:
            pauses = duration(self.cut.total_seconds())
            caption += f" Pauses of {pauses} with nothing running are left out."
        drawn = {trace["legendgroup"] for trace in traces}
        series = [look for look in looks if look.key in drawn]
        return Figure(id, title, caption, series, [Panel("Trials over workers", traces, made)])

    @property
    def workers(self) -> str:
        """How many there were, in words."""
        return plural(len(self.lanes), "worker")

    @property
    def busy(self) -> str:
        """The share of the workers' time in which they had a trial, in words."""
        share = utilisation(self.moved, len(self.lanes))
        return "not known" if share is None else f"{100 * share:.0f}\u00a0%"
