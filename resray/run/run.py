"""Running what is missing of a study: connecting, scheduling, recording and showing it."""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError
from rich.console import Console

from resray.cost import probe
from resray.files import whole_file
from resray.results.lock import writer_lock
from resray.results.recovery import (
    put_damaged_aside,
    recorded_epochs,
    remove_remains,
)
from resray.results.store import ResultStore
from resray.run.apart import kept_apart
from resray.run.cluster import (
    check_fits,
    cluster_machine,
    connect,
    session_logs,
)
from resray.run.engine import run_jobs
from resray.run.estimate import compared_hours
from resray.run.feed import FixedList
from resray.run.memory import in_a_task, pack
from resray.run.plan import Planner, Work, checkpoint_folder
from resray.run.progress import Board, TrialView
from resray.run.recorder import Recorder, planned_row
from resray.run.resources import Allocation, Machine, counted
from resray.run.signals import keep_signals
from resray.run.storage import check_storage
from resray.study.load import study_text

Row = dict[str, Any]


def run_study(planner: Planner, machine: Machine, console: Console) -> tuple[list[Work], int]:
    """Run what is missing of a study; return all that was asked for, and how many had ended before.

    ``machine`` is this one; a cluster joined at an address takes its place. Progress goes to
    ``console``, which writes to a descriptor of its own: standard output and error go to Ray's log
    meanwhile. After Ctrl-C it returns as well: the trials that were cut off are then recorded as
    interrupted. Raises InputError and ClusterError before anything starts.
    """
    bench = planner.bench
    with writer_lock(planner.results):
        log = planner.results / "ray.log"
        with joined(bench.address, machine, log) as whole:
            say(console, f"Study {planner.study.name}: reading the data …")
            put_right(planner.store, console)
            work, allocation = planner.plan(whole)
            copy_study(bench.study, planner.results)
            todo = [item for item in work if planner.is_todo(item.trial, item.job.trial_id)]
            if todo:
                run_missing(planner, todo, whole, allocation, console)
                planner.store.compact()
    return work, len(work) - len(todo)


def run_missing(
    planner: Planner,
    todo: Sequence[Work],
    machine: Machine,
    allocation: Allocation,
    console: Console,
) -> None:
    """Start Ray, check, plan the missing trials in the store and run them."""
    bench, log = planner.bench, planner.results / "ray.log"
    with started(bench.address, machine, log, console):
        if planner.request.gpus_per_trial == "auto":
            todo, allocation = packed(planner, todo, machine, console)
        planner.store.load_epochs(item.job.trial_id for item in todo)
        for line in kept_apart(planner.store, todo):
            say(console, line)
        measure = partial(in_a_task, probe, use_gpu=True)
        # A GPU that cannot be measured is no reason not to train.
        with suppress(RayError):
            if hours := compared_hours(planner, todo, allocation, machine, measure):
                say(console, f"Estimated: {hours}")
        say(console, f"{counted(len(todo), 'trial')} to run, {allocation}. Ray's own output: {log}")
        check_fits(allocation)
        if bench.address is not None:
            images = next((Path(item.job.data_dir) for item in todo if item.job.data_dir), None)
            check_storage(planner.results / "checkpoints", images)
        # What is planned from here on is in the report, whenever the command ends.
        keep_signals()
        # Nothing of the user's is replaced before it is sure that the trials can start.
        if bench.force:
            forget(planner.store, [item.job.trial_id for item in todo])
        recorder = Recorder(planner.store, gpus_per_trial=allocation.gpus_per_trial)
        origin = provenance()
        for item in todo:
            recorder.plan(planned_row(item.trial, item.job, origin))
        todo = [item for item in todo if planner.is_todo(item.trial, item.job.trial_id)]
        views = [trial_view(item, planner.store) for item in todo]
        board = Board(views, planner.store, console, allocation.side_by_side)
        feed = FixedList([item.job for item in todo], recorder, board.hear)
        with board.live(), recorder.interrupting("the command was stopped"):
            run_jobs(
                feed,
                allocation,
                storage=planner.results.resolve() / ".ray",
                max_failures=bench.max_failures,
            )


