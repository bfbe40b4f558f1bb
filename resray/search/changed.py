"""In which settings a search's winner differs from the recipe that its point started from."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from resray.study.applicable import in_use
from resray.study.layers import Layer, base_layers, flatten, merge, nested, recipe_layers
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import TRIAL_AXIS
from resray.study.spec import Study

NEEDED = ("model.name", "data.name", "epochs")
"""What every recipe has and a study's base may leave to its trials."""


def start_of(study: Study, variant: str, point: Mapping[str, Any]) -> tuple[str, list[Layer]]:
    """Return what a point started from, in words, and the layers of that recipe."""
    document, trial = study.model_dump(), point.get(TRIAL_AXIS)
    if trial in study.trial_names:
        index = study.trial_names.index(trial)
        return f"trial {trial}", recipe_layers(document, index, variant)
    return "the study's recipe", base_layers(document, variant)


def changed_settings(start: Sequence[Layer], recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Return each setting in use in which ``recipe`` is not like its start: before, and now.

    What one of the two does not have is None there.
    """
    before, now = _settings(start, recipe), in_use(flatten(recipe))
    keys = dict.fromkeys([*now, *before])
    return {key: (before.get(key), now.get(key)) for key in keys if before.get(key) != now.get(key)}


def _settings(start: Sequence[Layer], recipe: Recipe) -> dict[str, Any]:
    """Return the start's settings in use, without what it leaves open of the needed ones."""
    given, own = flatten(merge(start)), flatten(recipe)
    lacking = [key for key in NEEDED if key not in given]
    whole = merge([*start, *(Layer(nested(key, own[key])) for key in lacking)])
    try:
        settings = in_use(flatten(Recipe.model_validate(whole)))
    except ValidationError:
        # A base need not be a recipe without its trials: then only what it says can be compared.
        settings = given
    return {key: value for key, value in settings.items() if key not in lacking}
