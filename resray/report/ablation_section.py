"""The tables and the figure of an ablation."""

from collections.abc import Mapping, Sequence
from typing import Any

from resray.analysis.ablation import Ablation, MeasuredStep, ablations
from resray.analysis.contrast_words import with_detectable
from resray.analysis.declared import declared
from resray.analysis.results import Analysis
from resray.analysis.statistics import summarise
from resray.analysis.words import between, fixed, listed, signed, with_interval
from resray.figures.ablation import step_label
from resray.figures.time_per_epoch import seconds
from resray.report.claims_section import BY_CLAIM, claims_cell
from resray.report.record import setting
from resray.report.sections import marks
from resray.report.tables import Cell, number_cell, table, text_cell
from resray.report.text import Html, join, tag
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


def ablation_section(results: Analysis) -> Html:
    """A table for each form of the ablation, with the product of its factors; nothing if none."""
    made = enumerate(ablations(results), 1)
    parts = [form_part(results, ablation, place) for place, ablation in made]
    reading = tag("p", READING, BY_CLAIM if declared(results) else "")
    return join([reading, *parts]) if parts else Html()


def form_part(results: Analysis, ablation: Ablation, place: int) -> Html:
    title = TITLES[ablation.form] + (f" ({ablation.condition})" if ablation.condition else "")
    sentences = [*products(ablation), *cautions(ablation)]
    return join(
        [
            tag("h3", title),
            tag("p", " ".join(sentences)),
            form_table(results, ablation, f"ablation-{place}"),
        ]
    )


def form_table(results: Analysis, ablation: Ablation, id: str) -> Html:
    study = results.study
    assert study is not None
    assert study.ablate is not None
    changes = study.ablate.changes
    targets = [study.target_accuracy, ablation.common_accuracy]
    wanted = list(dict.fromkeys(target for target in targets if target is not None))
    rows = (step_row(results, ablation, place, changes, wanted)
            for place in range(len(ablation.steps)))  # fmt: skip
    return table(caption(ablation), rows, id=id)


def step_row(
    results: Analysis,
    ablation: Ablation,
    place: int,
    changes: Mapping[str, Mapping[str, Any]],
    targets: Sequence[float],
) -> list[Cell]:
    measured, gain = ablation.steps[place], ablation.gains.get(place)
    compared = (measured.group, ablation.reference(place).group) if gain else ()
    shared = " (shared)" if ablation.obstacle and measured.seconds else ""
    return [
        text_cell("Step", step_label(ablation, place)),
        text_cell("Switched", switched(ablation, place, changes)),
        number_cell("n", len(measured.group.finished) if measured.group else 0),
        number_cell("Seconds per epoch", seconds(measured.seconds) + shared),
        number_cell(FACTORS[ablation.form], fixed(ablation.factor(place))),
        number_cell("Test accuracy, %", tag("strong", with_interval(measured.accuracy))),
        number_cell(f"Points against {AGAINST[ablation.form]}", gain and signed(gain.value)),
        number_cell("95 % interval", gain and between(gain.interval)),
        *(number_cell(f"Seconds to {fixed(target)}\u00a0%", time_to(measured, target, shared))
          for target in targets),
        text_cell("Note", note(ablation, place), optional=True),
        claims_cell(results, *compared),
    ]  # fmt: skip


def note(ablation: Ablation, place: int) -> str | None:
    """Return what sets a step apart from the others, or that it is missing."""
    own = ablation.steps[place].group
    if own is None:
        return "no finished trial"
    found = {marks(step.group, timed=False) for step in ablation.finished if step.group}
    return marks(own, timed=False) if len(found) > 1 else None


def switched(ablation: Ablation, place: int, changes: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the settings that a step switches: ``batch_size=256``."""
    change = ablation.steps[place].step.change
    if change is None:
        return "nothing: the reference" if place == 0 else "all"
    return ", ".join(
        f"{key}={'off' if value is None else setting(value)}"
        for key, value in flatten(changes[change]).items()
    )


def time_to(measured: MeasuredStep, accuracy: float, mark: str = "") -> str:
    """Return the mean seconds to an accuracy, marked, or how many of the trials ever reached it."""
    times = measured.seconds_to(accuracy)
    reached = [seconds for seconds in times if seconds is not None]
    if len(reached) == len(times):
        return seconds(summarise(reached)) + (mark if reached else "")
    # A mean over those that reached it would hide the slowest.
    return f"reached by {len(reached)} of {len(times)} seeds" if reached else "not reached"


def caption(ablation: Ablation) -> str:
    """Return the form, the accuracy that all reached, and what was reduced."""
    parts = [with_detectable(ablation.form.capitalize(), ablation.gains.values())]
    if (common := ablation.common_accuracy) is not None:
        parts.append(f"{fixed(common)}\u00a0% is the highest test accuracy that every trial here "
                     "reached at some epoch")  # fmt: skip
    groups = [step.group for step in ablation.finished if step.group]
    if reduced := list(dict.fromkeys(what for group in groups for what in group.reductions)):
        parts.append(f"Reduced runs: {listed(reduced, most=8)}")
    return ". ".join(parts)


def products(ablation: Ablation) -> list[str]:
    """Return the product of the single factors beside the whole, in sentences."""
    if ablation.obstacle:
        return [f"Factors are not judged ({ablation.obstacle})."]
    whole, product = ablation.whole, ablation.product
    if whole is None or product is None:
        missing = listed((step.label for step in ablation.steps if not step.group), most=8)
        return [f"No product of factors: without a finished trial are {missing}."]
    written = f"{' × '.join(fixed(factor) for factor in ablation.singles)} = {fixed(product)}"
    names = {step.step.name: seconds(step.seconds) for step in ablation.steps}
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
