"""What `resray bench --dry-run` prints."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.cost import probe
from resray.run.apart import kept_apart
from resray.run.asked import Bench
from resray.run.estimate import compared_hours
from resray.run.plan import Planner
from resray.run.resources import Machine
from resray.study.expand import all_reductions


def describe_plan(bench: Bench, machine: Machine, console: Console) -> None:
    """Print what `run_bench` would do; nothing is downloaded, started or written."""
    planner = Planner(bench, download=False)
    work, allocation = planner.plan(machine)
    todo = [item for item in work if planner.is_todo(item.trial, item.job.trial_id)]
    table = Table("trial", "seed", "epochs", "training images x epochs", "id", "")
    for item in work:
        images = item.train_images * item.epochs
        table.add_row(
            item.trial.name,
            str(item.trial.seed),
            str(item.epochs),
            f"{images:,}",
            item.job.trial_id,
            "to run" if item in todo else "ended before",
        )
    console.print(table)
    if reduced := all_reductions([*planner.trials, *(item.trial for item in work)]):
        console.print(Text(f"Reduced: {'; '.join(reduced)}", style="yellow"))
    for line in kept_apart(planner.store, todo):
        console.print(Text(line, style="yellow"))
    if hours := compared_hours(planner, todo, allocation, machine, probe):
        console.print(hours, highlight=False)
    console.print(f"{len(todo)} of {len(work)} trials to run, {allocation}.", highlight=False)
