"""The figures of a search while it runs: trials by state, the best, compute spent and time left."""

import heapq
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resray.results.schema import TABLES
from resray.results.store import ResultStore
from resray.results.summary import seconds_of
from resray.run.epochs_left import Chances, epochs_left, epochs_left_rescaled
from resray.run.progress import TrialView, until_all_end
from resray.search.best import rank
from resray.search.budget import Spending
from resray.search.referee import Referee
from resray.search.rules import Decision

Row = dict[str, Any]
Point = tuple[str, str]
"""A space and the values of its axes."""

ENDED = ("completed", "stopped", "failed")


@dataclass(eq=False)
class Followed:
    """One trial: what is shown of it, what for it runs, and its row in the store."""

    view: TrialView
    role: str
    """search, confirmation or audit."""
    row: Row
    search_epochs: int = 0
    """Epochs that count as the search's compute: of an audit those before its stop."""
    decisions: int = 0
    """How many decisions on it have been heard of."""

    @property
    def full_epochs(self) -> int:
        """Epochs of the point's recipe at its full length."""
        return int(self.row["full_epochs"])

    @property
    def point(self) -> Point:
        """What it shares with the other rungs of its point."""
        return self.row["space"], self.row["point"]

    @property
    def unfinished(self) -> bool:
        """Whether the trial has not ended."""
        return self.view.state not in ENDED


