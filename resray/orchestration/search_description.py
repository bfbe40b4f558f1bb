"""What `resray tune --dry-run` prints."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.orchestration.resources import Machine, counted
from resray.orchestration.search_plan import Contender, SearchPlanner
from resray.search.referee import Referee
from resray.study.expand import all_reductions

SHOWN = 40
"""Points that are listed; of larger searches the first to begin."""


def describe_search(planner: SearchPlanner, machine: Machine, console: Console) -> None:
    """Print what a search would run; nothing is downloaded, started or written."""
    allocation = planner.allocation(machine)
    referee = Referee(planner.store, planner.settings, planner.changed)
    contenders = planner.contenders(allocation)
    table = Table("point", "epochs", "rungs after", "id", "")
    for contender in contenders[:SHOWN]:
        table.add_row(*cells(contender, referee))
    if contenders:
        console.print(table)
    if more := len(contenders) - SHOWN:
        console.print(f"... and {more} more", highlight=False) if more > 0 else None
    for note in planner.plan.notes:
        console.print(Text(note, style="yellow"))
    if reduced := all_reductions([each.trial for each in contenders]):
        console.print(Text(f"Reduced: {'; '.join(reduced)}", style="yellow"))
    settings = planner.settings
    console.print(
        f"{counted(planner.points, 'point')}, method {settings.method}, scheduler "
        f"{settings.scheduler}; {allocation}; then {counted(settings.confirm, 'confirmation')}.",
        highlight=False,
    )


def cells(contender: Contender, referee: Referee) -> list[str]:
    """Return the row of one point: in the order in which they would begin."""
    final = contender.final
    rungs = ", ".join(map(str, referee.rungs_of(final.full_epochs))) or "none"
    row = referee.store.trial(final.trial_id)
    state = row["status"] if row else "to run"
    return [contender.point.name, str(final.full_epochs), rungs, final.trial_id, state]
