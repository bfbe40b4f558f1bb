"""Figures of a searched space: parallel coordinates, and accuracy against each axis."""

from collections.abc import Callable, Iterator, Sequence

from resray.analysis.results import Analysis
from resray.analysis.search import COMPLETED, Search, SearchPoint, search_of
from resray.analysis.search_axes import ABSENT, SpaceAxis, short_text
from resray.analysis.words import fixed
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import Figure, Layout, Panel, Trace, between, layout, plotly_text
from resray.figures.search_plot import SHADES, WINNER, hover, shade, with_begun

ROW = 72
"""Pixels between two axes of the parallel coordinates."""
NAME, LETTER = 16, 7
"""Of axes' names beside the parallel coordinates: most letters, so that a phone has room for the
lines, and pixels of one."""
ABSENT_ROOM = 0.08
"""The width of the band of points to which an axis does not apply."""
Value = Callable[[SearchPoint], float | None]


def final_accuracy(point: SearchPoint) -> float | None:
    """Return a point's validation accuracy after its full length, None if it never got there."""
    if point.audited:
        return float(point.audited["validation_accuracy"])
    return point.accuracy if point.state == COMPLETED else None


def measured(points: Sequence[SearchPoint], value: Value) -> list[SearchPoint]:
    return [point for point in points if value(point) is not None]


def parallel_coordinates(
    results: Readable, points: str | None = None, theme: str = "light"
) -> PlotlyFigure:
    """Each point of a search as a line through its values.

    ``points`` are those trained in full, or all.
    """
    return drawn(parallel_figure, results, theme, view=points)


def parallel_figure(results: Analysis) -> Figure | None:
    """Each point as a line through its values on all axes, down to its accuracy."""
    search = search_of(results)
    if search is None or not search.axes:
        return None
    drawn = with_begun(search)
    choices: list[tuple[str, Value]] = [("trained in full", final_accuracy),
                                        ("all points", lambda point: point.accuracy)]  # fmt: skip
    views = {label: [parallel_panel(search, measured(drawn, value), value)]
             for label, value in choices if len(measured(drawn, value)) > 1}  # fmt: skip
    if not views:
        return None
    caption = (
        "Each line is a point: it crosses every axis at its value and ends at its validation "
        "accuracy; the darker (on dark paper, the brighter), the higher. Orange: the winner. "
        "Points of one value lie side by side. Stopped points stand at the accuracy at their stop."
    )
    if any(not axis.everywhere for axis in search.axes):
        caption += " “–”: the axis does not apply."
    return Figure(
        "parallel", "Parallel coordinates", caption, [], of_search=True, **between("Points", views)
    )


def parallel_panel(search: Search, points: Sequence[SearchPoint], value: Value) -> Panel:
    accuracies = [value(point) or 0.0 for point in points]
    low, high = min(accuracies), max(accuracies)
    columns = [spread_places(axis, points, accuracies) for axis in search.axes]
    span = (high - low) or 1.0
    columns.append([(accuracy - low) / span for accuracy in accuracies])
    traces = [
        line_of(search, point, [column[place] for column in columns],
                shade(accuracies[place], low, high))
        for place, point in enumerate(points)
    ]  # fmt: skip
    return Panel("Points and their validation accuracy", traces,
                 parallel_layout(search.axes, low, high))  # fmt: skip


def spread_places(
    axis: SpaceAxis, points: Sequence[SearchPoint], accuracies: Sequence[float]
) -> list[float]:
    """Return where lines cross an axis: those of one value side by side, the best to the right."""
    places = [axis.place(point.values) for point in points]
    found = list(places)
    for place in set(places):
        same = [index for index, other in enumerate(places) if other == place]
        same.sort(key=lambda index: accuracies[index])
        own = ABSENT_ROOM if place == ABSENT else axis.room
        for number, index in enumerate(same):
            found[index] = place + own * ((number + 0.5) / len(same) - 0.5)
    return found


def line_of(search: Search, point: SearchPoint, places: Sequence[float], colour: str) -> Trace:
    won = point is search.won
    colour = WINNER.colour if won else colour
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(places),
        "y": list(range(len(places) - 1, -1, -1)),
        "line": {"color": colour, "width": 3.5 if won else 1.6, "shape": "linear"},
        "marker": {"color": colour, "size": 8 if won else 4},
        "hovertemplate": f"{hover(search, point)}<extra></extra>",
        "showlegend": False,
        "cliponaxis": False,
    }


def parallel_layout(axes: Sequence[SpaceAxis], low: float, high: float) -> Layout:
    """Return the layout: an axis in each row, the accuracy in the last, all with their ticks."""
    rows = len(axes)
    names = [*(short_text(axis.label, NAME) for axis in axes), "accuracy (%)"]
    accuracies = [(place, str(fixed(low + place * (high - low), 1))) for place in (0.0, 0.5, 1.0)]
    ticks: list[Sequence[tuple[float, str]]] = [*(axis.ticks for axis in axes), accuracies]
    absent = any(not axis.everywhere for axis in axes)
    hidden = {"visible": False, "range": [ABSENT - 0.06 if absent else -0.06, 1.06],
              "fixedrange": True}  # fmt: skip
    return layout(
        "",
        60 + ROW * (rows + 1),
        margin={"l": 16 + LETTER * max(map(len, names)), "r": 14, "t": 10, "b": 8},
        xaxis=hidden,
        yaxis={"visible": False, "range": [-0.55, rows + 0.45], "fixedrange": True},
        shapes=[*(axis_line(rows - row) for row in range(rows)), *accuracy_line()],
        annotations=[
            *(name_note(name, rows - row) for row, name in enumerate(names)),
            *(tick_note(place, text, rows - row)
              for row, texts in enumerate(ticks) for place, text in texts),
        ],
    )  # fmt: skip


def axis_line(row: int) -> Layout:
    return {"type": "line", "layer": "below", "x0": 0, "x1": 1, "y0": row, "y1": row,
            "line": {"color": "@axis", "width": 1}}  # fmt: skip


def accuracy_line() -> Iterator[Layout]:
    """Yield the parts of the last axis, each in the colour of the lines that end there."""
    for step in range(SHADES):
        yield axis_line(0) | {"x0": step / SHADES, "x1": (step + 1) / SHADES,
                              "line": {"color": f"@scale-{step}", "width": 6}}  # fmt: skip


def name_note(name: str, row: int) -> Layout:
    """Return an axis's name, in the margin, where no line passes."""
    text = f"<b>{plotly_text(name)}</b>"
    return {"x": 0, "xref": "paper", "xanchor": "right", "y": row, "text": text,
            "showarrow": False, "font": {"color": "@ink", "size": 12}}  # fmt: skip


def tick_note(place: float, text: str, row: int) -> Layout:
    return {"x": place, "y": row, "text": plotly_text(text), "showarrow": False, "yshift": -13,
            "font": {"color": "@muted", "size": 11}, "bgcolor": "@veil"}  # fmt: skip
