"""`resray bench`: from a study and the user's wishes to results and a report."""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from rich.console import Console
from rich.table import Table

from resray.data.dataset import Dataset
from resray.data.sources import open_dataset
from resray.data.splits import prepare
from resray.errors import RunInterrupted
from resray.models.build import build_model
from resray.models.count import count_multiply_adds
from resray.orchestration.cluster import (
    check_fits,
    cluster_machine,
    connect,
    local_machine,
    session_logs,
)
from resray.orchestration.engine import checkpoint_folder, run_jobs
from resray.orchestration.progress import Board, TrialView
from resray.orchestration.recorder import Recorder, planned_row
from resray.orchestration.resources import Allocation, Machine, Request, allocate
from resray.report.page import write_report
from resray.results.store import ResultStore, writer_lock
from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study, study_text
from resray.study.recipes import trial_id
from resray.study.spec import Data
from resray.training.trial import Job

Row = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What `resray bench` was asked to do."""

    study: str
    """A shipped study's name, or the path of a study file."""
    options: Options = Options()
    request: Request = Request()
    data_dir: Path | None = None
    out: Path = Path()
    """The folder that receives results/<study>/ and reports/<study>.html."""
    address: str | None = None
    max_failures: int = 3
    force: bool = False


@dataclass(frozen=True)
class Work:
    """One trial that the user asked for, and whether it still has to run."""

    trial: PlannedTrial
    job: Job
    epochs: int
    """Where this call ends the trial."""
    train_images: int
    work_per_epoch: float
    """Training multiply-adds of one epoch; a backward pass counts as two forward passes."""
    todo: bool


@dataclass
class Outcome:
    """What came of a bench."""

    results: Path
    report: Path
    trials: list[Row]
    skipped: int
    logs: str = ""
    exit_code: int = 0
    summary: dict[str, int] = field(default_factory=dict)


def results_folder(bench: Bench, study_name: str) -> Path:
    """Return the folder that holds the study's results."""
    return bench.out / "results" / study_name


class Planner:
    """Resolves trials against data, results and machine, opening each dataset once."""

    def __init__(self, bench: Bench, *, download: bool = True) -> None:
        self.bench = bench
        self.study = load_study(bench.study)
        self.results = results_folder(bench, self.study.name)
        self.store = ResultStore(self.results)
        self._download = download
        self._datasets: dict[str, Dataset] = {}

    def plan(self, machine: Machine) -> tuple[list[Work], Allocation]:
        """Return every trial asked for, longest first, and what each will get."""
        trials = expand(self.study, self.bench.options)
        world_size = allocate(self.bench.request, machine, len(trials)).world_size
        identified = [(trial, self._identify(trial, world_size)) for trial in trials]
        missing = sum(self._is_todo(trial, identity) for trial, identity in identified)
        allocation = allocate(self.bench.request, machine, max(1, missing))
        work = [self._work(trial, identity, allocation) for trial, identity in identified]
        return sorted(work, key=lambda item: -item.epochs * item.work_per_epoch), allocation

    def _identify(self, trial: PlannedTrial, world_size: int) -> str:
        return trial_id(
            trial.recipe,
            trial.seed,
            dataset_checksum=self._dataset(trial.recipe.data).checksum,
            world_size=world_size,
        )

    def _dataset(self, spec: Data) -> Dataset:
        key = spec.model_dump_json()
        if key not in self._datasets:
            data_dir = None if spec.name == "embedded" else self.bench.data_dir
            self._datasets[key] = open_dataset(spec, data_dir, download=self._download)
        return self._datasets[key]

    def _is_todo(self, trial: PlannedTrial, identity: str) -> bool:
        return self.bench.force or is_missing(trial, self.store.trial(identity))

    def _work(self, trial: PlannedTrial, identity: str, allocation: Allocation) -> Work:
        recipe = trial.recipe
        dataset = self._dataset(recipe.data)
        splits = prepare(dataset, recipe.data)
        network = build_model(recipe.model, len(splits.class_names))
        multiply_adds = count_multiply_adds(network, splits.image_size)
        job = Job(
            trial_id=identity,
            name=trial.name,
            recipe=recipe.model_dump(mode="json"),
            seed=trial.seed,
            stop_after=trial.stop_after,
            checkpoint_folder=str(checkpoint_folder(self.results, identity)),
            data_dir=self._data_dir(recipe.data),
            dataset_checksum=dataset.checksum,
            world_size=allocation.world_size,
            threads=allocation.threads,
            use_gpu=allocation.use_gpu,
        )
        return Work(
            trial=trial,
            job=job,
            epochs=min(recipe.epochs, trial.stop_after or recipe.epochs),
            train_images=len(splits.train),
            work_per_epoch=3.0 * multiply_adds * len(splits.train),
            todo=self._is_todo(trial, identity),
        )

    def _data_dir(self, spec: Data) -> str | None:
        if spec.name == "embedded" or self.bench.data_dir is None:
            return None
        return str(self.bench.data_dir.resolve())


