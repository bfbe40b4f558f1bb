"""One command's trials as a source of jobs: a study's list, each run to its end."""

from contextlib import suppress
from functools import partial
from typing import Any

from ray.exceptions import RayError
from rich.console import Console

from resray.run.board import Board
from resray.run.cost import probe
from resray.run.estimate import compared_hours
from resray.run.jobs import Message
from resray.run.memory import in_a_task
from resray.run.plan import Planner, trial_view
from resray.run.provenance import provenance
from resray.run.recorder import Recorder, planned_row
from resray.run.recovery import forget
from resray.run.resources import Allocation, Machine, counted
from resray.search.jobs import PlannedJob

Row = dict[str, Any]


class Bench:
    """What is asked of a study, and what is missing of it."""

    confirmation_ids = ()

    def __init__(self, planner: Planner, allocation: Allocation, console: Console) -> None:
        self.planner = planner
        self.store = planner.store
        self._allocation = allocation
        self.asked = planner.jobs(allocation)
        self.jobs = self._missing()
        self.ended_before = len(self.asked) - len(self.jobs)
        self.recorder = Recorder(self.store, gpus_per_trial=allocation.gpus_per_trial)
        self.board = Board(self.store, console, side_by_side=allocation.side_by_side)

    @property
    def trial_ids(self) -> list[str]:
        """The trials that were asked for."""
        return [job.trial_id for job in self.asked]

    def _missing(self) -> list[PlannedJob]:
        return [job for job in self.asked if self.planner.is_todo(job.trial, job.trial_id)]

    def is_done(self) -> bool:
        """Return whether nothing is left to run."""
        return not self.jobs

    def begin(self) -> None:
        """Put a row of every trial that is missing into the store."""
        if self.planner.request.force:
            forget(self.store, [job.trial_id for job in self.jobs])
        origin = provenance()
        for job in self.jobs:
            self.recorder.plan(planned_row(job.trial, job.job, origin))
        # One whose row was lost may have come back whole from beside its checkpoints.
        self.jobs = self._missing()
        self.store.load_epochs([job.trial_id for job in self.jobs])
        for job in self.jobs:
            self.board.plan(trial_view(job, self.store), job.role)
        self.store.flush()

    def notes(self, machine: Machine) -> list[str]:
        """Return what there is to say before the start; Ray is connected."""
        measure = partial(in_a_task, probe, use_gpu=True)
        # A GPU that cannot be measured is no reason not to train.
        with suppress(RayError):
            hours = compared_hours(self.planner, self.jobs, self._allocation, machine, measure)
            return [f"Estimated: {hours}"] if hours else []
        return []

    def left_to_run(self) -> str:
        """Return how many trials there are to run, in words."""
        return f"{counted(len(self.jobs), 'trial')} to run"

    def next_jobs(self) -> list[PlannedJob]:
        """Return all, once: one that has failed is tried again by the next command."""
        jobs, self.jobs = self.jobs, []
        return jobs

    def propose(self) -> None:
        """All are known from the start."""

    def after_message(self, job: PlannedJob, message: Message) -> None:
        """No trial is ever stopped."""

    def ended(self, job: PlannedJob) -> None:
        """Nothing follows."""

    def check(self) -> None:
        """Nothing ends a bench before its time."""
