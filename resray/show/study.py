"""A study from its question to the claims under test."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from resray.show.layout import heading, list_table
from resray.show.published import print_assumed, print_published
from resray.show.recipe import print_recipe
from resray.show.search import print_search
from resray.show.trials import print_trials
from resray.study.expand import Options, PlannedTrial, all_reductions, expand
from resray.study.load import load_study
from resray.study.spec import Study


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
