"""A study from its question to the claims under test."""

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from resray.cli.show.as_run import print_as_run
from resray.cli.show.layout import count, heading, list_table, petaflop, rough, ruled_table
from resray.cli.show.recipe import print_recipe, print_search
from resray.run.cost import TrialCost, estimate, probe
from resray.study.entries import AS_RUN
from resray.study.expand import Options, PlannedTrial, all_reductions, expand
from resray.study.load import load_study
from resray.study.spec import Published, Study


def print_study(study: str, options: Options, console: Console, *, brief: bool = False) -> None:
    """Print a study, given by name or path, with the trials that ``options`` select.

    The time column rests on a measurement of one or two seconds; ``brief`` leaves it out, and all
    after the trials. Raises InputError for a study or an option that is wrong.
    """
    loaded = load_study(study)
    # A name alone runs nothing of anybody's own.
    trials = expand(loaded, replace(options, trusted=options.trusted or brief))
    print_head(loaded, trials, console)
    if brief:
        print_names(trials, console)
        return
    print_trials(trials, console)
    if trials[0].variant == AS_RUN:
        # What is assumed, claimed and searched is about what was stated.
        print_as_run(loaded, options, trials, console)
        print_sources(loaded, console)
        print_published(loaded, trials, console)
        return
    print_recipe(trials, console)
    print_assumed(loaded, console)
    print_sources(loaded, console)
    print_published(loaded, trials, console)
    print_claims(loaded, console)
    print_search(loaded, console, quick=options.quick)


def print_names(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print the trials by name, each with its network and epochs: nothing that takes torch."""
    first = trials[0].seed
    rows = ruled_table("trial", "model", "epochs")
    for trial in trials:
        if trial.seed == first:
            rows.add_row(trial.name, escape(trial.recipe.model.name), str(trial.recipe.epochs))
    heading("Trials", console)
    console.print(rows)


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
    if study.as_run:
        runs = len(study.as_run)
        others[AS_RUN] = f"what the author ran, by code and logs, in place of it: {runs} trials"
    return {study.default_variant: f"{default} (default)", **others}


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


def print_assumed(study: Study, console: Console) -> None:
    """Print what the source leaves unstated and the study had to choose."""
    if not study.assumed:
        return
    table = list_table()
    for key, reason in study.assumed.items():
        table.add_row(Text("assumed", style="yellow"), Text(key, style="bold"), Text(reason))
    heading("Assumed, as the source does not state it", console)
    console.print(table)


def print_sources(study: Study, console: Console) -> None:
    """Print where figures and settings come from, and which settings."""
    if not study.sources:
        return
    table = list_table()
    for name, source in study.sources.items():
        version = f"at commit {source.commit[:12]}" if source.commit else ""
        licence = f"licence: {source.licence}" if source.licence else ""
        taken = f"settings: {', '.join(source.taken)}" if source.taken else ""
        lines = [f"{source.author}, {source.title}", f"{source.address} {version}", licence, taken]
        told = Text("\n".join(filter(None, lines)), overflow="fold")
        table.add_row(Text(name, style="bold"), told)
    heading("Sources", console)
    console.print(table)


def print_published(study: Study, trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print the published figures of the selected trials, gathered by how they came about."""
    names = {trial.name for trial in trials}
    groups: dict[str, list[Published]] = {}
    for figure in study.published:
        if figure.trial in names:
            how = f"{figure.protocol} (device: {figure.device}; source: {figure.source})"
            groups.setdefault(f"{figure.metric}: {how}", []).append(figure)
    if groups:
        heading("Published", console)
    for origin, figures in groups.items():
        console.print(Text(origin))
        console.print(Padding(figure_lines(figures), (0, 0, 1, 4)))


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
    return f"  {figure.epochs} epoch{'s' * (figure.epochs > 1)}" if figure.epochs else ""


def published_value(figure: Published) -> str:
    """Return a published figure with its unit, large counts in millions."""
    value = count(figure.value) if figure.value >= 1e6 else f"{figure.value:,g}"
    return f"{value} {figure.unit}".strip()


def print_trials(trials: Sequence[PlannedTrial], console: Console) -> None:
    """Print each trial with its size and cost, then what all seeds of all trials cost together."""
    seeds = list(dict.fromkeys(trial.seed for trial in trials))
    first = [trial for trial in trials if trial.seed == seeds[0]]
    speed = probe(first[0].recipe)
    costs = [estimate(trial, speed) for trial in first]
    table = ruled_table()
    table.show_footer = True
    table.add_column("trial", footer="in all", overflow="fold")
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
