"""`resray show`: what a study compares, how, what is known of it, and what it will cost.

Every text of a study file is printed as it stands: `Text` and `escape` keep rich from reading
square brackets as markup.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from resray.cost import TrialCost, estimate, probe
from resray.study.applicable import in_use
from resray.study.expand import Options, PlannedTrial, all_reductions, expand
from resray.study.layers import flatten
from resray.study.load import load_study
from resray.study.recipes import differences
from resray.study.spec import Published, Study
from resray.study.written import written

_MISSING = "–"
MOST_COLUMNS = 6
"""Recipes that differ in more keys than this are listed rather than set in columns."""
_UNITS = ((48 * 3600, 86400, "days"), (5400, 3600, "h"), (90, 60, "min"), (0, 1, "s"))


def print_study(study: str, options: Options, console: Console) -> None:
    """Print a study, given by name or path, with the trials that ``options`` select.

    The time column rests on a measurement of one or two seconds. Raises InputError for a study or
    an option that is wrong.
    """
    loaded = load_study(study)
    trials = expand(loaded, options)
    print_head(loaded, trials, console)
    print_trials(trials, console)
    print_recipe(trials, console)
    print_assumed(loaded, console)
    print_published(loaded, trials, console)
    print_claims(loaded, console)


def print_head(study: Study, trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print what the study asks, its variants, and what is reduced about these trials."""
    console.print(Text(study.title, style="bold"))
    console.print(Text(study.question, style="italic"))
    if study.description:
        console.print(Text(f"\n{study.description}"))
    variants = list_table()
    shown = trials[0].variant
    for name, description in variant_descriptions(study).items():
        mark = " (shown here)" if name == shown else ""
        variants.add_row(Text(name, style="bold"), Text(description + mark))
    heading("Variants", console)
    console.print(variants)
    reduced = all_reductions(trials)
    if reduced:
        console.print(Text(f"\nReduced: {'; '.join(reduced)}", style="yellow"))


def variant_descriptions(study: Study) -> dict[str, str]:
    """Return the study's variants with their descriptions, the default one first."""
    default = study.default_description or "the study's own recipe"
    others = {name: variant.description for name, variant in study.variants.items()}
    return {study.default_variant: f"{default} (default)", **others}


def print_trials(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print each trial with its size and cost, then what all seeds of all trials cost together."""
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    first = [trial for trial in trials if trial.seed == seeds[0]]
    costs = estimate(first, operations_per_second=probe(first[0].recipe))
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


def count(value: float) -> str:
    """Return a large number in four digits: ``11.17 M``."""
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:#.4g} {letter}"
    return f"{value:,.0f}"


def petaflop(value: float | None) -> str:
    """Return 10^15 operations to about three digits, or a dash."""
    if value is None:
        return _MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def rough(seconds: float | None) -> str:
    """Return a time to two digits, as it is not known better: ``3.4 h``, or a dash."""
    if seconds is None:
        return _MISSING
    size, unit = next((size, unit) for least, size, unit in _UNITS if seconds >= least)
    value = seconds / size
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2g} {unit}"


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
        values = [escape(written(own[key])) if key in own else _MISSING for key in keys]
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


def print_assumed(study: Study, console: Console) -> None:
    """Print what the source leaves unstated and the study had to choose."""
    if not study.assumed:
        return
    table = list_table()
    for key, reason in study.assumed.items():
        table.add_row(Text("assumed", style="yellow"), Text(key, style="bold"), Text(reason))
    heading("Assumed, as the source does not state it", console)
    console.print(table)


def print_published(study: Study, trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print the published figures of the selected trials, gathered by how they came about."""
    names = {trial.name for trial in trials}
    groups: dict[tuple[str, ...], list[Published]] = {}
    for figure in study.published:
        if figure.trial in names:
            origin = (figure.source, figure.metric, figure.device, figure.protocol)
            groups.setdefault(origin, []).append(figure)
    if not groups:
        return
    table = ruled_table("metric", "value", "protocol, device, source")
    table.leading = 1
    table.columns[1].no_wrap = True
    for (source, metric, device, protocol), figures in groups.items():
        how = f"{protocol}\ndevice: {device}\nsource: {source}"
        table.add_row(escape(metric), figure_lines(figures), Text(how))
    heading("Published", console)
    console.print(table)


def figure_lines(figures: Sequence[Published]) -> Text:
    """Return one line for each figure: trial, value with unit, epochs."""
    values = [published_value(figure) for figure in figures]
    name_width = max(len(figure.trial) for figure in figures)
    value_width = max(len(value) for value in values)
    lines = [
        f"{figure.trial:<{name_width}}  {value:>{value_width}}" + published_when(figure)
        for figure, value in zip(figures, values, strict=True)
    ]
    return Text("\n".join(lines), no_wrap=True)


def published_when(figure: Published) -> str:
    """Return after which epoch of how many a figure was taken, as far as it is known."""
    if figure.epoch:
        return f"  epoch {figure.epoch}" + (f" of {figure.epochs}" if figure.epochs else "")
    return f"  {figure.epochs} epochs" if figure.epochs else ""


def published_value(figure: Published) -> str:
    """Return a published figure with its unit, large counts in millions."""
    value = count(figure.value) if figure.value >= 1e6 else f"{figure.value:,g}"
    return f"{value} {figure.unit}".strip()


def print_claims(study: Study, console: Console) -> None:
    """Print the author's claims that the report will hold against the results."""
    if not study.claims:
        return
    table = list_table()
    for claim in study.claims:
        how = [f"if {check}" for check in claim.check] or [f"not testable: {claim.untested}"]
        table.add_row(Text(claim.id, style="bold"), Text("\n".join([claim.text, *how])))
    heading("Claims under test", console)
    console.print(table)


def heading(title: str, console: Console) -> None:
    """Print a section's title under an empty line."""
    console.print(Text(f"\n{title}", style="bold underline"))


def ruled_table(*columns: str) -> Table:
    """Return a table with a rule under its headings and no frame, which narrow terminals need."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(Text(column))
    return table


def list_table() -> Table:
    """Return a table without lines: names to the left, prose that wraps to the right."""
    return Table.grid(padding=(0, 2))
