"""Running what is missing of a command: connecting, planning, training, recording."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from resray.evaluate.thumbnails import keep_thumbnails
from resray.results.lock import writer_lock
from resray.run.apart import kept_apart
from resray.run.bench import Bench
from resray.run.cluster import check_fits, cluster_machine, connect, session_logs
from resray.run.engine import run_jobs
from resray.run.jobs import Jobs
from resray.run.memory import pack
from resray.run.plan import Planner
from resray.run.recovery import copy_study, put_right
from resray.run.resources import Allocation, Machine
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.run.signals import keep_signals
from resray.run.slots import Slots
from resray.run.storage import check_storage
from resray.run.wording import say


def execute(
    planner: Planner | SearchPlanner, machine: Machine, console: Console
) -> tuple[Bench | Search, bool]:
    """Run what is missing; return what was run, and whether nothing of it is left to run.

    ``machine`` is this one; a cluster joined at an address takes its place. Progress goes to
    ``console``, which writes to a descriptor of its own: standard output and error go to Ray's log
    meanwhile. After Ctrl-C it returns as well: the trials that were cut off are then recorded as
    interrupted. Raises InputError and ClusterError before anything starts.
    """
    request, log = planner.request, planner.results / "ray.log"
    with writer_lock(planner.results), joined(request.address, machine, log) as whole:
        say(console, f"Study {planner.study.name}: reading the data …")
        put_right(planner.store, console)
        allocation = planner.allocation(whole)
        source = source_of(planner, allocation, console)
        copy_study(request.study, planner.results)
        if source.is_done():
            return source, True
        with started(request.address, whole, log):
            if planner.shares.gpus_per_trial == "auto":
                allocation = packed(planner, allocation, whole, console)
                source = source_of(planner, allocation, console)
            complete = run_source(source, allocation, whole, console)
            trials = [source.recorder.row(each) for each in source.recorder.planned]
            if any(row["status"] == "failed" for row in trials):
                say(console, f"Logs of Ray's workers: {session_logs()}; Ray's own output: {log}")
        planner.store.compact()
        keep_thumbnails(planner.store, trials, lambda spec, row: planner.dataset(spec))
    return source, complete


def source_of(
    planner: Planner | SearchPlanner, allocation: Allocation, console: Console
) -> Bench | Search:
    """Return the source of the command's jobs."""
    if isinstance(planner, SearchPlanner):
        return Search(planner, allocation, console)
    return Bench(planner, allocation, console)


def run_source(
    source: Bench | Search, allocation: Allocation, machine: Machine, console: Console
) -> bool:
    """Check that the trials can start and run them; return whether nothing is left to run."""
    planner = source.planner
    request, results = planner.request, planner.results
    for line in [*kept_apart(planner.store, source.jobs), *source.notes(machine)]:
        say(console, line)
    check_fits(allocation)
    if request.address is not None:
        images = next((Path(job.job.data_dir) for job in source.jobs if job.job.data_dir), None)
        check_storage(results / "checkpoints", images)
    # What is planned from here on is in the report, whenever the command ends. Nothing of the
    # user's is replaced before it is sure that the trials can start.
    keep_signals()
    source.begin()
    say(console, f"{source.left_to_run()}, {allocation}")
    jobs = Jobs(source, source.recorder, source.board, max_failures=request.max_failures)
    slots = Slots(allocation, planner.shares, request.address)
    with source.board.live(), source.recorder.interrupting("the command was stopped"):
        run_jobs(
            jobs,
            allocation,
            slots,
            storage=results.resolve() / ".ray",
            stall_timeout=request.stall_timeout,
        )
        jobs.stop_what_runs()
    return jobs.exhausted


def packed(
    planner: Planner | SearchPlanner, allocation: Allocation, machine: Machine, console: Console
) -> Allocation:
    """Return what each trial gets with as many on a GPU as measuring the largest of them allows."""
    measured = planner.jobs_to_measure(allocation)
    planner.shares, found = pack(planner.shares, measured, machine)
    say(console, found)
    return planner.allocation(machine)


@contextmanager
def joined(address: str | None, machine: Machine, log: Path) -> Iterator[Machine]:
    """Join the cluster at ``address`` and give what it holds; without one, give ``machine``."""
    if address is None:
        yield machine
        return
    with connect(address, machine, log):
        yield cluster_machine(address)


@contextmanager
def started(address: str | None, machine: Machine, log: Path) -> Iterator[None]:
    """Start Ray on this machine, unless a cluster was joined."""
    if address is not None:
        yield
        return
    with connect(None, machine, log):
        yield
