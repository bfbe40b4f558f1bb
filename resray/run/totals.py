"""The figures of all trials of a command: kept while messages come in, at a cost that does not grow
with the number of trials."""

import heapq
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Any

from resray.results.rows import ENDED
from resray.results.summary import seconds_of
from resray.run.remaining import Remaining
from resray.run.views import Point, Rank, SearchView, TrialView
from resray.search.best import rank
from resray.search.decisions import Decision

LATEST = 40
"""Of so many trials is known that they ended last."""


class Totals:
    """States, compute spent, best trials and time left of those that were planned."""

    def __init__(self, search: SearchView | None) -> None:
        self.views: dict[str, TrialView] = {}
        self.states: Counter[tuple[str, str]] = Counter()
        """How many trials of a role are in a state, by role and state."""
        self.ended: deque[TrialView] = deque(maxlen=LATEST)
        self.remaining = Remaining(search)
        self._search = search
        self._ranks: list[Rank] = []
        """A heap of places in the order of the best, outdated ones among them."""
        self._work_done: defaultdict[Point, float] = defaultdict(float)
        self._full_work: dict[Point, float] = {}
        self._sum_done = self._sum_full = 0.0

    def plan(self, view: TrialView) -> None:
        """Follow a trial from its row on; one that is followed already takes a new part."""
        before, search = self.views.get(view.job.trial_id), self._search
        self.views[view.job.trial_id] = view
        if search is not None and (view.role != "search" or not search.settings.rescaled):
            # What is trained up to a rung is not all that may come.
            view.epochs = view.full_epochs
        self._take_in_decisions(view)
        if before is None:
            self._take_in_results(view)
        else:
            view.search_epochs = before.search_epochs
            self.states[view.role, before.state] -= before.role == view.role
        self.states[view.role, view.state] += 1
        self._update(view)

    def _take_in_results(self, view: TrialView) -> None:
        """Count what earlier commands did for a trial."""
        row, stopped_at = view.row, None
        if self._search is not None:
            stopped_at = self._search.decisions.stopped_after(view.job.trial_id)
        if row["status"] in ENDED:
            went_out = stopped_at is not None and not row["audited"]
            view.state = "stopped" if went_out and row["status"] == "completed" else row["status"]
        if view.role == "search" and row["audited"]:
            view.role = "audit"
            self.states["search", "stopped"] += 1
        if view.role in ("search", "audit"):
            self._set_full_work(view, view.full_epochs * view.work_per_epoch)
            self._count_epochs(view, view.epoch if view.role == "search" else stopped_at or 0)
        self._take_in_end(view)
        self.remaining.plan(view)

    def hear(self, view: TrialView, message: Mapping[str, Any]) -> list[Decision]:
        """Take in a message; return the rungs' decisions since by which the trial goes on."""
        kind = message["kind"]
        if kind == "started":
            self._set_state(view, "running")
            self._set_epoch(view, message["epoch"])
            self.remaining.starts.add(message["facts"]["seconds_starting"])
        elif kind == "epoch":
            self._set_epoch(view, message["record"]["epoch"])
            self.remaining.measure(view, seconds_of(message["record"]))
        elif kind != "judged":
            states = {"died": "starting again", "finished": view.row["status"]}
            self._set_state(view, states.get(kind, kind))
            self._take_in_end(view)
        made = self._take_in_decisions(view)
        self._update(view)
        return [each for each in made if each.rung is not None and not each.stopped]

    def _take_in_decisions(self, view: TrialView) -> list[Decision]:
        """Return what was decided on a trial since the last call."""
        if self._search is None:
            return []
        made = self._search.decisions.of(view.job.trial_id)
        fresh, view.decisions = made[view.decisions :], len(made)
        view.judged = made[-1].epoch if made else 0
        return fresh

    def _take_in_end(self, view: TrialView) -> None:
        """Take what a training cost as its full length if it needed no scheduler to end early."""
        if view.state in ENDED:
            self.ended.append(view)
        if view.role == "search" and view.state == "completed" and view.epoch < view.row["epochs"]:
            self._set_full_work(view, view.epoch * view.work_per_epoch)
        elif view.role == "search" and view.state == "failed":
            self._set_full_work(view, self._work_done[view.point])

    def _set_state(self, view: TrialView, state: str) -> None:
        self.states[view.role, view.state] -= 1
        self.states[view.role, state] += 1
        view.state = state

    def _set_epoch(self, view: TrialView, epoch: int) -> None:
        view.epoch, view.epoch_began = epoch, time.time()
        if view.role == "search":
            self._count_epochs(view, epoch)

    def _count_epochs(self, view: TrialView, epochs: int) -> None:
        added = (epochs - view.search_epochs) * view.work_per_epoch
        self._work_done[view.point] += added
        self._sum_done += added
        view.search_epochs = epochs

    def _set_full_work(self, view: TrialView, work: float) -> None:
        self._sum_full += work - self._full_work.get(view.point, 0.0)
        self._full_work[view.point] = work

    def _update(self, view: TrialView) -> None:
        """Let the time left and the order of the best follow what a trial has become."""
        self.remaining.take_in(view)
        before, view.rank = view.rank, rank(view.row) if self._may_win(view) else None
        if view.rank is not None and view.rank != before:
            heapq.heappush(self._ranks, view.rank)
        if len(self._ranks) > 4 * len(self.views):
            self._ranks = sorted(each.rank for each in self.views.values() if each.rank)

    def _may_win(self, view: TrialView) -> bool:
        if self._search is None or view.role != "search" or view.state == "failed":
            return False
        stopped = self._search.decisions.is_stopped(view.job.trial_id)
        return view.row["validation_accuracy"] is not None and not stopped

    def best(self, count: int) -> list[TrialView]:
        """Return the search's best trials so far, in the order of `resray.search.best.ranked`.

        Of those that may still win: none that failed or that the scheduler stopped.
        """
        places: list[Rank] = []
        while self._ranks and len(places) < count:
            place = heapq.heappop(self._ranks)
            if place == self.views[place[-1]].rank and place not in places:
                places.append(place)
        for place in places:
            heapq.heappush(self._ranks, place)
        return [self.views[trial_id] for *_, trial_id in places]

    @property
    def share(self) -> float | None:
        """Percent of the compute of training every point in full that the search has spent."""
        full = self._sum_full * (1 + self.proposals / max(1, len(self._full_work)))
        return 100 * self._sum_done / full if full else None

    @property
    def proposals(self) -> int:
        """How many points are still to be proposed."""
        points = self._search.points if self._search is not None else None
        return max(0, (points or 0) - len(self._full_work))

    def number(self, role: str) -> int:
        """Return how many trials of a role there are."""
        return sum(number for (each, _), number in self.states.items() if each == role)
