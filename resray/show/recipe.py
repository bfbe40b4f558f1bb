"""What the recipes of a study's trials share, and where they differ."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from resray.show.layout import MISSING, heading, list_table, ruled_table
from resray.study.applicable import in_use
from resray.study.expand import PlannedTrial
from resray.study.layers import flatten
from resray.study.recipes import differences
from resray.study.written import written

MOST_COLUMNS = 6
"""Recipes that differ in more keys than this are listed rather than set in columns."""


def print_recipe(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print what of the trials' recipes in use they share, and where they differ."""
    first_seed = [trial for trial in trials if trial.seed == trials[0].seed]
    common, different = differences([in_use(flatten(trial.recipe)) for trial in first_seed])
    heading("Recipe" if len(first_seed) == 1 else "Recipe, common to all", console)
    entries = [Text(f"{key}: {written(value)}") for key, value in common.items()]
    console.print(Columns(entries, padding=(0, 3), column_first=True))
    keys = list(dict.fromkeys(key for own in different for key in own))
    if not keys:
        return
    heading("Differences", console)
    if len(keys) <= MOST_COLUMNS:
        console.print(difference_table(first_seed, different, keys))
    else:
        console.print(difference_list(first_seed, different, keys))


def difference_table(
    trials: Sequence[PlannedTrial], different: Sequence[dict[str, Any]], keys: Sequence[str]
) -> Table:
    """Return a row for each trial and a column for each key that is not the same everywhere."""
    table = ruled_table("trial", *keys)
    for trial, own in zip(trials, different, strict=True):
        values = [escape(written(own[key])) if key in own else MISSING for key in keys]
        table.add_row(escape(trial.name), *values)
    return table


def difference_list(
    trials: Sequence[PlannedTrial], different: Sequence[dict[str, Any]], keys: Sequence[str]
) -> Table:
    """Return for each trial the keys in which it is not like most; too many for columns."""
    cells = [{key: written(own[key]) for key in keys if key in own} for own in different]
    usual = {key: Counter(own.get(key) for own in cells).most_common(1)[0][0] for key in keys}
    table = list_table()
    for trial, own in zip(trials, cells, strict=True):
        apart = [f"{key}: {value}" for key, value in own.items() if value != usual[key]]
        table.add_row(Text(trial.name, style="bold"), Text("; ".join(apart) or "as most"))
    most = "; ".join(f"{key}: {value}" for key, value in usual.items() if value is not None)
    table.add_row(Text("most of them", style="italic"), Text(most))
    return table
