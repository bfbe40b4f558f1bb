"""`resray show STUDY --detect POINTS`: how many seeds a difference takes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.text import Text

from resray.analysis.contrasts import PLANNED, POWER, with_one
from resray.analysis.planning import MOST_SEEDS, detectable, seeds_for
from resray.analysis.results import Analysis
from resray.analysis.words import plural
from resray.cli.show.layout import heading, ruled_table
from resray.results.folders import holds_results
from resray.study.expand import Options, expand
from resray.study.load import load_study

ASSUMED = 0.2
"""Standard deviation over seeds in points of test accuracy: about what 500 networks on CIFAR-10 had
(Picard, "torch.manual_seed(3407) is all you need", 2021)."""
SEEDS = (2, 3, 5, 10, 20)


def print_detectable(
    study: str,
    options: Options,
    difference: float,
    spread: float | None,
    out: Path,
    console: Console,
) -> None:
    """Print how many seeds show a difference of test accuracy in `POWER` of such studies, and which
    difference so many seeds show.

    The standard deviation over seeds is ``spread``, else that of the results below ``out``, else
    `ASSUMED`. Raises InputError for a study or an option that is wrong.
    """
    loaded = load_study(study)
    names = {trial.name for trial in expand(loaded, replace(options, trusted=True))}
    deviation, source = chosen_spread(spread, out / "results" / loaded.name)
    groups = len(names)
    corrections = {"one claim, declared before": PLANNED}
    if groups > 2:
        corrections[f"the best of {groups} against the others"] = with_one(groups)
    text = f"Test accuracy's standard deviation over seeds: {deviation:.3g} points ({source})"
    console.print(Text(text))
    heading(
        f"Seeds of each configuration that show {difference:g} points of test accuracy", console
    )
    table = ruled_table("what is compared", "seeds")
    for words, correction in corrections.items():
        needed = seeds_for(difference, deviation, correction)
        table.add_row(words, str(needed) if needed else f"more than {MOST_SEEDS:,}")
    console.print(table)
    heading("Smallest difference that so many seeds show, in points", console)
    table = ruled_table("what is compared", *(f"{seeds} seeds" for seeds in SEEDS))
    for words, correction in corrections.items():
        found = (f"{detectable(deviation, seeds, correction):.2f}" for seeds in SEEDS)
        table.add_row(words, *found)
    console.print(table)
    console.print(
        Text(
            f"Shown in {POWER:.0%} of studies whose true difference is as large, by Welch's t test "
            "at 95 %. Stored predictions show smaller ones: docs/claims.md.",
            style="dim",
        )
    )


def chosen_spread(spread: float | None, results: Path) -> tuple[float, str]:
    """Return a standard deviation over seeds, and where it is from."""
    if spread is not None:
        return spread, "as given"
    groups = Analysis.of(results).groups if holds_results(results) else ()
    found = [summary.deviation for group in groups
             if (summary := group.summary("test_accuracy")) and summary.deviation]  # fmt: skip
    if found:
        pooled = float(np.sqrt(np.mean(np.square(found))))
        return pooled, f"of {plural(len(found), 'configuration')} in {results}"
    return ASSUMED, f"assumed, as {results} has no two seeds of anything; --spread sets another"
