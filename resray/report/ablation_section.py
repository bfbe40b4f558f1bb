"""The tables and the figure of an ablation."""

from collections.abc import Mapping, Sequence
from typing import Any

from resray.analysis.ablation import Ablation, MeasuredStep, ablations
from resray.analysis.aggregate import name_of
from resray.analysis.metrics import values_of
from resray.analysis.results import Results
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import MISSING, between, fixed, listed, signed, with_interval
from resray.report import plot
from resray.report.record import setting
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, plotly_text, tag
from resray.study.entries import FULL, PLAIN
from resray.study.layers import flatten

TITLES = {
    "chain": "Chain: one change after the other",
    "add": "Add: each change alone on the plain recipe",
    "remove": "Remove: each change taken from the full recipe",
}
FACTORS = {
    "chain": "Times faster than the step before",
    "add": "Times faster than plain",
    "remove": "Times slower than full",
}
READING = (
    "Means over finished trials, ± half the 95 % interval where n is 2 or more; intervals of "
    "gains hold for all steps of a form together (Welch 1947, Sidak 1967). Seconds are "
    "those of training steps, per epoch without the first epoch of each start where there are "
    "others. Test accuracy is that of the epoch with the highest validation accuracy; the time to "
    "an accuracy ends with the first epoch whose test accuracy reaches it."
)
AGAINST = {"chain": "the step before", "add": "plain", "remove": "full"}


def ablation_section(results: Results) -> Html:
    """A table for each form of the ablation, with the product of its factors; nothing if none."""
    made = enumerate(ablations(results), 1)
    parts = [form_part(results, ablation, place) for place, ablation in made]
    return join([tag("p", READING), *parts]) if parts else Html()


def form_part(results: Results, ablation: Ablation, place: int) -> Html:
    title = TITLES[ablation.form] + (f" ({ablation.condition})" if ablation.condition else "")
    sentences = [*products(ablation), *cautions(ablation)]
    return join(
        [
            tag("h3", title),
            tag("p", " ".join(sentences)),
            form_table(results, ablation, f"ablation-{place}"),
        ]
    )


def form_table(results: Results, ablation: Ablation, id: str) -> Html:
    study = results.study
    assert study is not None
    assert study.ablate is not None
    changes = study.ablate.changes
    targets = [study.target_accuracy, ablation.common_accuracy]
    wanted = list(dict.fromkeys(target for target in targets if target is not None))
    rows = (step_row(ablation, place, changes, wanted) for place in range(len(ablation.steps)))
    return table(caption(ablation), rows, id=id)


def step_row(
    ablation: Ablation,
    place: int,
    changes: Mapping[str, Mapping[str, Any]],
    targets: Sequence[float],
) -> list[Cell]:
    measured, gain = ablation.steps[place], ablation.gains.get(place)
    shared = " (shared)" if ablation.obstacle and measured.seconds else ""
    return [
        text_cell("Step", step_label(ablation, place)),
        text_cell("Switched", switched(ablation, place, changes)),
        number_cell("n", len(measured.group.finished) if measured.group else 0),
        number_cell("Seconds per epoch", seconds_text(measured.seconds) + shared),
        number_cell(FACTORS[ablation.form], fixed(ablation.factor(place))),
        number_cell("Test accuracy, %", tag("strong", with_interval(measured.accuracy))),
        number_cell(f"Points against {AGAINST[ablation.form]}", gain and signed(gain.value)),
        number_cell("95 % interval", gain and between(gain.interval)),
        *(number_cell(f"Seconds to {fixed(target)}\u00a0%", time_to(measured, target, shared))
          for target in targets),
        text_cell("Note", note(ablation, place), optional=True),
    ]  # fmt: skip


def note(ablation: Ablation, place: int) -> str | None:
    """Return what sets a step apart from the others, or that it is missing."""
    own = ablation.steps[place].group
    if own is None:
        return "no finished trial"
    found = {marks(step.group, timed=False) for step in ablation.finished if step.group}
    return marks(own, timed=False) if len(found) > 1 else None


def step_label(ablation: Ablation, place: int) -> str:
    """Return ``+ batch`` rather than a step's long name, and what stood in for its model."""
    measured = ablation.steps[place]
    name, change = measured.step.name, measured.step.change
    if change:
        whole = f" ({FULL})" if name == FULL else ""
        name = f"{'−' if ablation.form == 'remove' else '+'} {change}{whole}"
    first = measured.group.trials[0] if measured.group else None
    return name + (name_of(first).removeprefix(str(first["name"])) if first else "")


