"""Figures of a searched space: parallel coordinates, and accuracy against each axis."""

from collections.abc import Iterator, Mapping, Sequence

from resray.analysis.results import Analysis
from resray.analysis.search import COMPLETED, Search, SearchPoint, search_of
from resray.analysis.search_axes import ABSENT, SpaceAxis
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.parallel_coordinates import final_accuracy, measured
from resray.figures.plot import (
    Figure,
    Layout,
    Panel,
    Series,
    Trace,
    between,
    layout,
    plotly_text,
    trace_of,
)
from resray.figures.search_plot import AUDITED, WINNER, hover, with_begun

NEAR = 0.04
"""Points of one value whose accuracies are nearer than this share of their range would overlap."""
STEP = 0.02
"""How far those are moved apart, where there is room."""


def search_space(
    results: Readable, points: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """The accuracy of a search's points against each axis of its space.

    ``points`` are all, or those trained in full.
    """
    return drawn(axes_figure, results, theme, view=points)


def axes_figure(results: Analysis) -> Figure | None:
    """One panel for each axis: the accuracy of every point against its value."""
    search = search_of(results)
    if search is None:
        return None
    drawn = measured(with_begun(search), lambda point: point.accuracy)
    if not drawn or not search.axes:
        return None
    full = measured(drawn, final_accuracy)
    kinds = by_kind(search, drawn)
    views = {"all points": axis_panels(search, kinds)}
    if 1 < len(full) < len(drawn):
        views["trained in full"] = axis_panels(search, by_kind(search, full))
    caption = (
        "Each point of the search once in every panel; points of one value that would cover each "
        "other are moved apart a little. Open: stopped or unfinished, at the accuracy"
        " and epoch that hovering tells; these do not compare with full trainings."
    )
    series = [kind for kind, points in kinds if points]
    title = "Accuracy against each axis"
    return Figure("axes", title, caption, series, of_search=True, **between("Points", views))


def axis_panels(
    search: Search, kinds: Sequence[tuple[Series, Sequence[SearchPoint]]]
) -> list[Panel]:
    return [
        Panel(f"Validation accuracy (%) against {axis.label}",
              list(dots(kinds, places_on(axis, [one for _, own in kinds for one in own]), search)),
              axis_layout(axis))
        for axis in search.axes
    ]  # fmt: skip


def by_kind(
    search: Search, points: Sequence[SearchPoint]
) -> list[tuple[Series, list[SearchPoint]]]:
    """Return the points by how they are drawn: early ends first, the winner on top."""
    full = [point for point in points if point.state == COMPLETED and point is not search.won]
    audited = [point for point in points if point.audited]
    early = [point for point in points if point.state != COMPLETED and not point.audited]
    return [
        (Series("early", "ended early", "@series-5", "circle"), early),
        (AUDITED, audited),
        (Series("full", "trained in full", "@series-0", "circle"), full),
        (WINNER, [point for point in points if point is search.won]),
    ]


def places_on(axis: SpaceAxis, points: Sequence[SearchPoint]) -> dict[str, float]:
    """Return where points lie on an axis, by the id of their first trial.

    Of those that would cover each other the last one, which is drawn on top, stays in its place.
    """
    heights = [drawn_accuracy(point) or 0.0 for point in points]
    near = NEAR * ((max(heights) - min(heights)) or 1.0)
    found: dict[str, float] = {}
    taken: dict[float, list[float]] = {}
    for point, height in zip(reversed(points), reversed(heights), strict=True):
        place = axis.place(point.values)
        others = taken.setdefault(place, [])
        covering = sum(abs(height - other) < near for other in others)
        others.append(height)
        found[point.rows[0]["trial_id"]] = place + aside(covering, axis.room)
    return found


def aside(number: int, room: float) -> float:
    """Return how far the n-th point over another is moved: to the right, left, right and so on."""
    steps = (number + 1) // 2 * (-1) ** (number + 1)
    return max(-room / 2, min(room / 2, steps * STEP))


def drawn_accuracy(point: SearchPoint) -> float | None:
    return final_accuracy(point) if point.audited else point.accuracy


def dots(
    kinds: Sequence[tuple[Series, Sequence[SearchPoint]]],
    places: Mapping[str, float],
    search: Search,
) -> Iterator[Trace]:
    for series, points in kinds:
        open_ = "-open" if series.key == "early" else ""
        yield trace_of(
            series,
            type="scatter",
            mode="markers",
            x=[places[point.rows[0]["trial_id"]] for point in points],
            y=[drawn_accuracy(point) for point in points],
            marker={"color": series.colour, "symbol": series.symbol + open_,
                    "size": 12 if series is WINNER else 8, "opacity": 0.75 if open_ else 1,
                    "line": {"width": 1.2, "color": series.colour if open_ else "@paper"}},
            customdata=[hover(search, point) for point in points],
            hovertemplate="%{customdata}<extra></extra>",
            cliponaxis=False,
        )  # fmt: skip


def axis_layout(axis: SpaceAxis) -> Layout:
    low = -0.08 if axis.everywhere else ABSENT - 0.08
    places, texts = zip(*axis.ticks, strict=True)
    shown = {"range": [low, 1.08], "tickvals": list(places),
             "ticktext": [plotly_text(text) for text in texts]}  # fmt: skip
    scale = "log scale" if axis.continuous and axis.logarithmic else ""
    return layout(scale, 250, xaxis=shown)
