"""Running a search: connecting, planning its rows, its stages, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from resray.results.lock import writer_lock
from resray.run.apart import kept_apart
from resray.run.cluster import check_fits
from resray.run.engine import run_jobs
from resray.run.memory import pack
from resray.run.resources import Allocation, Machine
from resray.run.run import (
    copy_study,
    joined,
    put_right,
    say,
    started,
)
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.run.signals import keep_signals
from resray.run.storage import check_storage


@dataclass(frozen=True)
class Searched:
    """How far a search has come."""

    search_ids: Sequence[str]
    """Every trial of the search's points, in no order."""
    confirmation_ids: Sequence[str]
    ended_before: int
    """How many of the points had ended in earlier commands."""
    ended_by: str | None
    """What ended it before its time: a budget, failures."""
    complete: bool
    """Whether nothing is left to do."""


def run_search(planner: SearchPlanner, machine: Machine, console: Console) -> Searched:
    """Run what is missing of a search; return how far it has come.

    As `resray.run.run.run_study` does for a bench.
    """
    asked, log = planner.asked, planner.results / "ray.log"
    with writer_lock(planner.results), joined(asked.address, machine, log) as whole:
        say(console, f"Study {planner.study.name}: reading the data …")
        copy_study(asked.study, planner.results)
        put_right(planner.store, console)
        with started(asked.address, whole, log, console):
            allocation = allocated(planner, whole, console)
            check_fits(allocation)
            if asked.address is not None:
                check_storage(planner.results / "checkpoints", asked.data_dir)
            found = searched(planner, allocation, console)
        planner.store.compact()
        return found


def allocated(planner: SearchPlanner, machine: Machine, console: Console) -> Allocation:
    """Return what each trial gets; ``--gpus-per-trial auto`` measures it first."""
    allocation = planner.allocation(machine)
    if planner.request.gpus_per_trial != "auto":
        return allocation
    planner.request, found = pack(planner.request, planner.jobs_to_measure(allocation), machine)
    say(console, found)
    return planner.allocation(machine)


def searched(planner: SearchPlanner, allocation: Allocation, console: Console) -> Searched:
    """Run the search's stages with Ray connected."""
    asked = planner.asked
    # What is planned from here on is in the report, whenever the command ends.
    keep_signals()
    search = Search(planner, allocation, console)
    for line in kept_apart(planner.store, [each.final.work for each in search.contenders]):
        say(console, line)
    ended_before = search.begin()
    log = planner.results / "ray.log"
    say(console, f"{search.left_to_run()}, {allocation}. Ray's own output: {log}")
    campaign = search.campaign(asked)
    with search.board.live(), search.recorder.interrupting("the command was stopped"):
        run_jobs(
            campaign,
            allocation,
            storage=planner.results.resolve() / ".ray",
            max_failures=asked.max_failures,
        )
        campaign.stop_what_runs()
    return Searched(
        search_ids=search.search_ids,
        confirmation_ids=[leg.trial_id for leg in search.confirmations],
        ended_before=ended_before,
        ended_by=campaign.limits.reached,
        complete=campaign.exhausted,
    )
