"""`resray bench` and `resray tune` as a library function: train, report, say how it went.

What plans and trains is imported once the study and the options are known to be right: torch and
Ray take seconds.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resray.errors import DataError, InputError, ResrayError, RunInterrupted, StorageError
from resray.files import home_folder, storage_errors, whole_file
from resray.results.rows import ENDED
from resray.run.request import Request
from resray.run.resources import Machine, allocate, local_machine
from resray.run.signals import interruptible, raise_if_interrupted, signals_waiting
from resray.search.best import winner
from resray.search.budget import Spending

if TYPE_CHECKING:
    from resray.run.bench import Bench
    from resray.run.plan import Planner
    from resray.run.search import Search
    from resray.run.search_plan import SearchPlanner

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a bench or of a search."""

    results: Path
    report: Path
    trials: list[Row]
    """The rows of the trials that were asked for, also of those that had ended before."""
    skipped: int
    """How many had ended before; of a search, points."""
    shown: Sequence[str] | None = None
    """The ids of the trials that the report is of; None: of all in the folder."""
    confirmations: Sequence[Row] = ()
    """Of a search: the rows of the trainings that confirm its winner."""
    best: Row | None = None
    """Of a search: the row of the trial that has won so far."""
    notes: tuple[str, ...] = ()
    """What there is to say of a search as a whole, e.g. what ended it before its time."""
    gpu_hours: float = 0.0
    """Of all search and confirmation trials; 0 on CPU."""
    cost: float | None = None
    """Of these GPU-hours, where a price was given."""

    @property
    def rows(self) -> list[Row]:
        """The rows of all that was trained."""
        return [*self.trials, *self.confirmations]

    @property
    def summary(self) -> dict[str, int]:
        """How many trials are in each state."""
        states = [row["status"] for row in self.rows]
        return {state: states.count(state) for state in sorted(set(states))}

    @property
    def unfinished(self) -> int:
        """How many trials were cut off or never started."""
        return sum(row["status"] not in ENDED for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 if every trial completed or was stopped on purpose, 1 if some failed.

        A training of a search that diverged has told what there was to know of its point.
        """
        failed = (row for row in self.rows if row["status"] == "failed")
        return int(any(row["role"] == "bench" or row["reason"] != "diverged" for row in failed))


def run(request: Request, console: Console) -> Outcome:
    """Run what is missing of a study, or of its search, and write the report.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C,
    when everything recorded until then is on disk and in the report.
    """
    request.check()
    machine = checked_machine(request)
    planner = planner_of(request)
    report_folder(request.out)
    with in_good_order(planner.results):
        source, complete = run_missing(planner, machine, console)
        outcome = conclude(source)
        if not complete and source.check() is None:
            raise interruption(request, outcome)
        if complete and request.search and request.settings.evaluate:
            outcome = evaluate_confirmations(request, source, outcome, console)
    return outcome


def planner_of(request: Request, *, download: bool = True) -> "Planner | SearchPlanner":
    """Return what resolves a request against data, results and machine."""
    with signals_waiting():
        from resray.run.plan import Planner
        from resray.run.search_plan import SearchPlanner

    planner = Planner if request.search is None else SearchPlanner
    return planner(request, download=download)


def dry_run(request: Request, console: Console) -> None:
    """Print what `run` would do; raise what it would raise before its start."""
    if request.address is not None:
        raise InputError("--dry-run: only for this machine; leave out --address")
    request.check()
    machine = checked_machine(request)
    from resray.run.dry_run import describe

    describe(planner_of(request, download=False), machine, console)


def checked_machine(request: Request) -> Machine:
    """Return this machine; raise ClusterError if it cannot do what is asked.

    A cluster can only be asked once it is joined.
    """
    # Ray does not import without one.
    home_folder()
    machine = local_machine()
    if request.address is None:
        allocate(request.shares, machine, trials=1)
    return machine


@contextmanager
def in_good_order(results: Path) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a RunInterrupted, when what is under way is recorded."""
    try:
        with interruptible(outlasting=True):
            yield
    except KeyboardInterrupt:
        raise RunInterrupted(f"interrupted. {goes_on(results)}") from None


def goes_on(results: Path) -> str:
    """Return that nothing is lost."""
    return f"What was recorded is safe in {results}; the same command goes on from there"


def interruption(request: Request, outcome: Outcome) -> RunInterrupted:
    """Return what says that a command was interrupted, and what of it is missing."""
    missing = f"the search is not done; see {outcome.report}"
    if request.search is None:
        trials = f"{outcome.unfinished} of {len(outcome.trials)} trials are unfinished"
        missing = f"{trials}, as {outcome.report} shows"
    return RunInterrupted(f"interrupted: {missing}. {goes_on(outcome.results)}")


def run_missing(
    planner: "Planner | SearchPlanner", machine: Machine, console: Console
) -> "tuple[Bench | Search, bool]":
    """Return what was run and whether it was all; where a disk refuses to go on, write the report
    of what there is, if it has room."""
    with signals_waiting():
        from resray.report.page import write_report
        from resray.run.execution import execute

    try:
        return execute(planner, machine, console)
    except StorageError:
        with suppress(ResrayError):
            report = report_folder(planner.request.out) / f"{planner.study.name}.html"
            write_report(planner.results, report)
        raise


def report_folder(out: Path) -> Path:
    """Return the folder of reports; raise InputError now, not after hours, if it cannot be used."""
    folder = out / "reports"
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK):
                raise PermissionError(EACCES, os.strerror(EACCES))
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with --out DIR"
        ) from error
    return folder


