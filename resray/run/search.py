"""One command's search as a source of jobs: the search, its winner's confirmation, the audit."""

from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from functools import cached_property
from typing import Any

from rich.console import Console

from resray.results.store import now
from resray.run.board import Board
from resray.run.jobs import Message
from resray.run.plan import trial_view
from resray.run.proposals import Proposals
from resray.run.provenance import provenance
from resray.run.recorder import Recorder, planned_row
from resray.run.recovery import forget
from resray.run.resources import Allocation, Machine, counted
from resray.run.schedulers import Judge, scheduler_of
from resray.run.search_plan import SearchPlanner
from resray.run.views import SearchView
from resray.search.best import fresh_seeds, winner
from resray.search.budget import Spending
from resray.search.decisions import Decision, Decisions
from resray.search.jobs import Candidate, PlannedJob
from resray.search.limits import Limits
from resray.search.next_jobs import (
    Round,
    audit_jobs,
    failed_by_error,
    halving_decisions,
    halving_round,
    has_ended,
    is_over,
    open_jobs,
)

Row = dict[str, Any]


class Search:
    """What is searched, how far it has come, and what comes next.

    ``candidates`` grows where points are proposed one by one.
    """

    def __init__(self, planner: SearchPlanner, allocation: Allocation, console: Console) -> None:
        self.planner = planner
        self.settings = planner.settings
        self.store = planner.store
        self._allocation = allocation
        self.candidates = planner.candidates(allocation)
        self.decisions = Decisions(self.settings)
        for row in self._decision_rows():
            columns = {field.name: row[field.name] for field in fields(Decision)}
            self.decisions.add(row["trial_id"], Decision(**columns))
        self.recorder = Recorder(self.store, gpus_per_trial=allocation.gpus_per_trial)
        asked, spending = planner.request.searching, Spending(self.store.trials())
        self.limits = Limits(asked.budget, spending, fail_fast=asked.fail_fast, began=planner.began)
        view = SearchView(self.decisions, self.settings, asked.budget, spending, planner.points)
        self.board = Board(self.store, console, side_by_side=allocation.side_by_side, search=view)
        self._judge: Judge | None = None
        """Who decides while trials train; None if nobody does."""
        self.confirmation_ids: list[str] = []
        self._retried: set[str] = set()
        self._roles: dict[str, str] = {}
        """As what each trial is on the board."""
        self.ended_before = self._ended()

    def _forget(self) -> None:
        """Remove what there is of the points, and what confirmed one of them (``--force``)."""
        ids = {job.trial_id for each in self.candidates for job in each.jobs}
        points = {each.point.identity for each in self.candidates}
        confirming = {
            row["trial_id"]
            for row in self.store.trials()
            if row["role"] == "confirmation" and (row["space"], row["point"]) in points
        }
        forget(self.store, ids | confirming)
        # Planned again: there are no threads of theirs to keep any more.
        self.candidates = [
            self.planner.candidate(each, self._allocation) for each in self.candidates
        ]

    def _adopt(self) -> None:
        """Take over trials of another search: they are the same trainings, but it was that one's
        to stop and to audit them."""
        for job in self._jobs():
            row = self.store.trial(job.trial_id)
            if row is not None and row["search"] != self.planner.key:
                columns = {**job.search_columns(self.planner.key), "rung": 0}
                self.store.put_trial({"trial_id": job.trial_id, **columns})

    def _jobs(self) -> Iterable[PlannedJob]:
        return (job for each in self.candidates for job in each.jobs)

    def _decision_rows(self) -> list[Row]:
        """Return what earlier commands have decided with the same settings on the same points."""
        if self.planner.request.force:
            return []
        ids = {job.trial_id for job in self._jobs()}
        rows = self.store.all_decisions()
        return [row for row in rows if row["search"] == self.planner.key and row["trial_id"] in ids]

    def _replay(self) -> None:
        """Put the scheduler where it stood: it hears of what is stored, and decides what a kill has
        kept it from."""
        trials = [each.trial for each in self.planner.plan.trials]
        trials += [each.trial for each in self.candidates]
        longest = [trial.recipe.epochs for trial in trials]
        scheduler = scheduler_of(self.settings, max(longest, default=1))
        if scheduler is None:
            return
        self._judge = Judge(scheduler, self.settings, self.decisions, self.decide)
        known = ((job.trial_id, self.store.trial(job.trial_id)) for job in self._jobs())
        rows = {trial_id: row for trial_id, row in known if row is not None}
        epochs = self.store.accuracies(rows)
        decided = {(row["trial_id"], row["epoch"]): row["decided"] for row in self._decision_rows()}
        self._judge.replay(rows, epochs, decided)

    def begin(self) -> None:
        """Put a row of every known point into the store."""
        if self.planner.request.force:
            self._forget()
        self._adopt()
        for job in self._jobs():
            self._retry(job)
        self._replay()
        for candidate in self.candidates:
            first, *later = candidate.jobs
            for job in (first, *(each for each in later if self.store.trial(each.trial_id))):
                self.plan(job)
        # A kill may have come between a decision and the trial's row.
        self._end_stopped(self._jobs())
        self.store.flush()

    def _retry(self, job: PlannedJob) -> None:
        """Let a trial try once more that failed in an earlier command, unless it diverged."""
        if job.trial_id in self._retried:
            return
        self._retried.add(job.trial_id)
        if failed_by_error(self.store.trial(job.trial_id)) and not self.decisions.is_stopped(
            job.trial_id
        ):
            self.store.put_trial({"trial_id": job.trial_id, "status": "interrupted"})

    def left_to_run(self) -> str:
        """Return how many points there are to search, in words."""
        ended = self._ended()
        points = counted(self.planner.points, "point")
        return f"{points} to search" + (f", {ended} of them ended before" if ended else "")

    def notes(self, machine: Machine) -> list[str]:
        """Nothing more is to be said before the start."""
        return []

    def is_over(self, candidate: Candidate) -> bool:
        """Return whether nothing of a point is left to train."""
        return is_over(candidate, self.store.trial, self.decisions)

    def _ended(self) -> int:
        return sum(map(self.is_over, self.candidates))

    def is_done(self) -> bool:
        """Return whether nothing is left to run."""
        if self.planner.request.force or self.ended_before < self.planner.points:
            return False
        rows = [row for job in self._jobs() if (row := self.store.trial(job.trial_id)) is not None]
        adopted = all(row["search"] == self.planner.key for row in rows)
        if not adopted or any(map(failed_by_error, rows)):
            return False
        confirming = self._confirmations()
        failed = any(failed_by_error(self.store.trial(job.trial_id)) for job in confirming)
        return not (failed or self._missing(confirming) or self._audited())

    @cached_property
    def _proposals(self) -> Proposals | None:
        if not self.settings.proposes:
            return None
        return Proposals(self.planner, self._allocation, self.decisions, self.candidates)

    def next_jobs(self) -> list[PlannedJob]:
        """Return what the search lacks, then its winner's confirmations, then the audit."""
        for stage in (self._searching, self._confirming, self._auditing):
            while jobs := self._missing(stage()):
                for job in jobs:
                    self.plan(job)
                # A trial whose checkpoints are there and whose row is not counts as lost.
                self.store.flush()
                # A row that was lost is made again, its end included.
                if left := self._missing(jobs):
                    return left
        return []

    def propose(self) -> PlannedJob | None:
        """Return the job of a new point where points are proposed, None if there is none."""
        candidate = self._proposals.next() if self._proposals else None
        if candidate is None:
            return None
        self.plan(candidate.final)
        self.store.flush()
        return candidate.final

    def _searching(self) -> list[PlannedJob]:
        if self.settings.scheduler != "halving":
            return open_jobs(self.candidates, self.store.trial, self.decisions)
        while True:
            following = halving_round(self.candidates, self.store.trial, self.decisions)
            if following.missing or following.rung is None:
                return following.missing
            self._close(following)

    def _close(self, complete: Round) -> None:
        """Decide at a rung to which all have come."""
        self.store.load_epochs(job.trial_id for job in complete.jobs)
        made = halving_decisions(
            complete,
            self.store.trial,
            self.store.epochs,
            self.decisions,
            self.settings.reduction_factor,
        )
        for trial_id, decision in made.items():
            self.decide(self.recorder.row(trial_id), decision)
        self._end_stopped(complete.jobs)
        for trial_id, decision in made.items():
            kind = "stopped" if decision.stopped else "judged"
            self.board.hear(trial_id, {"kind": kind})

    def _end_stopped(self, jobs: Iterable[PlannedJob]) -> None:
        """Say in the rows of trials that were decided on that they do not go on, and why."""
        for job in jobs:
            trial_id, row = job.trial_id, self.store.trial(job.trial_id)
            if row is None or not self.decisions.is_stopped(trial_id) or row.get("audited"):
                continue
            stop = next(made for made in self.decisions.of(trial_id) if made.stopped)
            reason = stop.reason(self.settings.scheduler)
            if row["status"] == "completed":
                # A rung's own training came to its end; its point does not go on.
                self.store.put_trial({"trial_id": trial_id, "reason": reason})
            elif row["status"] not in ("failed", "stopped"):
                self.recorder.stopped(trial_id, reason)

    def _confirmations(self) -> list[PlannedJob]:
        """Return the trainings that confirm the winner; none without one."""
        won = winner(self._rows())
        if won is None:
            return []
        candidate = next(each for each in self.candidates if each.final.trial_id == won["trial_id"])
        seeds = fresh_seeds(self.store.trials(), won, self.settings.confirm)
        jobs = [self.planner.confirmation(candidate, seed, self._allocation) for seed in seeds]
        self.confirmation_ids = [job.trial_id for job in jobs]
        return jobs

    def _confirming(self) -> list[PlannedJob]:
        jobs = self._confirmations()
        for job in jobs:
            self._retry(job)
        if missing := self._missing(jobs):
            name, seeds = missing[0].trial.name, counted(len(missing), "fresh seed")
            self.board.say(f"The search has ended. Its winner {name} trains with {seeds}")
        return jobs

    def _audited(self) -> list[PlannedJob]:
        known = self.candidates, self.store.trial, self.decisions
        return audit_jobs(*known, self.settings.audit, self.settings.seed)

    def _auditing(self) -> list[PlannedJob]:
        if jobs := self._audited():
            self.board.say(f"{counted(len(jobs), 'stopped trial')} trained on, as an audit")
        return jobs

    def _missing(self, jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
        return [job for job in jobs if not has_ended(self.store.trial(job.trial_id))]

    def _rows(self) -> list[Row]:
        rows = (self.store.trial(trial_id) for trial_id in self.trial_ids)
        return [row for row in rows if row is not None]

    @property
    def jobs(self) -> list[PlannedJob]:
        """The whole trainings of the points that are known."""
        return [each.final for each in self.candidates]

    @property
    def trial_ids(self) -> list[str]:
        """The trials of all points that have begun to exist."""
        ids = dict.fromkeys(job.trial_id for job in self._jobs())
        return [each for each in ids if self.store.trial(each) is not None]

    @cached_property
    def _origin(self) -> Row:
        return provenance()

    def plan(self, job: PlannedJob) -> None:
        """Put a job's row into the store, unless it has ended there, and its trial on the board."""
        known = self.store.trial(job.trial_id)
        audited = job.audited or bool(known and known.get("audited"))
        job = replace(job, audited=audited)
        stopped = self.decisions.is_stopped(job.trial_id) and not audited
        if not (has_ended(known) or (known is not None and stopped)):
            # A bench's training that confirms the winner stays the bench's.
            benched = known is not None and known["role"] == "bench"
            columns = {} if benched else job.search_columns(self.planner.key)
            if known is None:
                columns["rung"] = self.decisions.rung_of(job.trial_id)
            self.recorder.plan(planned_row(job.trial, job.job, self._origin, **columns))
        role = "audit" if audited else job.role
        if self._roles.get(job.trial_id) != role:
            self._roles[job.trial_id] = role
            self.board.plan(trial_view(job, self.store), role)

    def decide(self, row: Row, decision: Decision) -> None:
        """Record a decision on a trial."""
        trial_id = row["trial_id"]
        if decision.rung is not None and decision.value is not None:
            # Before the decision: a kill in between leaves the rung to be decided again.
            self.store.put_trial({"trial_id": trial_id, "rung": decision.rung})
        identity = {key: row[key] for key in ("trial_id", "study", "name", "seed")}
        search = {"search": self.planner.key, "scheduler": self.settings.scheduler}
        self.store.put_decision({**identity, **search, "decided": now(), **asdict(decision)})
        self.decisions.add(trial_id, decision)

    def after_message(self, job: PlannedJob, message: Message) -> str | None:
        """Take in a recorded message; return why the scheduler stops the trial, if it does."""
        row = self.recorder.row(job.trial_id)
        self.limits.hear(job.trial_id, message, row)
        if job.role != "search" or job.audited or self._judge is None:
            return None
        # At a start: what the tables had lost, and has come back from beside the checkpoints.
        records = {
            "started": self.store.epochs(job.trial_id),
            "epoch": [message["record"]] if message["kind"] == "epoch" else [],
        }
        for record in records.get(message["kind"], []):
            decision = self._judge.after_epoch(row, record)
            if decision is not None and decision.stopped:
                return decision.reason(self.settings.scheduler)
        return None

    def ended(self, job: PlannedJob) -> None:
        """Take in that a job has ended."""
        row = self.recorder.row(job.trial_id)
        if job.role != "search" or job.audited:
            return
        if self._judge is not None:
            self._judge.ended(row)
        if row["status"] == "failed" and row["reason"] == "diverged":
            self._lose(row)
        if self.check() is None and self._proposals is not None:
            # Otherwise what failed may be mended: nothing is learnt of it now.
            self._proposals.ended(job.trial_id)

    def _lose(self, row: Row) -> None:
        """Record that a trial has diverged, at the rung of ASHA that it would have come to next.

        The decision has no value and says stopped: the trial ranks last, and nobody is compared
        with it there. What it had reached at earlier rungs stays.
        """
        trial_id = row["trial_id"]
        if self.settings.scheduler != "asha" or self.decisions.is_stopped(trial_id):
            return
        rung = (self.decisions.rung_of(trial_id) or 0) + 1
        if rung <= len(self.planner.rungs_of(row["full_epochs"])):
            values = [made.value for made in self.decisions.at(rung).values()]
            arrived = sum(value is not None for value in values) + 1
            self.decide(row, Decision(rung, row["epochs_done"], None, None, arrived, stopped=True))

    def check(self) -> str | None:
        """Return what has ended the search before its time: a budget, failures."""
        self.limits.check()
        return self.limits.reached
