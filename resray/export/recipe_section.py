"""The model card's table of the recipe."""

import json
from collections.abc import Mapping
from typing import Any

from resray.export.facts import Facts
from resray.export.loading import CONFIG
from resray.export.markdown import table
from resray.study.applicable import in_use
from resray.study.layers import flatten
from resray.study.recipe_spec import Recipe

ALWAYS_SHOWN = (
    "model.name",
    "epochs",
    "batch_size",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "schedule.name",
    "augmentation.flip",
    "augmentation.crop_padding",
    "precision",
)


def recipe_table(facts: Facts, recipe: Recipe) -> str:
    """Return what shapes the training beside resray's defaults, with what was assumed."""
    assumed = facts.results.study.assumed if facts.results.study else {}
    rows = [[key, shown(value), assumption(key, assumed)] for key, value in told(recipe).items()]
    note = f"The complete recipe is in {CONFIG}. What the study's source leaves unstated is marked."
    return table(["setting", "value", "assumed, because"], rows) + f"\n{note}\n"


def told(recipe: Recipe) -> dict[str, Any]:
    """Return the flattened recipe without what is off, not in use or left at its default.

    A phase that switches something off is told: that is what it does.
    """
    parts = [{"name": part.name, **part.model_dump(mode="json", exclude_defaults=True)}
             for part in recipe.schedule.parts]  # fmt: skip
    given = {**in_use(flatten(recipe)), "schedule.parts": parts}
    bare = flatten(Recipe.model_validate({"model": "resnet18", "data": "cifar10", "epochs": 1}))
    unset = object()
    return {
        key: value
        for key, value in given.items()
        if key in ALWAYS_SHOWN
        or key.startswith("phases.")
        or (value is not None and value != bare.get(key, unset))
    }


def shown(value: Any) -> str:
    """Return a recipe's value as a study file may write it."""
    return value if isinstance(value, str) else json.dumps(value)


def assumption(key: str, assumed: Mapping[str, str]) -> str:
    """Return why a value was assumed: for the key itself or for the part it belongs to."""
    return next((why for name, why in assumed.items() if f"{key}.".startswith(f"{name}.")), "")
