"""What a study's author ran beside what was stated: trial by trial, only what differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from resray.cli.show.layout import MISSING, heading, ruled_table
from resray.cli.show.rates import rates
from resray.cli.show.recipe import flow, print_shared, unlike
from resray.study.entries import AS_RUN, entries
from resray.study.expand import Options, PlannedTrial, plan_trials
from resray.study.layers import merge, recipe_layers
from resray.study.recipe_spec import Recipe
from resray.study.recipes import written
from resray.study.spec import Study, TrialEntry
from resray.study.unions import UNIONS, without_defaults

Row = tuple[str, str, str]
"""A setting, and its value as stated and as run."""


def print_as_run(
    study: Study, options: Options, trials: Sequence[PlannedTrial], console: Console
) -> None:
    """Print each as-run trial with its source and how it differs from the stated one.

    One that has no stated counterpart is held against the trial before it that it is most like.
    """
    trials = [trial for trial in trials if trial.seed == trials[0].seed]
    print_shared(trials, console)
    told = {entry.name: entry for entry in study.as_run}
    stated = {trial.name: counterpart(study, trial.name, options) for trial in trials}
    found = {
        trial.name: list(rows(other.model_dump(), trial.recipe.model_dump()))
        for trial in trials
        if (other := stated[trial.name])
    }
    everywhere = shared(list(found.values()))
    heading("What was stated, and what was run", console)
    if everywhere:
        console.print(Text(f"all of the {len(found)} that have a stated counterpart", style="bold"))
        console.print(Padding(table(everywhere), (0, 0, 1, 4)))
    for trial, least, like in unlike(trials):
        print_origin(told[trial.name], console)
        other = stated[trial.name]
        if other is None:
            console.print(Text(f"    no stated counterpart;{like or ' of its own'}:"))
            for part, value in least.items():
                console.print(Padding(Text(f"{part}: {value}"), (0, 0, 0, 4)))
        else:
            own = [row for row in found[trial.name] if row not in everywhere]
            console.print(Padding(versus(trial.recipe, other, own), (0, 0, 0, 4)))
            print_rates(other, trial.recipe, console)
        console.print()


def counterpart(study: Study, name: str, options: Options) -> Recipe | None:
    """Return the recipe of the stated trial of an as-run one, under the same options."""
    stated = name.removesuffix(f"-{AS_RUN}")
    for index, entry in enumerate(entries(study.document)):
        if entry.name == stated and not entry.as_run:
            layers = recipe_layers(study.document, index, study.default_variant)
            own = Recipe.model_validate(merge(layers))
            # As run also in what --set gives it, which may be what only as-run trials may have.
            (planned,) = plan_trials(study, stated, own, options, variant=AS_RUN, seeds=[0])
            return planned.recipe
    return None


def print_origin(entry: TrialEntry, console: Console) -> None:
    """Print a trial's name, its source and what else there is to know about it."""
    source = f" (source: {entry.source})" if entry.source else ""
    console.print(Text.assemble((entry.name, "bold"), source))
    if entry.note:
        console.print(Padding(Text(f"note: {entry.note}"), (0, 0, 0, 4)))


def versus(recipe: Recipe, stated: Recipe, own: Sequence[Row]) -> Table | Text:
    """Return what differs, or that nothing does."""
    if own:
        return table(own)
    same = recipe == stated
    return Text("as stated" if same else "as stated but for what is common to all")


def table(found: Sequence[Row]) -> Table:
    """Return a line for each setting that differs."""
    made = ruled_table("setting", "stated", "as run")
    for column in made.columns:
        column.overflow = "fold"
    for row in found:
        made.add_row(*map(Text, row))
    return made


def shared(found: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the rows that all trials have, of several."""
    return [row for row in found[0] if all(row in own for own in found)] if found[1:] else []


def rows(stated: Mapping[str, Any], run: Mapping[str, Any], above: str = "") -> Iterator[Row]:
    """Yield what differs. Of a schedule's parts their rates tell (`print_rates`).

    Where another network, schedule ... takes the place, it stands there whole but for its defaults.
    """
    for key in dict.fromkeys((*stated, *run)):
        values = [each.get(key, MISSING) for each in (stated, run)]
        path = f"{above}.{key}".removeprefix(".")
        if values[0] == values[1] or path == "schedule.parts":
            continue
        first, second = values
        both = isinstance(first, Mapping) and isinstance(second, Mapping)
        if both and first.get("name") == second.get("name"):
            yield from rows(first, second, path)
        elif both and path == "schedule":
            yield f"{path}.name", first["name"], second["name"]
        else:
            yield path, shown(path, first), shown(path, second)


def shown(part: str, value: Any) -> str:
    """Return a setting's value in one line."""
    if isinstance(value, Mapping):
        return flow(plain(without_defaults(part, value) if part in UNIONS else value))
    return MISSING if value == MISSING else written(plain(value))


def plain(value: Any) -> Any:
    """Return a value with lists in place of tuples, which YAML does not have."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def print_rates(stated: Recipe, run: Recipe, console: Console) -> None:
    """Print the real rates of both where schedule or peak differ."""
    told = [rates(recipe.schedule, recipe.optimizer.lr, recipe.epochs) for recipe in (stated, run)]
    if told[0] != told[1]:
        for label, text in zip(("rate as stated", "rate as run"), told, strict=True):
            console.print(Padding(Text(f"{label}: {text}"), (0, 0, 0, 4)))
