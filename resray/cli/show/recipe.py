"""What a study's recipes share and where they differ, and what `resray tune` searches in them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import yaml
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from resray.cli.show.layout import MISSING, heading, list_table, ruled_table
from resray.search.plan import search_settings
from resray.search.points import combinations, grid_size
from resray.study.expand import PlannedTrial
from resray.study.layers import deep_merge, flatten, nested
from resray.study.recipe_spec import Recipe
from resray.study.recipes import written
from resray.study.search_spec import RANGES, Axis, Search, SearchSettings, Space
from resray.study.spec import Study
from resray.study.unions import in_use, without_defaults

MOST_COLUMNS = 6
"""Recipes that differ in more keys than this are listed rather than set in columns."""


def print_recipe(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print what of the trials' recipes in use they share, and where they differ."""
    first_seed = [trial for trial in trials if trial.seed == trials[0].seed]
    different = print_shared(first_seed, console)
    keys = list(dict.fromkeys(key for own in different for key in own))
    if not keys:
        return
    heading("Differences", console)
    if len(keys) <= MOST_COLUMNS:
        console.print(difference_table(first_seed, different, keys))
    else:
        print_differences(first_seed, console)


def print_shared(trials: Sequence[PlannedTrial], console: Console) -> list[dict[str, Any]]:
    """Print what of the trials' recipes in use they share; return, for each, what they do not."""
    common, different = differences([in_use(flatten(trial.recipe)) for trial in trials])
    heading("Recipe" if len(trials) == 1 else "Recipe, common to all", console)
    entries = [Text(f"{key}: {written(value)}") for key, value in common.items()]
    console.print(Columns(entries, padding=(0, 3), column_first=True))
    return different


def differences(
    recipes: Sequence[Recipe | Mapping[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split flattened recipes into what all share and, for each, what they do not."""
    flats = [flatten(recipe) for recipe in recipes]
    common = {
        key: value
        for key, value in (flats[0] if flats else {}).items()
        if all(key in flat and flat[key] == value for flat in flats)
    }
    return common, [{key: flat[key] for key in flat if key not in common} for flat in flats]


def difference_table(
    trials: Sequence[PlannedTrial], different: Sequence[dict[str, Any]], keys: Sequence[str]
) -> Table:
    """Return a row for each trial and a column for each key that is not the same everywhere."""
    table = ruled_table("trial", *keys)
    for trial, own in zip(trials, different, strict=True):
        values = [escape(written(own[key])) if key in own else MISSING for key in keys]
        table.add_row(escape(trial.name), *values)
    return table


def print_differences(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print each recipe part by part, as `unlike` gives them: for recipes that differ in too much
    for columns."""
    for trial, least, like in unlike(trials):
        console.print(Text.assemble((trial.name, "bold"), like))
        for part, text in least.items():
            console.print(Padding(Text(f"{part}: {text}"), (0, 0, 0, 4)))


def unlike(trials: Sequence[PlannedTrial]) -> Iterator[tuple[PlannedTrial, dict[str, str], str]]:
    """Yield how each recipe differs, part by part, from the one before it that it is most like, and
    which that is.

    Of the first, what is neither the same everywhere nor a default.
    """
    _, different = differences([in_use(flatten(trial.recipe)) for trial in trials])
    recipes = [with_short_parts(trial.recipe) for trial in trials]
    settings = flatten(trials[0].recipe.model_dump(mode="json", exclude_defaults=True))
    own_settings = [nested(key, settings[key]) for key in different[0] if key in settings]
    first: dict[str, Any] = reduce(deep_merge, own_settings, {})
    for index, (trial, own) in enumerate(zip(trials, recipes, strict=True)):
        ways = [
            (changes(own, other), f" as {before.name}, but")
            for before, other in zip(trials[:index], recipes, strict=False)
        ]
        least, like = min(ways or [(first, "")], key=lambda way: len(flatten(way[0])))
        plain = json.loads(json.dumps(least))
        texts = {
            part: flow(value) if isinstance(value, Mapping) else written(value)
            for part, value in plain.items()
        }
        yield trial, texts, like


def with_short_parts(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as nested values, of a schedule's parts only what is no default."""
    content = recipe.model_dump()
    if parts := content["schedule"].get("parts"):
        content["schedule"]["parts"] = [without_defaults("schedule", part) for part in parts]
    return content


def changes(own: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a recipe has otherwise than another one, or beyond it.

    Where another optimizer, schedule, network ... takes the place, all of it but its defaults.
    """
    found: dict[str, Any] = {}
    for key in (key for key, value in own.items() if key not in before or value != before[key]):
        value, other = own[key], before.get(key)
        if not (isinstance(value, Mapping) and isinstance(other, Mapping)):
            found[key] = value
        elif value.get("name") != other.get("name"):
            found[key] = without_defaults(key, value)
        else:
            found[key] = changes(value, other)
    return found


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
