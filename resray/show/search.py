"""What `resray tune` searches in a study: spaces, their axes, and the settings."""

from collections.abc import Mapping
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.search.plan import search_settings
from resray.search.points import combinations, grid_size
from resray.show.layout import heading, list_table
from resray.study.search_spec import RANGES, Axis, Search, SearchSettings, Space
from resray.study.spec import Study
from resray.study.written import written


def print_search(study: Study, console: Console, *, quick: bool) -> None:
    """Print the spaces of a study that has some, and how `resray tune` goes through them."""
    if study.search is None:
        return
    settings = search_settings(study, {}, quick=quick)
    heading("Search (`resray tune`)", console)
    console.print(Text(settings_line(study.search, settings)))
    for name, space in study.search.spaces.items():
        console.print(Text(f"\nspace {name}: {size(space)}", style="bold"))
        if space.recipe:
            console.print(Text(f"with {flow(space.recipe)}"))
        console.print(axes_table(space))


def settings_line(search: Search, settings: SearchSettings) -> str:
    """Return how many points there are, and each setting with its value."""
    points = grid_size(search, settings, list(search.spaces))
    values = settings.model_dump(exclude={"evaluate"})
    given = [f"{key}: {written(value)}" for key, value in values.items()]
    after = [f"evaluate: {written(settings.evaluate)}"] if settings.evaluate else []
    return f"{points} points; {', '.join([*given, *after])}"


def size(space: Space) -> str:
    """Return how many combinations the grids of a space have."""
    forms = {axis.form for alternatives in space.axes.values() for axis in alternatives}
    if "grid" not in forms:
        return "no grid, points are drawn"
    found = sum(1 for _ in combinations(space))
    return f"{found} combination{'' if found == 1 else 's'} of grids"


def axes_table(space: Space) -> Table:
    """Return a row for each alternative of each axis: its form, its values, when it applies."""
    table = list_table()
    table.add_column(no_wrap=True)
    table.add_column()
    for name, alternatives in space.axes.items():
        for index, axis in enumerate(alternatives):
            table.add_row(Text("" if index else name, style="bold"), Text(told(axis)))
    return table


def told(axis: Axis) -> str:
    """Return ``grid: 0.1, 0.3 (when optimizer: sgd)``, and what named values change below it."""
    changes = "".join(f"\n  {name}: {flow(each)}" for name, each in axis.named.items() if each)
    return f"{axis.form}: {values_of(axis)}{condition(axis)}{changes}"


def values_of(axis: Axis) -> str:
    """Return an axis's values as a study file has them, those with names by these."""
    if axis.form in RANGES:
        low, high = axis.bounds
        return f"{low:g} to {high:g}"
    return ", ".join(written(value) for value in axis.options)


def condition(axis: Axis) -> str:
    """Return when an alternative applies."""
    if not axis.when:
        return ""
    wishes = " and ".join(f"{name}: {written(value)}" for name, value in axis.when.items())
    return f" (when {wishes})"


def flow(changes: Mapping[str, Any]) -> str:
    """Return changes of a recipe as a study file has them, in one line."""
    text = yaml.safe_dump(
        dict(changes), default_flow_style=True, sort_keys=False, width=float("inf")
    )
    return str(text).strip()
