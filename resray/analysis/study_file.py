"""The study file that lies beside results, and which of its recipes are equal."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydantic

from resray.errors import InputError
from resray.study.entries import entries
from resray.study.layers import merge, recipe_layers
from resray.study.recipe_spec import Recipe
from resray.study.spec import Study
from resray.study.yaml_file import parse, read_text

Variants = Mapping[tuple[str, str], tuple[str, ...]]
"""By a trial's name and variant, the variants in which it has the same recipe, in order."""

WITHOUT_CHECK = "this study file states no check"


def read_study(path: Path) -> Study | None:
    """Return the study that a results folder keeps a copy of, or None if there is no copy.

    Raises InputError if the file is no study.
    """
    if not path.exists():
        return None
    try:
        content = parse(read_text(path), str(path)).content
        return Study.model_validate(migrated(content))
    except pydantic.ValidationError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a study file that this resray reads: {reason}") from error


def migrated(content: Any) -> Any:
    """Return a study for an older resray as it is written now.

    The target accuracy was the ablation's, not the study's; claims had an id and a text alone, and
    did not say how they are tested or why not.
    """
    if not isinstance(content, dict):
        return content
    found = dict(content)
    if isinstance(ablate := found.get("ablate"), dict) and "target_accuracy" in ablate:
        found["ablate"] = {key: value for key, value in ablate.items() if key != "target_accuracy"}
        found.setdefault("target_accuracy", ablate["target_accuracy"])
    if isinstance(claims := found.get("claims"), list):
        found["claims"] = [
            claim | {"untested": WITHOUT_CHECK}
            if isinstance(claim, dict) and not claim.keys() & {"check", "untested"}
            else claim
            for claim in claims
        ]
    return found


@lru_cache(maxsize=20_000)
def normalised(recipe: str | None) -> str | None:
    """Return a recipe's JSON with every key that this version knows; what is no recipe stays.

    An older version wrote fewer keys for the same recipe.
    """
    try:
        return recipe and Recipe.stored(recipe).model_dump_json()
    except pydantic.ValidationError:
        return recipe


def equal_variants(study: Study) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return for each trial and variant those in which it has the same recipe, itself included.

    Such a trial is trained once, under whichever of them comes first, and belongs to all of them.
    """
    document = study.model_dump()
    found = {}
    for index, entry in enumerate(entries(document)):
        recipes = {
            variant: normalised(json.dumps(merge(recipe_layers(document, index, variant))))
            for variant in study.variant_names
            if entry.in_variant(variant)
        }
        for variant, recipe in recipes.items():
            same = tuple(other for other in recipes if recipes[other] == recipe)
            found[entry.name, variant] = same
    return found