def is_missing(trial: PlannedTrial, row: Row | None) -> bool:
    """Return whether a trial still has to run, given its row in the results.

    A diverged trial would only diverge again; one that was stopped at an epoch goes on if this call
    wants more.
    """
    if row is None:
        return True
    if row["status"] == "stopped":
        return trial.stop_after is None or row["epochs_done"] < trial.stop_after
    diverged = row["status"] == "failed" and row["reason"] == "diverged"
    return row["status"] != "completed" and not diverged


def run_bench(bench: Bench, console: Console) -> Outcome:
    """Run what is missing of a study, write its report, and say how it went.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C:
    everything recorded until then is on disk and the report is written.
    """
    planner = Planner(bench)
    machine = local_machine()
    if bench.address is None:
        # Refuse what this machine cannot give before reading data or starting Ray.
        allocate(bench.request, machine, trials=1)
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
        return conclude(planner, work, console)


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
        f"{len(todo)} trials to run, {allocation}. Ray's own output: {log}",
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


def conclude(planner: Planner, work: Sequence[Work], console: Console) -> Outcome:
    """Write the report and return the outcome; raise RunInterrupted if trials were cut off."""
    trial_ids = [item.job.trial_id for item in work]
    report = planner.bench.out / "reports" / f"{planner.study.name}.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    write_report(planner.results, report, trial_ids=trial_ids)
    rows = [planner.store.trial(trial_id) or {} for trial_id in trial_ids]
    states = [row.get("status", "pending") for row in rows]
    unfinished = [state for state in states if state in ("interrupted", "pending", "running")]
    if unfinished:
        raise RunInterrupted(
            f"interrupted: {len(unfinished)} of {len(work)} trials are unfinished. What was "
            f"recorded is safe in {planner.results}; the same command goes on from there"
        )
    return Outcome(
        results=planner.results,
        report=report,
        trials=rows,
        skipped=sum(not item.todo for item in work),
        exit_code=1 if "failed" in states else 0,
        summary={state: states.count(state) for state in sorted(set(states))},
    )


def describe_plan(bench: Bench, console: Console) -> None:
    """Print what `run_bench` would do; nothing is downloaded, started or written.

    Raises what `run_bench` would raise before its start.
    """
    machine = local_machine()
    allocate(bench.request, machine, trials=1)
    work, allocation = Planner(bench, download=False).plan(machine)
    table = Table("trial", "seed", "epochs", "training images x epochs", "id", "")
    for item in work:
        images = item.train_images * item.epochs
        table.add_row(
            item.trial.name,
            str(item.trial.seed),
            str(item.epochs),
            f"{images:,}",
            item.job.trial_id,
            "to run" if item.todo else "ended before",
        )
    console.print(table)
    todo = sum(item.todo for item in work)
    console.print(f"{todo} of {len(work)} trials to run, {allocation}.", highlight=False)


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
