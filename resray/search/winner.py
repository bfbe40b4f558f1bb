"""The winner of the latest search in a results folder, and how it was selected."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from resray.errors import InputError
from resray.results.rows import recorded_recipe
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
from resray.study.load import load_study
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study

Row = dict[str, Any]


@dataclass(frozen=True)
class Winner:
    """The winner of a search, and the trials among which it was selected."""

    results: Path
    study: Study
    rows: list[Row]
    """Of all trials in the folder, whatever their role."""
    searched: list[Row]
    """Those of the latest search."""
    row: Row
    """The winning trial's."""

    @property
    def other_searches(self) -> int:
        """Trials of other searches in the folder, which do not compare."""
        return sum(row["role"] == "search" for row in self.rows) - len(self.searched)

    @cached_property
    def recipe(self) -> Recipe:
        """The winning recipe."""
        return Recipe.stored(self.row["recipe"])

    @cached_property
    def point(self) -> dict[str, Any]:
        """The winner's value on each axis."""
        return dict(parsed_json(self.row["point"], {}))

    @cached_property
    def confirmations(self) -> list[Row]:
        """The confirmations that are completed."""
        return [row for row in self._confirming if row["status"] == "completed"]

    @cached_property
    def better_audited(self) -> Row | None:
        """The best trial that was stopped and would have won."""
        return better_audited(self.searched, self.row)

    @property
    def confirmation_seeds(self) -> list[int]:
        """The seeds of its confirmations; where there are none, of three that there may be."""
        return fresh_seeds(self.rows, self.row, len(self._confirming) or 3)

    @property
    def selection(self) -> str:
        """How it was selected."""
        points = points_of(self.searched)
        finished = [row for row in self.searched if in_full(row) and not row["audited"]]
        scheduler = parsed_json(self.row["search"], {}).get("scheduler", "none")
        return (
            f"highest validation accuracy of the {len(finished)} of {len(points)} points that "
            f"scheduler {scheduler} let train in full; test was not looked at"
        )

    @cached_property
    def _confirming(self) -> list[Row]:
        return confirmations_of(self.rows, self.row)


def find_winner(folder: Path, rows: list[Row]) -> Winner:
    """Return the winner of the latest search among the trials of a study's results folder.

    Raises InputError if there is no search, or none of its trials is trained in full.
    """
    searched = of_latest(rows)
    if not any(in_full(row) and not row["audited"] for row in searched):
        raise InputError(no_winner(folder, searched))
    won = winner(searched)
    if won is None:
        raise InputError(f"{folder}: the search has no winner, as nothing was validated; choose a "
                         "study with data.validation_images above 0")  # fmt: skip
    if not won["name"] or recorded_recipe(won) is None:
        raise InputError(f"{folder}: the row of its winner {won['trial_id']} holds no recipe of it")
    study = load_study(str(folder / "study.yaml"), in_place=False)
    return Winner(folder, study, rows, searched, won)


def no_winner(folder: Path, searched: Sequence[Row]) -> str:
    """Return what is missing for a winner, and what to do."""
    if not searched:
        return f"{folder}: no search here; type `resray tune` with the study of these first"
    points = points_of(searched)
    none = f"{folder}: none of the search's {len(points):,} point{'s' * (len(points) != 1)}"
    if all(rows[-1]["status"] == "failed" for rows in points):
        return (
            f"{none} has won, as all diverged or failed; change the space, or repeat the command "
            "that searched, with --force, to train them again"
        )
    return f"{none} is trained in full yet; the command that began the search goes on with it"
