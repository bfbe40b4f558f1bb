"""Running what is missing of a study: connecting, scheduling, recording and showing it."""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import ray
from rich.console import Console

from resray.orchestration.cluster import (
    check_fits,
    cluster_machine,
    connect,
    session_logs,
)
from resray.orchestration.engine import run_jobs
from resray.orchestration.plan import Bench, Planner, Work
from resray.orchestration.progress import Board, TrialView
from resray.orchestration.recorder import Recorder, planned_row
from resray.orchestration.resources import Allocation, Machine, counted
from resray.results.store import ResultStore, writer_lock
from resray.study.load import study_text

Row = dict[str, Any]


def run_study(bench: Bench, machine: Machine, console: Console) -> tuple[Planner, list[Work]]:
    """Run what is missing of a study; return where its results are and all that was asked for.

    ``machine`` is this one; a cluster joined at ``bench.address`` takes its place. Progress goes to
    ``console``, which writes to a descriptor of its own: standard output and error go to Ray's log
    meanwhile. After Ctrl-C it returns as well: the trials that were cut off are
    then recorded as interrupted. Raises InputError and ClusterError before anything starts.
    """
    planner = Planner(bench)
    with writer_lock(planner.results):
        log = planner.results / "ray.log"
        chatter = nullcontext() if bench.address is None else connect(bench.address, machine, log)
        with chatter:
            if bench.address is not None:
                machine = cluster_machine(bench.address)
            console.print(f"Study {planner.study.name}: reading the data …", highlight=False)
            work, allocation = planner.plan(machine)
            copy_study(bench.study, planner.results)
            if bench.force:
                forget(planner, work)
            todo = [item for item in work if item.todo]
            if todo:
                run_missing(bench, planner, todo, machine, allocation, console)
    return planner, work


def run_missing(
    bench: Bench,
    planner: Planner,
    todo: Sequence[Work],
    machine: Machine,
    allocation: Allocation,
    console: Console,
) -> None:
    """Plan the missing trials in the store and run them."""
    recorder = Recorder(planner.store, gpus_per_trial=allocation.gpus_per_trial)
    provenance = {**git_state(), "ray_version": ray.__version__}
    for item in todo:
        recorder.plan(planned_row(item.trial, item.job, provenance))
    views = [trial_view(item, planner.store) for item in todo]
    board = Board(views, planner.store, console, allocation.side_by_side)
    log = planner.results / "ray.log"
    console.print(
        f"{counted(len(todo), 'trial')} to run, {allocation}. Ray's own output: {log}",
        highlight=False,
        soft_wrap=True,
    )
    joined = bench.address is not None
    with nullcontext() if joined else connect(None, machine, log):
        check_fits(allocation)
        console.print(f"Logs of Ray's workers: {session_logs()}", highlight=False, soft_wrap=True)
        with board.live():
            jobs = [item.job for item in todo]
            run_jobs(jobs, allocation, recorder, board.hear, max_failures=bench.max_failures)


def trial_view(item: Work, store: ResultStore) -> TrialView:
    """Return what the board shows of a trial before it starts."""
    epochs = store.epochs(item.job.trial_id)
    return TrialView(
        job=item.job,
        label=f"{item.trial.name} (seed {item.trial.seed})",
        epochs=item.epochs,
        work_per_epoch=item.work_per_epoch,
        epoch=epochs[-1]["epoch"] if epochs else 0,
        record=epochs[-1] if epochs else {},
    )


def forget(planner: Planner, work: Sequence[Work]) -> None:
    """Remove results and checkpoints of trials that ``--force`` runs anew."""
    for item in work:
        planner.store.forget(item.job.trial_id)
        shutil.rmtree(item.job.checkpoint_folder, ignore_errors=True)


def copy_study(study: str, results: Path) -> None:
    """Keep the study file beside its results, for reports made later and elsewhere."""
    temporary = results / ".study.yaml"
    temporary.write_text(study_text(study))
    temporary.replace(results / "study.yaml")


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
