"""What the user sees while a search runs: a live overview on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.results.store import ResultStore
from resray.run.progress import (
    Board,
    TrialView,
    duration,
    measured,
    percent,
    selected,
)
from resray.run.search_tally import Followed, Tally
from resray.search.budget import Budget, Spending
from resray.search.referee import Referee, RungState
from resray.search.rules import Decision

FEW = 12
"""Up to so many trials of a search have a line for each start and epoch."""
BEST_ROWS = 3
RUNNING_ROWS = 16
RUNG_ROWS = 8
"""Median stopping decides after every epoch; the latest are shown."""

STATES = (
    "running",
    "starting again",
    "waiting",
    "paused",
    "completed",
    "stopped",
    "failed",
    "interrupted",
)


class SearchBoard(Board):
    """Listens to the trials of a search and shows them; the best is the best by validation.

    ``points`` is how many points there will be, None if that is not known beforehand. ``spending``
    holds the GPU-hours of all of the search's trials in the results, and follows those planned
    here.
    """

    def __init__(
        self,
        store: ResultStore,
        console: Console,
        referee: Referee,
        *,
        side_by_side: int,
        budget: Budget,
        points: int | None,
        spending: Spending,
    ) -> None:
        super().__init__((), store, console, side_by_side)
        self._referee = referee
        self._budget = budget
        self._spending = spending
        self.tally = Tally(store, referee, spending, points)

    def plan(self, view: TrialView, role: str) -> None:
        """Follow a trial, whose row is in the store, as ``search``, ``confirmation`` or ``audit``.

        At any time, and again when it takes a new part: a stopped trial of the search that is
        trained on for the audit, the next leg of one that went on. A trial that ended in an earlier
        command counts with what its row says.
        """
        self.tally.plan(view, role)

    def hear(self, trial_id: str, message: Mapping[str, Any]) -> None:
        """Take in a message that has been recorded and, if it made one, decided on.

        Of the kinds of `run_trial`, or ``died``, ``stopped`` (by the scheduler or a budget),
        ``paused`` (the trial waits at its rung) and ``judged`` (it waited, and may go on).
        """
        decisions = self.tally.hear(trial_id, message)
        trial = self.tally.trials[trial_id]
        passed = [each for each in decisions if each.rung is not None and not each.stopped]
        text = self._news(trial, message)
        lines = [went_on(decision) for decision in passed]
        if text is not None:
            lines = [", ".join([text, *map(beyond, passed)])]
        audit = " (audit)" if trial.role == "audit" else ""
        tell = self.say if message["kind"] == "died" else self._line
        for line in lines:
            tell(f"{trial.view.label}{audit}: {line} | {self._standing(trial.role)}")
        self._remark(trial.view, message)

    def seconds_left(self) -> float | None:
        """Return roughly the seconds until the trials planned so far have ended."""
        return self.tally.seconds_left(self._side_by_side)

    def _news(self, trial: Followed, message: Mapping[str, Any]) -> str | None:
        """Return what is worth a line of a message, or None."""
        view, kind = trial.view, message["kind"]
        if kind == "died":
            return f"{message['reason']}; it starts again from its last checkpoint"
        if kind == "paused":
            return f"waits at its rung, epoch {view.epoch}, {accuracies(trial)}"
        if kind in ("finished", "stopped"):
            return ending(trial)
        if kind == "judged" or self.tally.search_trials > FEW:
            return None
        if kind == "epoch":
            said = f"epoch {view.epoch}/{view.epochs}, {measured(message['record'])}"
            return f"{said}; {selected(trial.row)}" if trial.role == "confirmation" else said
        verb = f"goes on after epoch {view.epoch}" if view.epoch else "started"
        return f"{verb} on {message['facts']['device']}"

    def _standing(self, role: str) -> str:
        """Return the end of every line: time left, and while it searches the best and what that
        has cost so far."""
        if role != "search":
            return self._left()
        found = [
            f"best {percent(trial.row['validation_accuracy'])} ({trial.view.label})"
            for trial in self.tally.best(1)
        ]
        return ", ".join([*found, self._compute(), self._left()])

    def _compute(self) -> str:
        share = self.tally.share
        said = "none" if share is None else f"{share:.1f} %"
        return f"{said} of the compute of training every point in full"

    def _left(self) -> str:
        seconds = self.seconds_left()
        return "time left unknown" if seconds is None else f"about {duration(seconds)} left"

    def _seconds_per_work(self) -> float | None:
        return self.tally.seconds_per_work()

    def table(self) -> Table:
        """Return the overview as it stands now."""
        overview = Table.grid()
        for line in self._headlines():
            overview.add_row(Text(line))
        rungs = self._referee.table()
        if rungs:
            overview.add_row(rung_table(rungs[-RUNG_ROWS:]))
        overview.add_row(self._trial_table())
        return overview

    def _headlines(self) -> list[str]:
        left = self._left() if self.tally.begun else "starting worker processes"
        lines = [f"{self._elapsed()} so far, {left}; {self._compute()}"]
        if spent := self._spent():
            lines.append(spent)
        for trial in self.tally.best(1):
            lines.append(f"best so far: {describe(trial)}")
        for role in ("search", "audit", "confirmation"):
            if counts := self._counts(role):
                lines.append(f"{role}: {counts}")
        return lines

    def _counts(self, role: str) -> str:
        states = self.tally.states
        return ", ".join(
            f"{states[role, state]} {state}" for state in STATES if states[role, state]
        )

    def _spent(self) -> str:
        """Return what was spent of the budget, or without one of GPU-hours and money."""
        budget, hours = self._budget, self._spending.gpu_hours
        parts = []
        if budget.seconds is not None:
            left = max(0.0, budget.seconds - (time.time() - self._began))
            parts.append(f"{duration(left)} of the time budget left")
        if hours or budget.gpu_hours is not None:
            parts.append(f"{hours:.2f}{limit(budget.gpu_hours)} GPU-hours spent")
        cost = budget.cost_of(hours)
        if cost is not None:
            parts.append(f"cost {cost:.2f}{limit(budget.cost)}")
        return ", ".join(parts)

    def _trial_table(self) -> Table:
        table = Table("trial", "state")
        for column in ("epoch", "rung", "best validation", "its test", "to its end"):
            table.add_column(column, justify="right", no_wrap=True)
        best = self.tally.best(BEST_ROWS)
        self._add_rows(table, best)
        trials = self.tally.trials.values()
        running = [trial for trial in trials if is_running(trial) and trial not in best]
        self._add_rows(table, running[:RUNNING_ROWS])
        if len(running) > RUNNING_ROWS:
            table.add_row(f"and {len(running) - RUNNING_ROWS} more", "running")
        self._add_rows(
            table, (trial for trial in self.tally.of_role("confirmation") if not is_running(trial))
        )
        return table

    def _add_rows(self, table: Table, trials: Iterable[Followed]) -> None:
        for trial in trials:
            table.add_row(Text(trial.view.label), *self._figures(trial))
        table.add_section()

    def _figures(self, trial: Followed) -> list[str]:
        view, row = trial.view, trial.row
        return [
            view.state if trial.role == "search" else f"{view.state} ({trial.role})",
            view.progress(),
            "" if row["rung"] is None else str(row["rung"]),
            percent(row["validation_accuracy"]),
            percent(row["test_accuracy"]),
            duration(self._seconds_left_of(view)) if is_running(trial) else "",
        ]


def is_running(trial: Followed) -> bool:
    """Return whether a trial trains, or is about to again."""
    return trial.view.state in ("running", "starting again")


def accuracies(trial: Followed) -> str:
    """Return a trial's best accuracy on validation, of a confirmation also its epoch and test."""
    if trial.role == "confirmation":
        return selected(trial.row)
    return f"best validation {percent(trial.row['validation_accuracy'])}"


