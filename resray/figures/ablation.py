"""The tables and the figure of an ablation."""

from collections.abc import Mapping, Sequence

from resray.analysis.ablation import Ablation, MeasuredStep, ablations
from resray.analysis.groups import name_of
from resray.analysis.metrics import values_of
from resray.analysis.results import Analysis
from resray.analysis.words import MISSING, fixed
from resray.figures import plot
from resray.figures.drawn import PlotlyFigure, Readable, drawn
from resray.figures.plot import plotly_text
from resray.figures.time_per_epoch import seconds
from resray.study.entries import FULL


def step_label(ablation: Ablation, place: int) -> str:
    """Return ``+ batch`` rather than a step's long name, and what stood in for its model."""
    measured = ablation.steps[place]
    name, change = measured.step.name, measured.step.change
    if change:
        whole = f" ({FULL})" if name == FULL else ""
        name = f"{'−' if ablation.form == 'remove' else '+'} {change}{whole}"
    first = measured.group.trials[0] if measured.group else None
    return name + (name_of(first).removeprefix(str(first["name"])) if first else "")


def ablation(results: Readable, form: str | None = None, theme: str = "light") -> PlotlyFigure:
    """Seconds per epoch of each step of an ablation, with its test accuracy.

    ``form`` is one of the ablation's forms (chain, add, remove).
    """
    return drawn(ablation_figure, results, theme, view=form)


def ablation_figure(results: Analysis) -> plot.Figure | None:
    """Seconds per epoch of each step with its test accuracy beside it; a view for each form."""
    made = ablations(results)
    if not made:
        return None
    look = plot.all_series(results.groups)
    views = {
        " · ".join(filter(None, (one.form, one.condition))): step_panels(results, one, look)
        for one in made
    }
    text = "Steps from top to bottom. Bars start at zero; shorter is faster. "
    if any(ablation.obstacle for ablation in made):
        text += "Open bars: shared machine, times not compared."
    return plot.Figure("ablation", "Ablation", text, [], **plot.between("Form", views))


def step_panels(
    results: Analysis, ablation: Ablation, look: dict[str, plot.Series]
) -> list[plot.Panel]:
    places = [place for place, step in enumerate(ablation.steps) if step.group]
    shared = " (shared)" if ablation.obstacle else ""
    labels = [plotly_text(step_label(ablation, place)) + shared for place in places]
    spent = plot.bars(
        [step.group for step in ablation.finished if step.group], look, "training",
        lambda group: list(values_of(results, group, "seconds_per_epoch").values()),
        spread_bars=True,
    )  # fmt: skip
    # A step is not hidden with the configuration that it is of: the others follow from it.
    spent |= {"y": labels, "text": [seconds(step.seconds) for step in ablation.finished],
                "meta": {}}  # fmt: skip
    accuracy = accuracy_trace(ablation.finished, labels, look)
    # From the lowest to the highest, with room for the figures.
    values = [x for x in accuracy["x"] if x is not None] or [0.0]
    axis = {"range": plot.with_room(values, 0.15, 1.0), "showgrid": True}
    return [
        plot.Panel(
            "Training seconds per epoch", [spent], plot.bar_layout("seconds", len(places), 34)
        ),
        plot.Panel(
            "Test accuracy (%)", [accuracy], plot.bar_layout("%", len(places), 34, xaxis=axis)
        ),
    ]


def accuracy_trace(
    steps: Sequence[MeasuredStep], labels: Sequence[str], look: Mapping[str, plot.Series]
) -> plot.Trace:
    series = [look[step.label] for step in steps]
    summaries = [step.accuracy for step in steps]
    halves = [summary and summary.half for summary in summaries]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [summary and summary.mean for summary in summaries],
        "y": list(labels),
        "error_x": {"type": "data", "array": halves, "color": "@muted", "thickness": 1.5,
                    "visible": any(halves)},
        "marker": {"color": [one.colour for one in series], "size": 11},
        "text": [fixed(summary.mean, 1) if summary else MISSING for summary in summaries],
        "textposition": "top center",
        "textfont": {"color": "@ink", "size": 11},
        "hovertemplate": "%{y}: %{x:.2f} %<extra></extra>",
        "cliponaxis": False,
    }  # fmt: skip
