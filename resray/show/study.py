"""A study from its question to the claims under test."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from resray.show.layout import count, heading, list_table, ruled_table
from resray.show.recipe import print_recipe, print_search
from resray.show.trials import print_trials
from resray.study.expand import Options, PlannedTrial, all_reductions, expand
from resray.study.load import load_study
from resray.study.spec import Published, Study


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
    print_search(loaded, console, quick=options.quick)


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