class Tally:
    """Counts while it listens; what a figure needs of the store is in memory."""

    def __init__(
        self, store: ResultStore, referee: Referee, spending: Spending, points: int | None
    ) -> None:
        self.trials: dict[str, Followed] = {}
        self.states: Counter[tuple[str, str]] = Counter()
        """How many trials of a role are in a state, by role and state."""
        self._store = store
        self._referee = referee
        self._spending = spending
        self._points = points
        self._work_done: defaultdict[Point, float] = defaultdict(float)
        self._full_work: dict[Point, float] = {}
        self._measured_before = Measured()
        self._measured = Measured()
        self._starts = Measured()

    def plan(self, view: TrialView, role: str) -> None:
        """Follow a trial from its row on; one that is followed already takes a new part."""
        trial_id = view.job.trial_id
        before = self.trials.get(trial_id)
        decisions = self._referee.decisions(trial_id)
        trial = Followed(view, role, self._row_of(trial_id), decisions=len(decisions))
        if not (self._rescaled and role == "search"):
            # A leg up to a rung is not all that may come.
            view.epochs = trial.full_epochs
        if before is None:
            self._take_in_results(trial, decisions)
        else:
            trial.search_epochs = before.search_epochs
            if before.role == role:
                self.states[role, before.view.state] -= 1
        self.trials[trial_id] = trial
        self.states[trial.role, view.state] += 1

    def _take_in_results(self, trial: Followed, decisions: Sequence[Decision]) -> None:
        """Count what earlier commands did for a trial."""
        view, row = trial.view, trial.row
        stops = [decision.epoch for decision in decisions if decision.stopped]
        if row["status"] in ENDED:
            went_out = stops and row["status"] == "completed" and not row["audited"]
            view.state = "stopped" if went_out else row["status"]
        if trial.role == "search" and row["audited"]:
            trial.role = "audit"
            self.states["search", "stopped"] += 1
        seconds = seconds_of(row)
        self._measured_before.add(seconds, view.epoch * view.work_per_epoch)
        if trial.role != "confirmation":
            self._full_work[trial.point] = trial.full_epochs * view.work_per_epoch
            stopped_at = stops[0] if stops else 0
            audited = trial.role == "audit"
            self._count_epochs(trial, stopped_at if audited else view.epoch)
            self._take_in_end(trial)

    def hear(self, trial_id: str, message: Mapping[str, Any]) -> list[Decision]:
        """Take in a message that has been recorded; return the decisions on the trial since."""
        trial = self.trials[trial_id]
        trial.row = self._row_of(trial_id)
        kind = message["kind"]
        if kind == "started":
            self._started(trial, message)
        elif kind == "epoch":
            self._epoch(trial, message["record"])
        elif kind != "judged":
            states = {"died": "starting again", "paused": "paused", "stopped": "stopped"}
            self._set_state(trial, states.get(kind) or trial.row["status"])
            self._take_in_end(trial)
        made = self._referee.decisions(trial_id)
        fresh, trial.decisions = made[trial.decisions :], len(made)
        return fresh

    def _take_in_end(self, trial: Followed) -> None:
        """Take what a training cost as its full length if it needed no scheduler to end early."""
        own_end = trial.view.state == "completed" and trial.view.epoch < trial.row["epochs"]
        if trial.role != "search":
            return
        if own_end:
            self._full_work[trial.point] = trial.view.epoch * trial.view.work_per_epoch
        elif trial.view.state == "failed":
            self._full_work[trial.point] = self._work_done[trial.point]

    def _row_of(self, trial_id: str) -> Row:
        row = self._store.trial(trial_id)
        assert row is not None, f"trial {trial_id} was never planned"
        self._spending.take_in(row)
        # The store leaves out columns that nobody has written yet.
        return {**dict.fromkeys(TABLES["trials"]), **row}

    def _started(self, trial: Followed, message: Mapping[str, Any]) -> None:
        self._set_state(trial, "running")
        self._set_epoch(trial, message["epoch"])
        self._starts.add(message["facts"]["seconds_starting"], 1)

    def _epoch(self, trial: Followed, record: Row) -> None:
        view = trial.view
        self._set_epoch(trial, record["epoch"])
        view.seconds_per_epoch = seconds_of(record)
        self._measured.add(view.seconds_per_epoch, view.work_per_epoch)

    def _set_state(self, trial: Followed, state: str) -> None:
        self.states[trial.role, trial.view.state] -= 1
        self.states[trial.role, state] += 1
        trial.view.state = state

    def _set_epoch(self, trial: Followed, epoch: int) -> None:
        trial.view.epoch, trial.view.epoch_began = epoch, time.time()
        if trial.role == "search":
            self._count_epochs(trial, epoch)

    def _count_epochs(self, trial: Followed, epochs: int) -> None:
        added = (epochs - trial.search_epochs) * trial.view.work_per_epoch
        self._work_done[trial.point] += added
        trial.search_epochs = epochs

    @property
    def search_trials(self) -> int:
        """How many trials the search has so far."""
        return sum(number for (role, _), number in self.states.items() if role == "search")

    @property
    def begun(self) -> bool:
        """Whether a trial has started in this command."""
        return self._starts.amount > 0

    @property
    def share(self) -> float | None:
        """Percent of the compute of training every point in full that the search has spent."""
        full = sum(self._full_work.values()) * self._points_per_known_point()
        return 100 * sum(self._work_done.values()) / full if full else None

    def _points_per_known_point(self) -> float:
        known = len(self._full_work)
        return 1 + self._points_to_come / known if known else 1.0

    @property
    def _points_to_come(self) -> int:
        return max(0, (self._points or 0) - len(self._full_work))

    def best(self, count: int) -> list[Followed]:
        """Return the search's best trials so far, in the order of `resray.search.best.ranked`.

        Of those that may still win: none that failed or that the scheduler stopped.
        """
        measured = (
            trial
            for trial in self.of_role("search")
            if trial.row.get("validation_accuracy") is not None
            and trial.view.state != "failed"
            and not self._referee.is_stopped(trial.view.job.trial_id)
        )
        return heapq.nsmallest(count, measured, key=lambda each: rank(each.row))

    def of_role(self, role: str) -> Iterator[Followed]:
        """Yield the trials of a role, in the order of planning."""
        return (trial for trial in self.trials.values() if trial.role == role)

    def seconds_per_work(self) -> float | None:
        """Return seconds per training multiply-add: of this command, else of those before it."""
        here = self._measured.mean()
        return self._measured_before.mean() if here is None else here

    def seconds_left(self, side_by_side: int) -> float | None:
        """Return roughly the seconds until the trials known so far have ended, None if unknown.

        A trial of the search is expected to go on at a rung as often as others did there; see
        `chances`. Trials still to be proposed count like those that are known.
        """
        rate, chances = self.seconds_per_work(), self.chances()
        left = [
            self._seconds_left_of(trial, rate, chances)
            for trial in self.trials.values()
            if trial.unfinished
        ] + self._seconds_to_come(rate, chances)
        return until_all_end(left, side_by_side)

    def _seconds_to_come(self, rate: float | None, chances: Chances) -> list[float | None]:
        """Return what each trial still to be proposed may need: the mean of the others, anew."""
        trials = list(self.of_role("search"))
        if rate is None or not trials:
            return [None] * self._points_to_come
        work = sum(
            trial.view.work_per_epoch * epochs_left(0, trial.full_epochs, chances)
            for trial in trials
        )
        return [rate * work / len(trials)] * self._points_to_come

    def _seconds_left_of(
        self, trial: Followed, rate: float | None, chances: Chances
    ) -> float | None:
        view = trial.view
        one = view.seconds_of_an_epoch()
        if one is None:
            if rate is None:
                return None
            one = rate * view.work_per_epoch
        begun = time.time() - (view.epoch_began or 0.0) if view.state == "running" else 0.0
        start = 0.0 if view.state == "running" else self._starts.mean() or 0.0
        return max(0.0, start + one * self._epochs_left(trial, chances) - min(begun, one))

    def _epochs_left(self, trial: Followed, chances: Chances) -> float:
        view = trial.view
        if trial.role != "search":
            return view.epochs - view.epoch
        if self._rescaled:
            return epochs_left_rescaled(view.epoch, view.epochs, trial.full_epochs, chances)
        return epochs_left(view.epoch, trial.full_epochs, chances[trial.decisions :])

    @property
    def _rescaled(self) -> bool:
        return self._referee.settings.rescaled

    def chances(self) -> Chances:
        """Return the chance to go on at each rung (median: after each epoch judged so far).

        It is the share that went on so far, as if before these the ``reduction_factor`` trials that
        the rule expects had come by, of which one went on (median: one trial, and it went on).
        """
        longest = max((trial.full_epochs for trial in self.trials.values()), default=0)
        rungs = self._referee.rungs_of(longest)
        assumed = self._referee.settings.reduction_factor if rungs else 1
        known = dict.fromkeys(rungs, 1 / assumed)
        for state in self._referee.table():
            known[state.epoch] = (state.went_on + 1) / (state.arrived + assumed)
        return sorted(known.items())


@dataclass
class Measured:
    """A running mean: seconds per whatever is counted."""

    seconds: float = 0.0
    amount: float = 0.0

    def add(self, seconds: float, amount: float) -> None:
        """Take in a measurement."""
        self.seconds += seconds
        self.amount += amount

    def mean(self) -> float | None:
        """Return the seconds per one, or None before the first measurement."""
        return self.seconds / self.amount if self.amount else None
