"""`resray bench` as a library function: run a study, write its report, say how it went."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EACCES
from pathlib import Path
from typing import Any

from rich.console import Console

from resray.errors import InputError, ResrayError, RunInterrupted, StorageError
from resray.files import storage_errors
from resray.orchestration.plan import Bench, Planner, Work
from resray.orchestration.resources import Machine, allocate, local_machine
from resray.orchestration.signals import terminate_like_interrupt

Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a bench."""

    results: Path
    report: Path
    trials: list[Row]
    """The rows of the trials that were asked for, also of those that had ended before."""
    skipped: int

    @property
    def summary(self) -> dict[str, int]:
        """How many trials are in each state."""
        states = [row["status"] for row in self.trials]
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


def checked_machine(bench: Bench) -> Machine:
    """Return this machine; raise ClusterError if the trials are to run on it and it is too small.

    A cluster can only be asked once it is joined.
    """
    machine = local_machine()
    if bench.address is None:
        allocate(bench.request, machine, trials=1)
    return machine


def check_all(benches: Sequence[Bench]) -> None:
    """Raise now, before the first of several studies trains, what one of them would raise.

    An InputError then begins with the study at fault.
    """
    for bench in benches:
        checked_machine(bench)
        try:
            Planner(bench)
        except InputError as error:
            where = f"{bench.study}: " if len(benches) > 1 else ""
            raise InputError(f"{where}{error}") from error


def dry_run(bench: Bench, console: Console) -> None:
    """Print what `run_bench` would do; raise what it would raise before its start."""
    if bench.address is not None:
        raise InputError("--dry-run: only for this machine; leave out --address")
    from resray.orchestration.bench_description import describe_plan

    describe_plan(bench, checked_machine(bench), console)


def run_bench(bench: Bench, console: Console) -> Outcome:
    """Run what is missing of a study and write the report of the trials asked for.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C,
    when everything recorded until then is on disk and in the report.
    """
    machine = checked_machine(bench)
    planner = Planner(bench)
    report_folder(bench.out)
    try:
        with terminate_like_interrupt():
            outcome = run_and_report(planner, machine, console)
    except KeyboardInterrupt:
        raise RunInterrupted(
            "interrupted. What was recorded is safe; the same command goes on from there"
        ) from None
    if outcome.unfinished:
        raise RunInterrupted(
            f"interrupted: {outcome.unfinished} of {len(outcome.trials)} trials are unfinished. "
            f"What was recorded is safe in {outcome.results}; the same command goes on from there"
        )
    return outcome


def run_and_report(planner: Planner, machine: Machine, console: Console) -> Outcome:
    """Run what is missing, write the report and return what came of it."""
    # Ray takes seconds to import: a wish that cannot be met is refused before.
    from resray.orchestration.run import run_study

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


def conclude(planner: Planner, work: list[Work], skipped: int) -> Outcome:
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
