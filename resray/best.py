"""`resray best`: the winner of a search, what confirms it, and its recipe as a study file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from resray.errors import InputError
from resray.report.aggregate import reductions_of
from resray.report.search_record import plain_rows
from resray.report.statistics import Summary, summarise
from resray.report.text import MISSING, plural
from resray.results.rows import recorded_recipe
from resray.results.store import read_rows
from resray.results.summary import parsed_json
from resray.search.best import (
    better_audited,
    confirmations_of,
    fresh_seeds,
    in_full,
    of_latest,
    points_of,
    winner,
)
from resray.search.winner_file import changed_settings, start_of, winner_document, write_study_file
from resray.study.load import load_study
from resray.study.recipe_spec import Recipe
from resray.study.recipes import written
from resray.study.spec import Study

Row = dict[str, Any]


@dataclass(frozen=True)
class Best:
    """A search that has a winner, as its results folder holds it."""

    results: Path
    study: Study
    rows: list[Row]
    """Of all trials in the folder, whatever their role."""
    searched: list[Row]
    """Those of the latest search."""
    won: Row

    @property
    def elsewhere(self) -> int:
        """Trials of other searches in the folder, which do not compare."""
        return sum(row["role"] == "search" for row in self.rows) - len(self.searched)

    @cached_property
    def recipe(self) -> Recipe:
        """The winning recipe."""
        return Recipe.stored(self.won["recipe"])

    @cached_property
    def point(self) -> dict[str, Any]:
        """The winner's value on each axis."""
        return dict(parsed_json(self.won["point"], {}))

    @cached_property
    def confirmations(self) -> list[Row]:
        """The confirmations that are completed."""
        found = confirmations_of(self.rows, self.won)
        return [row for row in found if row["status"] == "completed"]

    @cached_property
    def better_audited(self) -> Row | None:
        """The best trial that was stopped and would have won."""
        return better_audited(self.searched, self.won)

    def confirmed(self, column: str) -> Summary | None:
        """Return a column's mean and spread over the confirmations; None without any."""
        return summarise(row[column] for row in self.confirmations)


def find_best(folder: Path) -> Best:
    """Return the winner of the latest search in a study's results folder.

    Raises InputError if there is no search, or none of its trials is trained in full.
    """
    rows = trial_rows(folder)
    searched = of_latest(rows)
    if not any(in_full(row) and not row["audited"] for row in searched):
        raise InputError(no_winner(folder, searched))
    won = winner(searched)
    if won is None:
        raise InputError(f"{folder}: the search has no winner, as nothing was validated; choose a "
                         "study with data.validation_images above 0")  # fmt: skip
    if not won["name"] or recorded_recipe(won) is None:
        raise InputError(f"{folder}: the row of its winner {won['trial_id']} holds no recipe of it")
    return Best(folder, load_study(str(folder / "study.yaml"), in_place=False), rows, searched, won)


def trial_rows(folder: Path) -> list[Row]:
    """Return the rows of a results folder's trials, null as None."""
    return plain_rows(read_rows(folder, "trials"))


def no_winner(folder: Path, searched: Sequence[Row]) -> str:
    """Return what is missing for a winner, and what to do."""
    if not searched:
        return f"{folder}: no search here; type `resray tune` with the study of these first"
    points = points_of(searched)
    none = f"{folder}: none of the search's {plural(len(points), 'point')}"
    if all(rows[-1]["status"] == "failed" for rows in points):
        return (
            f"{none} has won, as all diverged or failed; change the space, or repeat the command "
            "that searched, with --force, to train them again"
        )
    return f"{none} is trained in full yet; the command that began the search goes on with it"


def selection(best: Best) -> str:
    """Return how the winner was selected."""
    points = points_of(best.searched)
    finished = [row for row in best.searched if in_full(row) and not row["audited"]]
    scheduler = parsed_json(best.won["search"], {}).get("scheduler", "none")
    return (
        f"highest validation accuracy of the {len(finished)} of {len(points)} points that "
        f"scheduler {scheduler} let train in full; test was not looked at"
    )


