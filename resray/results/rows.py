"""What a row of the trials table says of the recipe and the code with which it was trained."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from resray.study.recipe_spec import Recipe

STATUSES = ("pending", "running", "completed", "stopped", "interrupted", "failed")
ENDED = ("completed", "stopped", "failed")
"""The statuses of which no command trains on by itself."""


def own_code_of(row: Mapping[str, Any]) -> str | None:
    """Return the hash of one's own code with which a trials row says it was trained, if any."""
    parts = (row.get("implementation") or "").split()
    return next((part for part in parts if part != "2"), None)


def is_of_code(row: Mapping[str, Any], own_code: str | None) -> bool:
    """Whether a trials row counts as trained with the code of this hash.

    What was completed before hashes were recorded does.
    """
    recorded = own_code_of(row)
    return recorded == own_code or (recorded is None and row["status"] == "completed")


def recorded_recipe(row: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe of a trials row; None if it is not one of this version."""
    try:
        return Recipe.stored(row["recipe"] or "")
    except ValidationError:
        return None
