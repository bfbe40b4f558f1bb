"""What is done with complete recipes: identify, rescale, flatten, compare."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from resray.study.spec import Recipe


def trial_id(recipe: Recipe, seed: int, *, dataset_checksum: str, world_size: int) -> str:
    """Return 16 hex digits that name what determines a trial's result.

    A SHA-256 over canonical JSON. Fields at their default are left out, so that an id stays what it
    is when recipes later gain fields.
    """
    content = {
        "recipe": recipe.model_dump(mode="json", exclude_defaults=True),
        "seed": seed,
        "dataset_checksum": dataset_checksum,
        "world_size": world_size,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rescale(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe over ``epochs`` epochs, its warm-up and milestones in proportion."""
    factor = epochs / recipe.epochs
    schedule = recipe.schedule.model_copy(
        update={
            "warmup_epochs": recipe.schedule.warmup_epochs * factor,
            "milestones": tuple(epoch * factor for epoch in recipe.schedule.milestones),
        }
    )
    return recipe.model_copy(update={"epochs": epochs, "schedule": schedule})


def flatten(recipe: Recipe | Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe (or its JSON as a mapping) as one level of dotted keys to plain values."""
    nested = recipe.model_dump(mode="json") if isinstance(recipe, Recipe) else recipe
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": part for inner, part in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def differences(
    recipes: Sequence[Recipe | Mapping[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Split flattened recipes into what all share and, for each, what they do not."""
    flats = [flatten(recipe) for recipe in recipes]
    common = {
        key: value
        for key, value in (flats[0] if flats else {}).items()
        if all(key in flat and flat[key] == value for flat in flats)
    }
    return common, [{key: flat[key] for key in flat if key not in common} for flat in flats]