def print_best(best: Best, console: Console) -> None:
    """Print the winning point and recipe, its accuracies, and how it was selected."""
    console.print(Text(best.won["name"], style="bold"))
    facts = Table.grid(padding=(0, 2))
    for label, text in facts_of(best):
        facts.add_row(Text(label), Text(text))
    console.print(facts)
    start, layers = start_of(best.study, best.won["variant"], best.point)
    table = Table.grid(padding=(0, 2))
    for key, (before, now) in changed_settings(layers, best.recipe).items():
        was = Text(f"({MISSING if before is None else written(before)})", style="dim")
        table.add_row(Text(key, style="bold"), Text(written(now)), was)
    console.print(Text(f"\nRecipe where it differs from {start}, whose value is in brackets"))
    console.print(table)


def facts_of(best: Best) -> Iterator[tuple[str, str]]:
    """Yield what is known of the winner: a label and a text each."""
    yield "point", "; ".join(f"{axis}: {written(value)}" for axis, value in best.point.items())
    yield "selected", selection(best)
    yield "validation", f"{best.won['validation_accuracy']:.2f} % (seed {best.won['seed']})"
    yield "confirmed", confirmation(best)
    if (audited := best.better_audited) is not None:
        gained = audited["validation_accuracy"] - best.won["validation_accuracy"]
        trained_on = f"was stopped early, and trained to the end it is {gained:.2f} points better"
        yield "audit", f"{audited['name']} {trained_on} on validation"
    if reduced := reductions_of(best.won):
        yield "reduced", "; ".join(reduced)
    if best.elsewhere:
        yield "left out", f"{best.elsewhere} trials of other searches in this folder"


def confirmation(best: Best) -> str:
    """Return the confirmations' test and validation accuracy, or that there is none."""
    test = best.confirmed("test_accuracy")
    if test is None:
        return "not confirmed yet: no fresh seed of it is trained and tested"
    validation = best.confirmed("validation_accuracy")
    beside = f"; validation {mean_and_spread(validation)}" if validation else ""
    seeds = ", ".join(str(row["seed"]) for row in best.confirmations)
    return f"test {mean_and_spread(test)}{beside} (n = {test.n}, fresh seeds {seeds})"


def mean_and_spread(summary: Summary) -> str:
    """Return ``93.10 ± 0.20 %``: the mean and the sample standard deviation, where n allows it."""
    spread = "" if summary.deviation is None else f" ± {summary.deviation:.2f}"
    return f"{summary.mean:.2f}{spread} %"


def best_facts(best: Best) -> Mapping[str, Any]:
    """Return what `print_best` says, for ``--json``."""
    test = best.confirmed("test_accuracy")
    return {
        "study": best.study.name,
        "results": str(best.results),
        "name": best.won["name"],
        "trial_id": best.won["trial_id"],
        "point": best.point,
        "recipe": best.recipe.model_dump(mode="json"),
        "selected": selection(best),
        "validation_accuracy": best.won["validation_accuracy"],
        "test_accuracy": test and {"mean": test.mean, "deviation": test.deviation, "n": test.n},
        "confirmations": best.confirmations,
        "better_audited": best.better_audited,
        "reductions": reductions_of(best.won),
    }


def write_best(best: Best, target: Path | None = None, *, force: bool = False) -> Path:
    """Write the winner as a study file, by default STUDY-best.yaml in the current folder.

    Its seeds are those of the confirmations, so that `resray bench` trains the same trials. Raises
    InputError if a file is there that says something else, unless ``force``.
    """
    count = len(confirmations_of(best.rows, best.won)) or 3
    document = winner_document(
        best.study,
        best.won["name"],
        best.recipe,
        best.point,
        fresh_seeds(best.rows, best.won, count),
        found=f"Selected by a search of {best.study.name}: {selection(best)}.",
    )
    return write_study_file(document, target or Path(f"{best.study.name}-best.yaml"), force=force)
