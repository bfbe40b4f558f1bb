"""What `resray tune --dry-run` prints."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from resray.errors import InputError
from resray.run.apart import kept_apart
from resray.run.course import is_over
from resray.run.resources import Machine, counted
from resray.run.search_plan import Contender, SearchPlanner
from resray.search.referee import Referee
from resray.study.expand import all_reductions

SHOWN = 40
"""Points that are listed; of larger searches the first to begin."""


def describe_search(planner: SearchPlanner, machine: Machine, console: Console) -> None:
    """Print what a search would run; nothing is downloaded, started or written."""
    allocation = planner.allocation(machine)
    notes = list(planner.plan.notes)
    trials = [each.trial for each in planner.plan.trials]
    try:
        known = planner.contenders(allocation)
        trials += [each.final.work.trial for each in known]
        referee = Referee(planner.store, planner.settings, planner.changed)
        states = {each.point.identity: state_of(each, referee) for each in known}
        notes += kept_apart(planner.store, [each.final.work for each in known])
    except InputError as error:
        if planner.asked.data_dir is not None:
            raise
        # What there is to search does not depend on the images; only what has ended does.
        states = {}
        notes.append(f"What has ended before is known with the data only: {error}")
    if planner.plan.trials:
        console.print(point_table(planner, states))
    if reduced := all_reductions(trials):
        notes.append(f"Reduced: {'; '.join(reduced)}")
    for note in notes:
        console.print(Text(note, style="yellow"))
    console.print(f"{in_words(planner)}; {allocation}.", highlight=False)


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


def state_of(contender: Contender, referee: Referee) -> str:
    """Return what the results say of a point."""
    return "ended before" if is_over(contender, referee) else "to run"


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
