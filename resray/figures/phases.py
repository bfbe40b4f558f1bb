"""Settings over the epochs: schedule and phases as they were in force."""

from collections.abc import Iterator, Sequence

from resray.analysis.groups import Group
from resray.analysis.phases import Course, Values, all_courses, changes, setting_name
from resray.analysis.results import Analysis
from resray.analysis.words import listed
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text


def phases(results: Readable, theme: str = "light") -> PlotlyFigure:
    """The settings that change during a training, over its epochs."""
    return drawn(phases_figure, results, theme)


def phases_figure(results: Analysis) -> plot.Figure | None:
    """One panel for each setting that changes in some trial: its value over the epochs."""
    found = [(group, course) for group, own in all_courses(results) for course in own]
    keys = dict.fromkeys(key for _, course in found for key, values in course.items()
                         if changes(key, values))  # fmt: skip
    if not keys:
        return None
    look = plot.all_series(results.groups)
    axis = plot.epoch_axis(results)
    panels = [
        plot.Panel(
            setting_name(key),
            list(
                step_lines(key, found, look) if len(look) <= plot.MANY else shared_lines(key, found)
            ),
            plot.layout("epoch", 210, xaxis=axis, yaxis={"rangemode": "tozero", "nticks": 4}),
        )
        for key in keys
    ]
    drawn = {group.label for group, _ in found}
    few = len(look) <= plot.MANY
    series = [one for label, one in look.items() if label in drawn] if few else []
    coinciding = ("Where lines coincide, those beneath are wider." if few else
                  "One line for all configurations that share a course.")  # fmt: skip
    caption = (
        "Values as recorded in each epoch; learning rate and momentum are those of its last step. "
        f"A line ends where the setting is off or the training ended. {coinciding}"
        f"{plot.dashed_note(series)}"
    )
    return plot.Figure("phases", "Schedule and phases", caption, series, panels)


def step_lines(
    key: str, found: Sequence[tuple[Group, Course]], look: dict[str, plot.Series]
) -> Iterator[plot.Trace]:
    """Yield a line for each group, wider where later ones would hide it."""
    lines = [(group, course[key]) for group, course in found if any_number(course.get(key, ()))]
    for place, (group, values) in enumerate(lines):
        above = min(sum(meet(values, other) for _, other in lines[place + 1 :]), 4)
        series = look[group.label]
        yield plot.trace_of(
            series,
            type="scatter",
            mode="lines+markers" if len(values) <= 12 else "lines",
            x=list(range(1, len(values) + 1)),
            y=list(values),
            line={"color": series.colour, "width": 2 + 2 * above, "shape": "hvh",
                  "dash": series.dash},
            marker={"color": series.colour, "size": 6 + 2 * above,
                    "symbol": series.symbol},
            hovertemplate=f"<b>{plotly_text(group.label)}</b><br>{plotly_text(setting_name(key))}: "
                          "%{y:.4~g}<br>epoch: %{x}<extra></extra>",
            cliponaxis=False,
        )  # fmt: skip


def shared_lines(key: str, found: Sequence[tuple[Group, Course]]) -> Iterator[plot.Trace]:
    """Yield a line for each different course of a setting, with the groups that share it."""
    sharing: dict[Values, list[str]] = {}
    for group, course in found:
        if any_number(course.get(key, ())):
            sharing.setdefault(course[key], []).append(group.label)
    for place, (values, labels) in enumerate(sharing.items()):
        yield {
            "type": "scatter",
            "mode": "lines",
            "x": plot.Curve(float(epoch) for epoch in range(1, len(values) + 1)),
            "y": plot.Curve(values),
            "line": {"color": f"@series-{place % plot.COLOURS}", "width": 2, "shape": "hvh",
                     "dash": plot.dash_of(place)},
            "hovertemplate": f"<b>{plotly_text(listed(labels, most=6))}</b>"
                             f"<br>{plotly_text(setting_name(key))}: %{{y:.4~g}}"
                             "<br>epoch: %{x}<extra></extra>",
            "showlegend": False,
            "cliponaxis": False,
        }  # fmt: skip


def any_number(values: Values) -> bool:
    return any(value is not None for value in values)


def meet(values: Values, others: Values) -> bool:
    """Return whether two lines coincide somewhere."""
    return any(value is not None and value == other
               for value, other in zip(values, others, strict=False))  # fmt: skip
