"""`resray bench` as a library function: run a study, write its report, say how it went.

What plans and trains is imported once the study and the options are known to be right: torch and
Ray take seconds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resray.errors import InputError, ResrayError, RunInterrupted, StorageError
from resray.files import home_folder, storage_errors, whole_file
from resray.run.asked import Bench, Tune
from resray.run.resources import Machine, allocate, local_machine
from resray.run.signals import interruptible

if TYPE_CHECKING:
    from resray.run.plan import Planner, Work

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a bench or of a search."""

    results: Path
    report: Path
    trials: list[Row]
    """The rows of the trials that were asked for, also of those that had ended before."""
    skipped: int
    """How many had ended before."""

    @property
    def rows(self) -> list[Row]:
        """The rows of all that was trained."""
        return self.trials

    @property
    def summary(self) -> dict[str, int]:
        """How many trials are in each state."""
        states = [row["status"] for row in self.rows]
        return {state: states.count(state) for state in sorted(set(states))}

    @property
    def exit_code(self) -> int:
        """0 if every trial completed or was stopped on purpose, 1 if some failed."""
        return 1 if "failed" in self.summary else 0

    @property
    def unfinished(self) -> int:
        """How many trials were cut off or never started."""
        ended = ("completed", "stopped", "failed")
        return sum(count for state, count in self.summary.items() if state not in ended)


def checked_machine(asked: Bench | Tune) -> Machine:
    """Return this machine; raise ClusterError if it cannot do what is asked.

    A cluster can only be asked once it is joined.
    """
    # Ray does not import without one.
    home_folder()
    machine = local_machine()
    if asked.address is None:
        allocate(asked.request, machine, trials=1)
    return machine


@contextmanager
def in_good_order(results: Path) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a RunInterrupted, when what is under way is recorded."""
    try:
        with interruptible(outlasting=True):
            yield
    except KeyboardInterrupt:
        raise interruption(results) from None


def interruption(results: Path, unfinished: str = "") -> RunInterrupted:
    """Return what says that a command was interrupted."""
    return RunInterrupted(
        f"interrupted{unfinished}. What was recorded is safe in {results}; the same command goes "
        "on from there"
    )


def profile(bench: Bench, console: Console) -> Path:
    """Profile the longest of the trials asked for, print the table and return the trace's file.

    Trace, Markdown and HTML go to the folder profile/ of the study's results, by the trial's name.
    Raises what `run_bench` raises before its start, and what the training raises.
    """
    if bench.address is not None:
        raise InputError("--profile: only for this machine; leave out --address")
    bench.check()
    from resray.export.profile_page import as_html, as_markdown, as_table
    from resray.run.plan import Planner
    from resray.training.profiling.trial import profile_trial

    planner = Planner(bench)
    works, _ = planner.plan(checked_machine(bench))
    job = max(works, key=lambda work: work.epochs * work.work_per_epoch).job
    folder = planner.results / "profile"
    trace = folder / f"{job.name}.json"
    with whole_file(trace) as file:
        found = profile_trial(job, Path(file.name))
    for suffix, content in ((".md", as_markdown(found)), (".html", as_html(found))):
        with whole_file(folder / f"{job.name}{suffix}") as file:
            file.write(content.encode())
    console.print(as_table(found))
    for line in (*found.notes, f"Trace, for chrome://tracing or ui.perfetto.dev: {trace}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return trace


def dry_run(bench: Bench, console: Console) -> None:
    """Print what `run_bench` would do; raise what it would raise before its start."""
    if bench.address is not None:
        raise InputError("--dry-run: only for this machine; leave out --address")
    bench.check()
    from resray.run.bench_description import describe_plan

    describe_plan(bench, checked_machine(bench), console)


def run_bench(bench: Bench, console: Console) -> Outcome:
    """Run what is missing of a study and write the report of the trials asked for.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C,
    when everything recorded until then is on disk and in the report.
    """
    bench.check()
    machine = checked_machine(bench)
    from resray.run.plan import Planner

    planner = Planner(bench)
    report_folder(bench.out)
    with in_good_order(planner.results):
        outcome = run_and_report(planner, machine, console)
        if outcome.unfinished:
            trials = f"{outcome.unfinished} of {len(outcome.trials)} trials are unfinished"
            raise interruption(outcome.results, f": {trials}, as {outcome.report} shows")
    return outcome


def run_and_report(planner: "Planner", machine: Machine, console: Console) -> Outcome:
    """Run what is missing, write the report and return what came of it."""
    from resray.run.run import run_study

    with reporting_refusal(planner.results, planner.bench.out):
        work, skipped = run_study(planner, machine, console)
    return conclude(planner, work, skipped)


@contextmanager
def reporting_refusal(results: Path, out: Path) -> Iterator[None]:
    """Write the report of what there is, if it has room, where a disk refuses to go on."""
    from resray.report.page import write_report

    try:
        yield
    except StorageError:
        with suppress(ResrayError):
            write_report(results, report_folder(out) / f"{results.name}.html")
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


def conclude(planner: "Planner", work: "list[Work]", skipped: int) -> Outcome:
    """Write the report and gather what came of the trials."""
    from resray.report.page import write_report

    trial_ids = [item.job.trial_id for item in work]
    report = report_folder(planner.bench.out) / f"{planner.study.name}.html"
    # A search of the same study keeps its place in the report.
    searched = [row for row in planner.store.trials() if row["role"] in ("search", "confirmation")]
    shown = dict.fromkeys([*trial_ids, *(row["trial_id"] for row in searched)])
    write_report(planner.results, report, trial_ids=list(shown))
    rows = [row for trial_id in trial_ids if (row := planner.store.trial(trial_id))]
    return Outcome(planner.results, report, rows, skipped)
