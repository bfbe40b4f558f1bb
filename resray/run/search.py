"""One command's search: its contenders, and everybody who has a say about them."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from rich.console import Console

from resray.run.asked import Tune
from resray.run.campaign import Campaign, Limits, NoProposals, Proposals
from resray.run.course import (
    Course,
    Halving,
    InFlight,
    Promotions,
    failed_by_error,
    has_ended,
    is_audited,
    is_over,
)
from resray.run.progress import TrialView
from resray.run.proposed import Proposed
from resray.run.recorder import Recorder, planned_row
from resray.run.resources import Allocation, counted
from resray.run.run import forget, provenance
from resray.run.search_plan import Contender, Leg, SearchPlanner
from resray.run.search_progress import SearchBoard
from resray.search.best import fresh_seeds, winner
from resray.search.budget import Spending
from resray.search.referee import Referee

Row = dict[str, Any]


class Search:
    """What is searched, how far it has come, and what its later stages consist of."""

    def __init__(self, planner: SearchPlanner, allocation: Allocation, console: Console) -> None:
        self._planner = planner
        self._allocation = allocation
        self.store = planner.store
        self.contenders = planner.contenders(allocation)
        if planner.asked.force:
            self._forget()
        self._adopt()
        ids = [leg.trial_id for leg in self._legs()]
        self.store.load_epochs(ids)
        self.referee = Referee(self.store, planner.settings, planner.changed, ids)
        self.recorder = Recorder(self.store, gpus_per_trial=allocation.gpus_per_trial)
        self.spending = Spending(self.store.trials())
        self.board = SearchBoard(
            self.store,
            console,
            self.referee,
            side_by_side=allocation.side_by_side,
            budget=planner.asked.budget,
            points=planner.points,
            spending=self.spending,
        )
        self.course = self._course()
        self.proposals: Proposals = NoProposals()
        if planner.settings.method == "tpe":
            self.proposals = Proposed(planner, allocation, self.referee, self.contenders)
        self.confirmations: list[Leg] = []
        self._origin = provenance()
        self._on_board: dict[str, str] = {}

    def _legs(self) -> Iterator[Leg]:
        return (leg for each in self.contenders for leg in each.legs)

    def _forget(self) -> None:
        """Remove what there is of the contenders, and what confirmed one of them (``--force``)."""
        ids = {leg.trial_id for leg in self._legs()}
        points = {each.point.identity for each in self.contenders}
        forget(self.store, [
            row["trial_id"]
            for row in self.store.trials()
            if row["trial_id"] in ids
            or (row["role"] == "confirmation" and (row["space"], row["point"]) in points)
        ])  # fmt: skip
        # Planned again: there are no threads of theirs to keep any more.
        self.contenders = [self._planner.contender(e, self._allocation) for e in self.contenders]

    def _adopt(self) -> None:
        """Take over trials of another search: they are the same trainings, but it was that one's
        to stop and to audit them."""
        for leg in self._legs():
            row = self.store.trial(leg.trial_id)
            if row is not None and row["search"] != self._planner.key:
                columns = {**leg.columns(self._planner.key), "rung": 0}
                self.store.put_trial({"trial_id": leg.trial_id, **columns})

    def _course(self) -> Course:
        settings = self._planner.settings
        if settings.scheduler == "halving":
            return Halving(self.contenders, self.referee, self.recorder)
        if settings.rescaled:
            return Promotions(self.contenders, self.referee, self.recorder)
        return InFlight(self.contenders, self.referee, self.recorder)

    def campaign(self, asked: Tune) -> Campaign:
        """Return the feed that runs the search, then what confirms its winner, then the audit."""
        return Campaign(
            self.course,
            [self.confirm, self.audit],
            self.referee,
            self.recorder,
            Limits(
                asked.budget,
                self.spending,
                fail_fast=asked.fail_fast,
                began=self._planner.began,
            ),
            plan=self.plan,
            listener=self.board.hear,
            proposals=self.proposals,
        )

    @property
    def search_ids(self) -> list[str]:
        """The trials of all contenders that have begun to exist."""
        ids = [leg.trial_id for each in self.contenders for leg in each.legs]
        return [each for each in dict.fromkeys(ids) if self.store.trial(each) is not None]

    def begin(self) -> int:
        """Put a row of every known point into the store; return how many had ended before."""
        self._reopen_failed(self._legs())
        for trial_id in self._trained_elsewhere():
            self.referee.take_in(trial_id)
        ended = self._ended()
        for contender in self.contenders:
            first, *later = contender.legs
            for leg in (first, *(each for each in later if self.store.trial(each.trial_id))):
                self.plan(leg)
        return ended

    def left_to_run(self) -> str:
        """Return how many points there are to search, in words."""
        ended = self._ended()
        points = counted(self._planner.points, "point")
        return f"{points} to search" + (f", {ended} of them ended before" if ended else "")

    def _ended(self) -> int:
        return sum(is_over(each, self.referee) for each in self.contenders)

    def _trained_elsewhere(self) -> list[str]:
        """Return the trials that are trained to their end, in the order in which they began."""
        rows = (self.store.trial(each.final.trial_id) for each in self.contenders)
        trained = [row for row in rows if row is not None and row["status"] == "completed"]
        return [row["trial_id"] for row in sorted(trained, key=lambda row: str(row["started"]))]

    def _reopen_failed(self, legs: Iterable[Leg]) -> None:
        """Let trials try again that failed in an earlier command; one that diverged would again."""
        for leg in legs:
            undecided = not self.referee.is_stopped(leg.trial_id)
            if undecided and failed_by_error(self.store, leg):
                self.store.put_trial({"trial_id": leg.trial_id, "status": "interrupted"})

    def plan(self, leg: Leg) -> None:
        """Put a leg's row into the store, unless it has ended there, and its trial on the board."""
        known = self.store.trial(leg.trial_id)
        leg = replace(leg, audited=leg.audited or is_audited(self.store, leg))
        settled = known is not None and known["status"] in ("completed", "failed")
        stopped = self.referee.is_stopped(leg.trial_id) and not leg.audited
        if known is None or not (settled or stopped):
            # A bench's training that confirms the winner stays the bench's.
            benched = known is not None and known["role"] == "bench"
            columns = {} if benched else leg.columns(self.referee.key)
            if known is None:
                columns["rung"] = self.referee.rung_of(leg.trial_id)
            work = leg.work
            self.recorder.plan(planned_row(work.trial, work.job, self._origin, **columns))
        part = "audit" if leg.audited else leg.role
        if self._on_board.get(leg.trial_id) != part:
            self._on_board[leg.trial_id] = part
            self.board.plan(self._view(leg), part)

    def _view(self, leg: Leg) -> TrialView:
        epochs = self.store.epochs(leg.trial_id)
        recipe = leg.work.trial.recipe
        return TrialView(
            job=leg.work.job,
            label=leg.point.name + (f" (seed {leg.work.job.seed})" * (leg.role != "search")),
            epochs=recipe.epochs,
            work_per_epoch=leg.work.work_per_epoch,
            epoch=epochs[-1]["epoch"] if epochs else 0,
        )

    def confirm(self) -> list[Leg]:
        """Return the trainings that confirm the winner; none if there is no winner."""
        won = winner(self._rows())
        if won is None:
            return []
        contender = next(e for e in self.contenders if e.final.trial_id == won["trial_id"])
        seeds = fresh_seeds(self.store.trials(), won, self._planner.settings.confirm)
        self.confirmations = [
            self._planner.confirmation(contender, seed, self._allocation) for seed in seeds
        ]
        self._reopen_failed(self.confirmations)
        missing = [leg for leg in self.confirmations if not has_ended(self.store, leg)]
        if missing:
            trainings = counted(len(missing), "fresh seed")
            self.board.say(
                f"The search has ended. Its winner {won['name']} trains with {trainings}"
            )
        return missing

    def audit(self) -> list[Leg]:
        """Return the stopped trials, drawn at random, that are trained to their end after all."""
        settings = self._planner.settings
        stopped = [each for each in self.contenders if self._was_stopped(each)]
        begun = [each for each in stopped if is_audited(self.store, each.final)]
        # In an order that depends on nothing but the points, so that a draw can be repeated.
        rest = sorted(
            (each for each in stopped if each not in begun), key=lambda each: each.point.identity
        )
        generator = random.Random(f"{settings.seed} audit")
        drawn = generator.sample(rest, min(len(rest), max(0, settings.audit - len(begun))))
        legs = [each.audited() for each in [*begun, *drawn]]
        missing = [leg for leg in legs if not has_ended(self.store, leg)]
        if missing:
            self.board.say(f"{counted(len(missing), 'stopped trial')} trained on, as an audit")
        return missing

    def _was_stopped(self, contender: Contender) -> bool:
        """Whether a scheduler stopped the point, by its value."""
        decisions = [d for leg in contender.legs for d in self.referee.decisions(leg.trial_id)]
        return any(decision.stopped and decision.value is not None for decision in decisions)

    def _rows(self) -> list[Row]:
        rows = (self.store.trial(trial_id) for trial_id in self.search_ids)
        return [row for row in rows if row is not None]
