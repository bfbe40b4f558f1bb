"""A study's trials with their sizes and what they will cost."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from resray.cost import TrialCost, estimate, probe
from resray.show.layout import count, heading, petaflop, rough, ruled_table
from resray.study.expand import PlannedTrial


def print_trials(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print each trial with its size and cost, then what all seeds of all trials cost together."""
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    first = [trial for trial in trials if trial.seed == seeds[0]]
    speed = probe(first[0].recipe)
    costs = [estimate(trial, speed) for trial in first]
    table = ruled_table()
    table.show_footer = True
    table.add_column("trial", footer="in all")
    table.add_column("model")
    # Two lines of heading, so that the numbers stay whole at 80 columns.
    numbers = ("epochs", "param-\neters", "multiply-\nadds", "training\nPFLOP", "rough\ntime")
    for column, footer in zip(numbers, totals(costs, len(seeds)), strict=True):
        table.add_column(column, footer=footer, justify="right", no_wrap=True)
    for trial, cost in zip(first, costs, strict=True):
        table.add_row(*trial_cells(trial, cost))
    heading("Trials", console)
    console.print(table)
    console.print(Text(trials_note(seeds)))


def trial_cells(trial: PlannedTrial, cost: TrialCost) -> list[str]:
    """Return a trial's row."""
    whole = trial.recipe.epochs
    return [
        escape(trial.name),
        escape(trial.recipe.model.name),
        str(whole) if cost.epochs == whole else f"{cost.epochs} of {whole}",
        count(cost.parameters),
        count(cost.multiply_adds),
        petaflop(cost.training_petaflop),
        rough(cost.seconds),
    ]


def totals(costs: Sequence[TrialCost], seeds: int) -> list[str]:
    """Return the last row's numbers: compute and time over all trials and seeds."""
    compute = total([cost.training_petaflop for cost in costs], seeds)
    seconds = total([cost.seconds for cost in costs], seeds)
    return ["", "", "", petaflop(compute), rough(seconds)]


def total(values: Sequence[float | None], seeds: int) -> float | None:
    """Return the sum over trials and seeds; None if a part of it is not known."""
    known = [value for value in values if value is not None]
    return seeds * sum(known) if len(known) == len(values) else None


def trials_note(seeds: Sequence[int]) -> str:
    """Return what the table of trials leaves open."""
    import torch

    if len(seeds) == 1:
        runs = f"Seed {seeds[0]}."
    else:
        listed = ", ".join(str(seed) for seed in seeds)
        runs = f"{len(seeds)} seeds each ({listed}); rows are for one, the sum for all."
    where = "one of its GPUs" if torch.cuda.is_available() else "its CPU cores"
    return (
        f"{runs} Rough time: on this machine, {where} to one trial at a time, reckoned from a "
        "second's measurement of resnet18."
    )
