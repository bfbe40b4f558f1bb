"""Which trial of a search has won, in what order the others follow, and what confirms it.

Works on rows of the trials table as `ResultStore` gives them (a null is None or left out), of
trials whose validation accuracies compare: the same dataset and the same validation images. Nothing
here reads a test figure: the search selects on validation alone.
"""

import json
from collections.abc import Iterable
from itertools import count as whole_numbers
from itertools import islice
from typing import Any

from resray.results.rows import is_of_code, own_code_of, recorded_recipe
from resray.study.recipes import implementation

Row = dict[str, Any]

IMAGES = ("dataset_checksum", "validation_images")
"""What two trials must share for their validation accuracies to compare."""

RESCALED = ("epochs", "schedule", "phases")
"""Parts of a recipe that differ between the rungs of one point."""

_LOWEST = float("-inf")


def in_full(row: Row) -> bool:
    """Whether a search trial was trained to the end of its point's full recipe."""
    return (
        row["role"] == "search"
        and row["status"] == "completed"
        and row["epochs"] == row.get("full_epochs")
    )


def of_latest(rows: Iterable[Row]) -> list[Row]:
    """Return the trials of the search that was worked on last: with its settings, seed and images.

    Trials of one results folder that others left there, with another `search_key`, another seed or
    other validation images, do not compare with these. Nor do points that were trained with another
    recipe before the study's was changed, or with code that `resray tune` would not count.
    """
    searched = [row for row in rows if row["role"] == "search"]
    searched.sort(key=lambda row: str(row["updated"] or ""))
    own = _counting([row for row in searched if _of_one_search(row, searched[-1])])
    newest = {(row["space"], row["point"]): _recipe(row) for row in own}
    return [row for row in own if _recipe(row) == newest[row["space"], row["point"]]]


def _counting(rows: list[Row]) -> list[Row]:
    """Return of a search's trials, the oldest first, those that the latest command went on with."""
    # Older versions, which recorded no threads, go on with all that they trained.
    if not any(row.get("threads") for row in rows):
        return rows
    codes = {row["model"]: code for row in rows if (code := own_code_of(row))}
    return [row for row in rows if _is_current(row) and is_of_code(row, codes.get(row["model"]))]


def _is_current(row: Row) -> bool:
    """Whether resray computes the row's recipe today as it did then."""
    recipe = recorded_recipe(row)
    return recipe is None or row.get("implementation") == implementation(recipe, own_code_of(row))


def _recipe(row: Row) -> tuple[Any, ...]:
    """Return what the rungs of one point share of their recipes."""
    return row.get("full_epochs"), _without_length(row["recipe"])


def _of_one_search(row: Row, latest: Row) -> bool:
    # One that has not begun has no images yet.
    alike = all(len({row[key], latest[key]} - {None}) < 2 for key in IMAGES)
    return alike and all(row[key] == latest[key] for key in ("search", "seed"))


def points_of(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the search trials by point: one each, or its rungs' trainings, the shortest first.

    A study whose recipe was changed has other points than before, whatever their axes say.
    """
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["epochs"] or 0, row.get("rung") or 0)):
        place = (row["space"], row["point"], row["seed"])
        found.setdefault((*place, *_recipe(row)), []).append(row)
    return list(found.values())


def _without_length(recipe: str | None) -> str | None:
    """Return a recipe's text without what is rescaled to a rung's epochs."""
    settings = parsed_or_text(recipe)
    if not isinstance(settings, dict):
        return recipe
    kept = {key: value for key, value in settings.items() if key not in RESCALED}
    return json.dumps(kept, sort_keys=True)


def winner(rows: Iterable[Row]) -> Row | None:
    """Return the search trial with the highest validation accuracy; of equals, the first by id.

    Only trials that the scheduler let through to their full length take part, so not the audited
    ones, nor a rung of its own schedule. None if there is none yet.
    """
    eligible = [row for row in rows if in_full(row) and not row.get("audited")]
    measured = [row for row in eligible if row.get("validation_accuracy") is not None]
    return min(measured, key=_by_accuracy, default=None)


def better_audited(rows: Iterable[Row], won: Row) -> Row | None:
    """Return the best of the trials that were stopped and, trained on for the audit, beat ``won``.

    None if no audited trial did.
    """
    audited = [row for row in rows if in_full(row) and row.get("audited")]
    better = [row for row in audited if _value(row) > won["validation_accuracy"]]
    return min(better, key=_by_accuracy, default=None)


def ranked(rows: Iterable[Row]) -> list[Row]:
    """Return the search trials, the best first.

    Trained in full, by validation accuracy; the audited ones; those that came less far, by rung and
    then accuracy; failed ones; diverged ones.
    """
    return sorted((row for row in rows if row["role"] == "search"), key=rank)


def rank(row: Row) -> tuple[int, int, float, str]:
    """Return a search trial's place among others, for sorting."""
    group, rung = _group(row), row.get("rung") or 0
    return group, -rung if group == 2 else 0, *_by_accuracy(row)


def _group(row: Row) -> int:
    if row["status"] == "failed":
        return 4 if row.get("reason") == "diverged" else 3
    if in_full(row):
        return 1 if row.get("audited") else 0
    return 2


def _by_accuracy(row: Row) -> tuple[float, str]:
    return -_value(row), row["trial_id"]


def _value(row: Row) -> float:
    value = row.get("validation_accuracy")
    return _LOWEST if value is None else value


def confirmations_of(rows: Iterable[Row], won: Row) -> list[Row]:
    """Return the trainings of the winner's recipe with other seeds than its own, by seed.

    Those that were run to confirm it, and those of `resray bench` that are completed and tested:
    they are the same training.
    """
    confirming = [
        row
        for row in rows
        if _confirms(row) and row["seed"] != won["seed"] and _same_recipe(row, won)
    ]
    return sorted(confirming, key=lambda row: row["seed"])


def _confirms(row: Row) -> bool:
    tested = row["status"] == "completed" and row.get("test_accuracy") is not None
    return row["role"] == "confirmation" or (row["role"] != "search" and tested)


def _same_recipe(row: Row, won: Row) -> bool:
    alike = row.get("dataset_checksum") == won.get("dataset_checksum")
    alike = alike and own_code_of(won) in (None, own_code_of(row))
    alike = alike and _is_current(row) == _is_current(won)
    return alike and parsed_or_text(row["recipe"]) == parsed_or_text(won["recipe"])


def parsed_or_text(text: str | None) -> Any:
    """Return what a JSON text says; what is none stays."""
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return text


def fresh_seeds(rows: Iterable[Row], won: Row, count: int) -> list[int]:
    """Return seeds for ``count`` confirmations of the winner.

    The seeds of its confirmations that are there already, those run for it before those of a bench,
    then the smallest that no search trial has: the same again when the command is repeated.
    """
    known = list(rows)
    there = sorted(confirmations_of(known, won), key=lambda row: row["role"] != "confirmation")
    kept = sorted(row["seed"] for row in there[:count])
    taken = {row["seed"] for row in known if row["role"] == "search"} | {won["seed"], *kept}
    unused = (seed for seed in whole_numbers() if seed not in taken)
    return [*kept, *islice(unused, count - len(kept))]
