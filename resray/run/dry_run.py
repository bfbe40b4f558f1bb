"""What `--dry-run` prints: what a command would run, nothing is downloaded, started or written."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from resray.errors import InputError
from resray.run.apart import kept_apart
from resray.run.cost import probe
from resray.run.disk import checkpoints_fit, take_of
from resray.run.estimate import compared_hours
from resray.run.plan import Planner
from resray.run.resources import Machine, counted
from resray.run.search import Search
from resray.run.search_plan import SearchPlanner
from resray.study.expand import all_reductions

SHOWN = 40
"""Points that are listed; of larger searches the first to begin."""


def describe(planner: Planner | SearchPlanner, machine: Machine, console: Console) -> None:
    """Print what a command would run."""
    if isinstance(planner, SearchPlanner):
        describe_search(planner, machine, console)
    else:
        describe_bench(planner, machine, console)


def describe_bench(planner: Planner, machine: Machine, console: Console) -> None:
    """Print the trials of a study, and which of them would run."""
    allocation = planner.allocation(machine)
    jobs = planner.jobs(allocation)
    todo = [job for job in jobs if planner.is_todo(job.trial, job.trial_id)]
    table = Table("trial", "seed", "epochs", "training images x epochs", "id", "")
    for job in jobs:
        table.add_row(
            job.trial.name,
            str(job.trial.seed),
            str(job.epochs),
            f"{job.train_images * job.epochs:,}",
            job.trial_id,
            "to run" if job in todo else "ended before",
        )
    console.print(table)
    if reduced := all_reductions([*planner.trials, *(job.trial for job in jobs)]):
        console.print(Text(f"Reduced: {'; '.join(reduced)}", style="yellow"))
    for line in kept_apart(planner.store, todo):
        console.print(Text(line, style="yellow"))
    if hours := compared_hours(planner, todo, allocation, machine, probe):
        console.print(hours, highlight=False)
    console.print(f"{len(todo)} of {len(jobs)} trials to run, {allocation}.", highlight=False)
    if todo:
        takes = [take_of(each.trial, planner.study.checkpoints) for each in todo]
        begun = [Path(job.job.checkpoint_folder) for job in todo]
        line = checkpoints_fit(takes, allocation.side_by_side, planner.results, begun)
        console.print(line, highlight=False)


def describe_search(planner: SearchPlanner, machine: Machine, console: Console) -> None:
    """Print the points of a search, and what the results say of them."""
    allocation = planner.allocation(machine)
    notes = list(planner.plan.notes)
    trials = [each.trial for each in planner.plan.trials]
    try:
        search = Search(planner, allocation, console)
        trials += [job.trial for job in search.jobs]
        states = {
            each.point.identity: "ended before" if search.is_over(each) else "to run"
            for each in search.candidates
        }
        notes += kept_apart(planner.store, search.jobs)
        begun = [Path(each.final.job.checkpoint_folder) for each in search.candidates]
    except InputError as error:
        if planner.request.data_dir is not None:
            raise
        # What there is to search does not depend on the images; only what has ended does.
        states, begun = {}, []
        notes.append(f"What has ended before is known with the data only: {error}")
    if planner.plan.trials:
        console.print(point_table(planner, states))
    if reduced := all_reductions(trials):
        notes.append(f"Reduced: {'; '.join(reduced)}")
    for note in notes:
        console.print(Text(note, style="yellow"))
    console.print(f"{in_words(planner)}; {allocation}.", highlight=False)
    # Points that are proposed one by one are known only then.
    policy = planner.study.checkpoints
    takes = [take_of(each.trial, policy, may_stop=True) for each in planner.plan.trials]
    if takes:
        line = checkpoints_fit(takes, allocation.side_by_side, planner.results, begun)
        console.print(line, highlight=False)


def point_table(planner: SearchPlanner, states: Mapping[tuple[str, str], str]) -> Table:
    """Return the points in the order in which they would begin."""
    table = Table(Column("point", overflow="fold"), "epochs", "rungs after", "")
    for each in planner.plan.trials[:SHOWN]:
        epochs = each.trial.recipe.epochs
        judged = ", ".join(map(str, planner.rungs_of(epochs))) or "none"
        table.add_row(each.point.name, str(epochs), judged, states.get(each.point.identity, ""))
    if more := len(planner.plan.trials[SHOWN:]):
        table.add_row(f"... and {more} more")
    return table


def in_words(planner: SearchPlanner) -> str:
    """Return what would be searched, and what would follow."""
    settings = planner.settings
    later = [counted(settings.confirm, "confirmation")] if settings.confirm else []
    if settings.audit:
        later.append(f"an audit of {counted(settings.audit, 'stopped trial')}")
    epochs = sum(each.trial.recipe.epochs for each in planner.plan.trials)
    in_full = f" of {epochs:,} epochs in full" if epochs else ""
    points = f"{counted(planner.points, 'point')}{in_full}, method {settings.method}"
    return "; then ".join([f"{points}, scheduler {settings.scheduler}", *later])