def conclude(source: "Bench | Search") -> Outcome:
    """Write the report and gather what came of the trials."""
    from resray.report.page import write_report

    planner, request = source.planner, source.planner.request
    store, searching = planner.store, request.search
    asked = [*source.trial_ids, *source.confirmation_ids]
    report = report_folder(request.out) / f"{planner.study.name}.html"
    rows = {row["trial_id"]: row for row in store.trials()}
    shown = dict.fromkeys(asked)
    if searching is None:
        # A search of the same study keeps its place in the report.
        searched = ("search", "confirmation")
        shown |= {trial_id: None for trial_id, row in rows.items() if row["role"] in searched}
    write_report(planner.results, report, trial_ids=list(shown))
    trials = [rows[trial_id] for trial_id in source.trial_ids if trial_id in rows]
    outcome = Outcome(planner.results, report, trials, source.ended_before, list(shown))
    if searching is None:
        return outcome
    hours, ended_by = Spending(rows.values()).gpu_hours, source.check()
    ending = [f"ended by {ended_by}; the same command goes on from there"] if ended_by else []
    return replace(
        outcome,
        confirmations=[rows[each] for each in source.confirmation_ids if each in rows],
        best=winner(trials),
        notes=(*request.plan.notes, *ending),
        gpu_hours=hours,
        cost=searching.budget.cost_of(hours),
    )


def evaluate_confirmations(
    request: Request, source: "Bench | Search", outcome: Outcome, console: Console
) -> Outcome:
    """Measure on the confirmations what the study's search asks for beside accuracy on test.

    What keeps it from that, if anything does, is a note: the search is done in any case.
    """
    confirmed = [row for row in outcome.confirmations if row["status"] == "completed"]
    if not confirmed:
        return outcome
    from resray.evaluate.run import Evaluation, run_evaluation

    raise_if_interrupted()
    asked = Evaluation(
        results=outcome.results,
        kinds=request.settings.evaluate,
        select=tuple({row["name"] for row in confirmed}),
        seeds=tuple(row["seed"] for row in confirmed),
        data_dir=request.data_dir,
        trusted=request.options.trusted,
    )
    note: tuple[str, ...] = ()
    with interruptible():
        try:
            run_evaluation(asked, console)
        except (InputError, DataError) as error:
            note = (f"not evaluated further: {error}",)
    outcome = conclude(source)
    return replace(outcome, notes=(*outcome.notes, *note))


def profile(request: Request, console: Console) -> Path:
    """Profile the longest of the trials asked for, print the table and return the trace's file.

    Trace and table (Markdown) go to the folder profile/ of the study's results, by the trial's
    name.
    Raises what `run` raises before its start, and what the training raises.
    """
    if request.address is not None:
        raise InputError("--profile: only for this machine; leave out --address")
    request.check()
    from resray.export.profile_page import as_markdown, as_table
    from resray.run.plan import Planner
    from resray.training.profiling.trial import profile_trial

    planner = Planner(request)
    jobs = planner.jobs(planner.allocation(checked_machine(request)))
    job = max(jobs, key=lambda each: each.epochs * each.work_per_epoch).job
    folder = planner.results / "profile"
    trace = folder / f"{job.name}.json"
    with whole_file(trace) as file:
        found = profile_trial(job, Path(file.name))
    with whole_file(folder / f"{job.name}.md") as file:
        file.write(as_markdown(found).encode())
    console.print(as_table(found))
    for line in (*found.notes, f"Trace, for chrome://tracing or ui.perfetto.dev: {trace}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return trace
