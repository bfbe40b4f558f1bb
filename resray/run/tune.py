"""`resray tune` as a library function: search, confirm the winner, write the report, say how it
went. What plans and trains is imported on use, as in `resray.run.bench`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resray.errors import DataError, InputError
from resray.run.asked import Tune
from resray.run.bench import (
    Outcome,
    checked_machine,
    in_good_order,
    interruption,
    report_folder,
    reporting_refusal,
)
from resray.run.resources import Machine
from resray.run.signals import interruptible, raise_if_interrupted
from resray.search.best import winner
from resray.search.budget import Spending

if TYPE_CHECKING:
    from resray.run.search_plan import SearchPlanner
    from resray.run.search_run import Searched

Row = dict[str, Any]

__all__ = ["Tune", "TuneOutcome", "dry_run", "run_tune"]


@dataclass(frozen=True)
class TuneOutcome(Outcome):
    """What came of a search; ``skipped`` counts its points."""

    confirmations: list[Row]
    best: Row | None
    """The row of the trial that has won so far."""
    notes: tuple[str, ...]
    """What there is to say of the search as a whole, e.g. what ended it before its time."""
    gpu_hours: float
    """Of all search and confirmation trials; 0 on CPU."""
    cost: float | None
    """Of these GPU-hours, where a price was given."""

    @property
    def rows(self) -> list[Row]:
        """The rows of the search's trials and of the confirmations."""
        return [*self.trials, *self.confirmations]

    @property
    def exit_code(self) -> int:
        """0 if every trial completed or was stopped on purpose, 1 if some failed.

        A training that diverged has told what there was to know of its point.
        """
        failed = [row for row in self.rows if row["status"] == "failed"]
        return 1 if any(row["reason"] != "diverged" for row in failed) else 0


def dry_run(asked: Tune, console: Console) -> None:
    """Print what `run_tune` would do; raise what it would raise before its start."""
    if asked.address is not None:
        raise InputError("--dry-run: only for this machine; leave out --address")
    asked.check()
    from resray.run.search_description import describe_search
    from resray.run.search_plan import SearchPlanner

    describe_search(SearchPlanner(asked, download=False), checked_machine(asked), console)


def run_tune(asked: Tune, console: Console) -> TuneOutcome:
    """Search what is missing of a study's spaces, confirm the winner and write the report.

    Progress goes to ``console``. Raises InputError, ClusterError, and RunInterrupted after Ctrl-C,
    when everything recorded until then is on disk and in the report.
    """
    asked.check()
    machine = checked_machine(asked)
    from resray.run.search_plan import SearchPlanner

    planner = SearchPlanner(asked)
    report_folder(asked.out)
    with in_good_order(planner.results):
        outcome, complete = search_and_report(planner, machine, console)
        if not complete:
            raise interruption(outcome.results, f": the search is not done; see {outcome.report}")
    return outcome


def search_and_report(
    planner: "SearchPlanner", machine: Machine, console: Console
) -> tuple[TuneOutcome, bool]:
    """Run what is missing, write the report, and return both it and whether all was run."""
    from resray.run.search_run import run_search

    with reporting_refusal(planner.results, planner.asked.out):
        searched = run_search(planner, machine, console)
    ended = searched.complete or searched.ended_by is not None
    outcome = conclude(planner, searched)
    confirmed = [row for row in outcome.confirmations if row["status"] == "completed"]
    if not (searched.complete and confirmed and planner.settings.evaluate):
        return outcome, ended
    raise_if_interrupted()
    with interruptible():
        note = evaluate_confirmations(planner, confirmed, console)
    outcome = conclude(planner, searched)
    return replace(outcome, notes=(*outcome.notes, *note)), ended


def evaluate_confirmations(
    planner: "SearchPlanner", confirmed: Sequence[Row], console: Console
) -> list[str]:
    """Measure on the confirmations what the study's search asks for beside accuracy on test.

    Returns what kept it from that, if anything did: the search is done in any case.
    """
    from resray.evaluate.run import Evaluation, run_evaluation

    asked = Evaluation(
        results=planner.results,
        kinds=planner.settings.evaluate,
        select=tuple({row["name"] for row in confirmed}),
        seeds=tuple(row["seed"] for row in confirmed),
        data_dir=planner.asked.data_dir,
        trusted=planner.asked.options.trusted,
    )
    try:
        run_evaluation(asked, console)
    except (InputError, DataError) as error:
        return [f"not evaluated further: {error}"]
    return []


def conclude(planner: "SearchPlanner", searched: "Searched") -> TuneOutcome:
    """Write the report and gather what came of the search."""
    from resray.report.page import write_report

    ids = [*searched.search_ids, *searched.confirmation_ids]
    report = report_folder(planner.asked.out) / f"{planner.study.name}.html"
    write_report(planner.results, report, trial_ids=ids)
    rows = [row for trial_id in ids if (row := planner.store.trial(trial_id)) is not None]
    trials = [row for row in rows if row["role"] == "search"]
    hours = Spending(planner.store.trials()).gpu_hours
    goes_on = "the same command goes on from there"
    ending = [f"ended by {searched.ended_by}; {goes_on}"] if searched.ended_by else []
    return TuneOutcome(
        results=planner.results,
        report=report,
        trials=trials,
        confirmations=[row for row in rows if row["trial_id"] in searched.confirmation_ids],
        best=winner(trials),
        skipped=searched.ended_before,
        notes=(*planner.plan.notes, *ending),
        gpu_hours=hours,
        cost=planner.asked.budget.cost_of(hours),
    )