def packed(
    planner: Planner, todo: Sequence[Work], machine: Machine, console: Console
) -> tuple[list[Work], Allocation]:
    """Plan again with as many trials on a GPU as measuring the largest of them allows."""
    planner.request, found = pack(planner.request, [item.job for item in todo], machine)
    say(console, found)
    work, allocation = planner.plan(machine)
    return [item for item in work if planner.is_todo(item.trial, item.job.trial_id)], allocation


@contextmanager
def joined(address: str | None, machine: Machine, log: Path) -> Iterator[Machine]:
    """Join the cluster at ``address`` and give what it holds; without one, give ``machine``."""
    if address is None:
        yield machine
        return
    with connect(address, machine, log):
        yield cluster_machine(address)


@contextmanager
def started(address: str | None, machine: Machine, log: Path, console: Console) -> Iterator[None]:
    """Start Ray on this machine, unless a cluster was joined."""
    if address is not None:
        yield
        return
    with connect(None, machine, log):
        say(console, f"Logs of Ray's workers: {session_logs()}")
        yield


def say(console: Console, text: str) -> None:
    """Print a line as it stands: paths may hold what rich would read as markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def put_right(store: ResultStore, console: Console) -> None:
    """Leave tables that a command can go on from, and say what was wrong with them.

    Whoever holds the writer's lock knows that nobody trains any more what an earlier command left
    running when it was killed. Epochs that were lost with a file come back from beside the
    checkpoints; where they cannot, their trial has not ended.
    """
    remove_remains(store.folder)
    for line in put_damaged_aside(store.storage):
        say(console, line)
    store.reload()
    recorder, recorded, lost = Recorder(store), recorded_epochs(store.storage), []
    for row in store.trials():
        trial_id, status = row["trial_id"], row["status"]
        wanted = max(row["epochs_done"] or 0, status == "completed")
        changes: Row = {}
        if status == "running":
            changes = {"status": "interrupted", "reason": "an earlier command was killed"}
        if recorded.get(trial_id, 0) != wanted:
            there = recorder.whole_epochs(trial_id)
            changes |= recorder.summary(trial_id) if there >= wanted else {"epochs_done": there}
            if there < wanted:
                lost.append(row["name"])
            if there < wanted and status == "completed":
                changes |= {"status": "interrupted", "reason": "its epochs were lost"}
        if changes:
            store.put_trial({"trial_id": trial_id, **changes})
    store.flush()
    if lost:
        names = ", ".join(lost[:3]) + (" ..." if lost[3:] else "")
        say(console, f"{counted(len(lost), 'trial')} lost epochs for good, to be trained: {names}")


def trial_view(item: Work, store: ResultStore) -> TrialView:
    """Return what the board shows of a trial before it starts."""
    epochs = store.epochs(item.job.trial_id)
    return TrialView(
        job=item.job,
        label=f"{item.trial.name} (seed {item.trial.seed})",
        epochs=item.epochs,
        work_per_epoch=item.work_per_epoch,
        epoch=epochs[-1]["epoch"] if epochs else 0,
        row=store.trial(item.job.trial_id) or {},
    )


def forget(store: ResultStore, trial_ids: Sequence[str]) -> None:
    """Remove results and checkpoints of trials that ``--force`` runs anew."""
    store.forget(trial_ids)
    for trial_id in trial_ids:
        shutil.rmtree(checkpoint_folder(store.folder, trial_id), ignore_errors=True)


def copy_study(study: str, results: Path) -> None:
    """Keep the study file beside its results, for reports made later and elsewhere."""
    with whole_file(results / "study.yaml") as file:
        file.write(study_text(study).encode())


def provenance() -> Row:
    """Return the columns of the trials table that say which code plans the trials."""
    return {**git_state(), "ray_version": ray.__version__}


def git_state() -> Row:
    """Return commit and dirty flag of the checkout in the current folder, null if it is none."""
    try:
        commit = git("rev-parse", "HEAD")
        dirty = bool(git("status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_dirty": None}
    return {"git_commit": commit, "git_dirty": dirty}


def git(*arguments: str) -> str:
    """Return what a git command prints."""
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
