"""What `resray best` prints of a search's winner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.analysis.groups import reductions_of
from resray.analysis.results import plain_rows
from resray.analysis.statistics import Summary, summarise
from resray.analysis.words import MISSING
from resray.cli.studies import readable
from resray.results.store import read_rows
from resray.search.winner import Winner
from resray.search.winner_file import changed_settings, start_of
from resray.study.recipes import written

Row = dict[str, Any]


def trial_rows(folder: Path) -> list[Row]:
    """Return the rows of a results folder's trials, null as None."""
    return plain_rows(read_rows(folder, "trials"))


def print_winner(winner: Winner, console: Console) -> None:
    """Print the winning point and recipe, its accuracies, and how it was selected."""
    console.print(Text(winner.row["name"], style="bold"))
    facts = Table.grid(padding=(0, 2))
    for label, text in facts_of(winner):
        facts.add_row(Text(label), Text(text))
    console.print(facts)
    start, layers = start_of(winner.study, winner.row["variant"], winner.point)
    table = Table.grid(padding=(0, 2))
    for key, (before, now) in changed_settings(layers, winner.recipe).items():
        was = Text(f"({MISSING if before is None else written(before)})", style="dim")
        table.add_row(Text(key, style="bold"), Text(written(now)), was)
    console.print(Text(f"\nRecipe where it differs from {start}, whose value is in brackets"))
    console.print(table)


def facts_of(winner: Winner) -> Iterator[tuple[str, str]]:
    """Yield what is known of the winner: a label and a text each."""
    row = winner.row
    yield "point", "; ".join(f"{axis}: {written(value)}" for axis, value in winner.point.items())
    yield "selected", winner.selection
    yield "validation", f"{row['validation_accuracy']:.2f} % (seed {row['seed']})"
    yield "confirmed", confirmation(winner)
    if (audited := winner.better_audited) is not None:
        gained = audited["validation_accuracy"] - row["validation_accuracy"]
        trained_on = f"was stopped early, and trained to the end it is {gained:.2f} points better"
        yield "audit", f"{audited['name']} {trained_on} on validation"
    if reduced := reductions_of(row):
        yield "reduced", "; ".join(map(str, reduced))
    if winner.other_searches:
        yield "left out", f"{winner.other_searches} trials of other searches in this folder"


def confirmation(winner: Winner) -> str:
    """Return the confirmations' test and validation accuracy, or that there is none."""
    test = confirmed(winner, "test_accuracy")
    if test is None:
        return "not confirmed yet: no fresh seed of it is trained and tested"
    validation = confirmed(winner, "validation_accuracy")
    beside = f"; validation {mean_and_half(validation)}" if validation else ""
    seeds = ", ".join(str(row["seed"]) for row in winner.confirmations)
    return f"test {mean_and_half(test)}{beside} (n = {test.n}, fresh seeds {seeds})"


def confirmed(winner: Winner, column: str) -> Summary | None:
    """Return a column's mean and spread over the confirmations; None without any."""
    return summarise(row[column] for row in winner.confirmations)


def mean_and_half(summary: Summary) -> str:
    """Return ``93.10 ± 0.50 %``: the mean and half its 95 % interval, where n allows it."""
    half = "" if summary.half is None else f" ± {summary.half:.2f}"
    return f"{summary.mean:.2f}{half} %"


def winner_facts(winner: Winner, study_file: Path) -> dict[str, Any]:
    """Return what `print_winner` says, and where the winner was written, for ``--json``."""
    test = confirmed(winner, "test_accuracy")
    return {
        "study": winner.study.name,
        "results": str(winner.results),
        "name": winner.row["name"],
        "trial_id": winner.row["trial_id"],
        "point": winner.point,
        "recipe": winner.recipe.model_dump(mode="json"),
        "selected": winner.selection,
        "validation_accuracy": winner.row["validation_accuracy"],
        "test_accuracy": test and {"mean": test.mean, "deviation": test.deviation, "n": test.n},
        "confirmations": [readable(row) for row in winner.confirmations],
        "better_audited": winner.better_audited and readable(winner.better_audited),
        "reductions": [str(each) for each in reductions_of(winner.row)],
        "study_file": str(study_file),
    }
