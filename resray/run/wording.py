"""How what trials came to is put into words, wherever it is shown while they run or at the end."""

from collections.abc import Iterable, Mapping
from typing import Any

from resray.results.summary import LAST, TEST, VALIDATION, chosen_by, is_evaluated
from resray.run.views import TrialView
from resray.search.rules import Decision

SELECTED = {
    VALIDATION: ("best validation", "its epoch", "its test"),
    TEST: ("its validation", "its epoch", "best test"),
    LAST: ("validation", LAST, "its test"),
}
"""What a trial came to, everywhere by these names, by what chose its epoch."""
MIXED = ("validation", "selected epoch", "its test")
"""Where that differs among trials."""
STATES = ("running", "starting again", "preempted", "waiting", "paused", "completed", "stopped",
          "failed", "interrupted")  # fmt: skip


def headings(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return what stands above the figures of these trials' rows: their speed is over all epochs.

    Rows without an epoch yet, whose figures are empty, have no say.
    """
    kinds = {chosen_by(row) for row in rows if row.get("epochs_done")} or {VALIDATION}
    return *(SELECTED[kinds.pop()] if len(kinds) == 1 else MIXED), "images/s"


def selected_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the figures of a trial's row under `headings`, empty where there is no epoch yet."""
    if not row.get("epochs_done"):
        return [""] * 4
    return [
        percent(row["validation_accuracy"]),
        "–" if row["best_epoch"] is None else str(row["best_epoch"]),
        percent(row["test_accuracy"]),
        f"{row['images_per_second']:.0f}",
    ]


def selected(row: Mapping[str, Any]) -> str:
    """Return the accuracies among them in words."""
    validation, epoch, test, _ = selected_cells(row)
    chosen = chosen_by(row)
    if chosen == LAST:
        return f"last epoch's test {test} (epoch {epoch})"
    if chosen == TEST:
        held_out = "" if row["validation_accuracy"] is None else f", its validation {validation}"
        return f"best test {test} (epoch {epoch}){held_out}"
    return f"best validation {validation} (epoch {epoch}), its test {test}"


def measured(record: Mapping[str, Any]) -> str:
    """Return the validation accuracy of an epoch, or that nothing was measured after it."""
    accuracy = percent(record["validation_accuracy"])
    return f"validation {accuracy}" if is_evaluated(record) else "not evaluated"


def speed(row: Mapping[str, Any]) -> str:
    """Return ``117 images/s, utilisation 57 %``; the latter where the device's rate is known."""
    used = row.get("utilisation")
    said = "" if used is None else f", utilisation {share(used)}"
    return f"{row['images_per_second']:.0f} images/s{said}"


def percent(value: float | None) -> str:
    """Return ``87.92 %``, or a dash for what was not measured."""
    return "–" if value is None else f"{value:.2f} %"


def share(value: float | None) -> str:
    """Return ``57 %`` of 0.57, or a dash for what was not measured."""
    return "–" if value is None else f"{value:.0%}".replace("%", " %")


def duration(seconds: float | None) -> str:
    """Return ``2 h 05 min``, ``3 min 07 s``, ``12 s``, or a question mark if unknown."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def counted(states: Mapping[tuple[str, str], int], role: str) -> str:
    """Return how many trials of a role are in each state."""
    return ", ".join(f"{states[role, each]} {each}" for each in STATES if states[role, each])


def accuracies(view: TrialView) -> str:
    """Return a trial's best accuracy on validation, of a confirmation also its epoch and test."""
    if view.role == "confirmation":
        return selected(view.row)
    return f"best validation {percent(view.row['validation_accuracy'])}"


def ending(view: TrialView) -> str:
    """Return how a trial ended."""
    reason = view.row["error_message"] or view.row["reason"]
    said = f"{view.state} ({reason})" if reason else view.state
    return said if view.role == "bench" or view.state == "failed" else f"{said}, {accuracies(view)}"


def went_on(decision: Decision) -> str:
    """Return where and with what a trial goes on beyond a rung."""
    best = f"best validation {percent(decision.value)}"
    return f"epoch {decision.epoch}, {best}, {beyond(decision)}"


def beyond(decision: Decision) -> str:
    """Return that a trial goes on beyond a rung."""
    cutoff = "" if decision.cutoff is None else f" (cutoff {percent(decision.cutoff)})"
    return f"goes on beyond rung {decision.rung}{cutoff}"


def describe(view: TrialView) -> str:
    """Return which trial has which accuracy, and where."""
    row, rung = view.row, f", rung {view.row['rung']}" if view.row["rung"] else ""
    return (
        f"{percent(row['validation_accuracy'])} on validation, {view.label}, epoch "
        f"{row['best_epoch']} of {view.full_epochs}{rung}"
    )


def limit(value: float | None) -> str:
    """Return `` of 4``, or nothing without a limit."""
    return "" if value is None else f" of {value:g}"