def switched(ablation: Ablation, place: int, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the settings that a step switches: ``batch_size=256``."""
    change = ablation.steps[place].step.change
    if change is None:
        return "nothing: the reference" if place == 0 else "all"
    return ", ".join(
        f"{key}={'off' if value is None else setting(value)}"
        for key, value in flatten(changes[change]).items()
    )


def seconds_text(summary: Summary | None) -> str:
    """Return seconds with three digits or so that mean something."""
    small = summary is not None and summary.mean < 10
    return with_interval(summary, 2 if small else 1)


def time_to(measured: MeasuredStep, accuracy: float, mark: str = "") -> str:
    """Return the mean seconds to an accuracy, marked, or how many of the trials ever reached it."""
    times = measured.seconds_to(accuracy)
    reached = [seconds for seconds in times if seconds is not None]
    if len(reached) == len(times):
        return seconds_text(summarise(reached)) + (mark if reached else "")
    # A mean over those that reached it would hide the slowest.
    return f"reached by {len(reached)} of {len(times)} seeds" if reached else "not reached"


def caption(ablation: Ablation) -> str:
    """Return the form, the accuracy that all reached, and what was reduced."""
    parts = [ablation.form.capitalize()]
    if (common := ablation.common_accuracy) is not None:
        parts.append(f"{fixed(common)}\u00a0% is the highest test accuracy that every trial here "
                     "reached at some epoch")  # fmt: skip
    groups = [step.group for step in ablation.finished if step.group]
    if reduced := list(dict.fromkeys(what for group in groups for what in group.reductions)):
        parts.append(f"Reduced runs: {listed(reduced, most=8)}")
    return ". ".join(parts)


# --- factors in words ---------------------------------------------------------------------------


def products(ablation: Ablation) -> list[str]:
    """Return the product of the single factors beside the whole, in sentences."""
    if ablation.obstacle:
        return [f"Factors are {ablation.obstacle}."]
    whole, product = ablation.whole, ablation.product
    if whole is None or product is None:
        missing = listed((step.label for step in ablation.steps if not step.group), most=8)
        return [f"No product of factors: without a finished trial are {missing}."]
    written = f"{' × '.join(fixed(factor) for factor in ablation.singles)} = {fixed(product)}"
    names = {step.step.name: seconds_text(step.seconds) for step in ablation.steps}
    whole_text = (
        f"An epoch of plain takes {names[PLAIN]}\u00a0s, of full {names[FULL]}\u00a0s: "
        f"a factor of {fixed(whole)}."
    )
    if ablation.form == "chain":
        return [whole_text, f"The steps' factors multiply to it: {written}."]
    return [whole_text, f"Product of the single factors: {written}.", interaction(ablation)]


def interaction(ablation: Ablation) -> str:
    """Say what the whole divided by the product of single factors means.

    Where changes help each other, each alone brings less, and each taken away costs more.
    """
    value, interval = ablation.interaction, ablation.interaction_interval
    assert value is not None
    ends = f" (95 % interval {fixed(interval.low)} to {fixed(interval.high)})" if interval else ""
    start = f"Interaction (whole divided by product): {fixed(value)}{ends}"
    if interval is None or interval.low <= 1 <= interval.high:
        return f"{start}: that the changes act together otherwise than alone is not shown."
    more = "more" if value > 1 else "less"
    helps = (value > 1) == (ablation.form == "add")
    meaning = "the changes help each other" if helps else "the changes partly replace each other"
    return f"{start}: all together bring {more} than the single factors multiply to; {meaning}."


def cautions(ablation: Ablation) -> list[str]:
    single = all(len(step.group.finished) == 1 for step in ablation.finished if step.group)
    found = ["One seed each, so how far the figures spread is unknown."] if single else []
    if any(step.group and step.group.reductions for step in ablation.finished):
        found.append("These are reduced runs.")
    return found


# --- the figure ---------------------------------------------------------------------------------


def ablation_figure(results: Results) -> plot.Figure | None:
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
    results: Results, ablation: Ablation, look: dict[str, plot.Series]
) -> list[plot.Panel]:
    places = [place for place, step in enumerate(ablation.steps) if step.group]
    shared = " (shared)" if ablation.obstacle else ""
    labels = [plotly_text(step_label(ablation, place)) + shared for place in places]
    seconds = plot.bars(
        [step.group for step in ablation.finished if step.group], look, "training",
        lambda group: list(values_of(results, group, "seconds_per_epoch").values()),
        spread_bars=True,
    )  # fmt: skip
    # A step is not hidden with the configuration that it is of: the others follow from it.
    seconds |= {"y": labels, "text": [seconds_text(step.seconds) for step in ablation.finished],
                "meta": {}}  # fmt: skip
    accuracy = accuracy_trace(ablation.finished, labels, look)
    # From the lowest to the highest, with room for the figures.
    values = [x for x in accuracy["x"] if x is not None] or [0.0]
    axis = {"range": plot.with_room(values, 0.15, 1.0), "showgrid": True}
    return [
        plot.Panel(
            "Training seconds per epoch", [seconds], plot.bar_layout("seconds", len(places), 34)
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