def ending(trial: Followed) -> str:
    """Return how a trial ended."""
    state, row = trial.view.state, trial.row
    reason = row["error_message"] or row["reason"]
    said = f"{state}{f' ({reason})' if reason else ''}"
    return said if state == "failed" else f"{said}, {accuracies(trial)}"


def went_on(decision: Decision) -> str:
    """Return where and with what a trial goes on beyond a rung."""
    best = f"best validation {percent(decision.value)}"
    return f"epoch {decision.epoch}, {best}, {beyond(decision)}"


def beyond(decision: Decision) -> str:
    """Return that a trial goes on beyond a rung."""
    cutoff = "" if decision.cutoff is None else f" (cutoff {percent(decision.cutoff)})"
    return f"goes on beyond rung {decision.rung}{cutoff}"


def describe(trial: Followed) -> str:
    """Return which trial has which accuracy, and where."""
    view, row = trial.view, trial.row
    rung = f", rung {row['rung']}" if row["rung"] else ""
    return (
        f"{percent(row['validation_accuracy'])} on validation, {view.label}, epoch "
        f"{row['best_epoch']} of {trial.full_epochs}{rung}"
    )


def limit(value: float | None) -> str:
    """Return `` of 4``, or nothing without a limit."""
    return "" if value is None else f" of {value:g}"


def rung_table(rungs: Sequence[RungState]) -> Table:
    """Return what was decided at each rung."""
    table = Table()
    for column in ("rung", "epoch", "arrived", "went on", "stopped", "cutoff"):
        table.add_column(column, justify="right", no_wrap=True)
    for state in rungs:
        table.add_row(
            "–" if state.rung is None else str(state.rung),
            *map(str, (state.epoch, state.arrived, state.went_on, state.stopped)),
            percent(state.cutoff),
        )
    return table
