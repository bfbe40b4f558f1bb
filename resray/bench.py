"""`resray bench` as a library function: run a study, write its report, say how it went."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from resray.errors import RunInterrupted
from resray.orchestration.plan import Bench
from resray.orchestration.run import run_study
from resray.report.page import write_report

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


def run_bench(bench: Bench, console: Console) -> Outcome:
    """Run what is missing of a study and write the report of the trials asked for.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C,
    when everything recorded until then is on disk and in the report.
    """
    planner, work = run_study(bench, console)
    trial_ids = [item.job.trial_id for item in work]
    report = bench.out / "reports" / f"{planner.study.name}.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    write_report(planner.results, report, trial_ids=trial_ids)
    rows = [row for trial_id in trial_ids if (row := planner.store.trial(trial_id))]
    outcome = Outcome(planner.results, report, rows, sum(not item.todo for item in work))
    if outcome.unfinished:
        raise RunInterrupted(
            f"interrupted: {outcome.unfinished} of {len(work)} trials are unfinished. What was "
            f"recorded is safe in {outcome.results}; the same command goes on from there"
        )
    return outcome
