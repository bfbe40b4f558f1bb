"""A search's winner: where it differs from its start, and as a study file of its own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from resray.errors import InputError
from resray.files import output_file
from resray.search.winner import Winner
from resray.study.layers import (
    Layer,
    deep_merge,
    flatten,
    merge,
    nested,
    recipe_layers,
)
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import TRIAL_AXIS
from resray.study.spec import Study
from resray.study.unions import in_use
from resray.study.yaml_file import Dumper, parse, read_text

ALWAYS_WRITTEN = (
    "model.name",
    "data.name",
    "epochs",
    "batch_size",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.momentum",
    "optimizer.weight_decay",
    "schedule.name",
)
"""Written also at their default, as a reader looks for them."""

NEEDED = ("model.name", "data.name", "epochs")
"""What every recipe has and a study's base may leave to its trials."""

_SHORTHANDS = ("model", "data", "loader")


def write_winner(winner: Winner, target: Path | None = None, *, force: bool = False) -> Path:
    """Write a winner as a study file, by default STUDY-best.yaml in the current folder.

    Its seeds are those of the confirmations, so that `resray bench` trains the same trials. Raises
    InputError if a file is there that says something else, unless ``force``.
    """
    study = winner.study
    document = winner_document(
        study,
        winner.row["name"],
        winner.recipe,
        winner.point,
        winner.confirmation_seeds,
        f"Selected by a search of {study.name}: {winner.selection}.",
    )
    return write_study_file(document, target or Path(f"{study.name}-best.yaml"), force=force)


def winner_document(
    study: Study,
    name: str,
    recipe: Recipe,
    axes: Iterable[str],
    seeds: Sequence[int],
    description: str,
) -> dict[str, Any]:
    """Return the content of the study file of a winner, as YAML takes it.

    ``axes`` are written out even at their default; ``description`` says how the winner came about.
    """
    return {
        "name": f"{study.name}-best",
        "title": f"{study.title}: the winner of a search",
        "question": f"How well does the winning recipe do? ({study.question})",
        "description": description,
        "recipe": written_recipe(recipe, axes),
        "trials": [{"name": trial_name(name)}],
        "seeds": list(seeds),
    }


def written_recipe(recipe: Recipe, axes: Iterable[str] = ()) -> dict[str, Any]:
    """Return a complete recipe without what is at its default, but for what a reader looks for.

    Those are `ALWAYS_WRITTEN` and ``axes``, where the recipe has them in use.
    """
    own = recipe.model_dump(mode="json", exclude_defaults=True)
    if parts := getattr(recipe.schedule, "parts", ()):
        named = zip(parts, own["schedule"]["parts"], strict=True)
        own["schedule"]["parts"] = [{"name": part.name, **changed} for part, changed in named]
    used = in_use(flatten(recipe))
    looked_for: dict[str, Any] = {}
    for key in (*ALWAYS_WRITTEN, *axes):
        if key in used and not key.startswith("phases"):
            looked_for = deep_merge(looked_for, nested(key, used[key]))
    written = deep_merge(looked_for, own)
    return {key: _shortened(key, value) for key, value in written.items()}


def _shortened(key: str, value: Any) -> Any:
    """Return ``resnet18`` for ``{name: resnet18}``."""
    short = key in _SHORTHANDS and isinstance(value, Mapping) and list(value) == ["name"]
    return value["name"] if short else value


def trial_name(name: str) -> str:
    """Return a trial's name in the letters that a study file allows."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name).lstrip("_.+-") or "winner"


def write_study_file(document: Mapping[str, Any], path: Path, *, force: bool) -> Path:
    """Write a study file.

    Raises InputError if one stands there that trains something else, unless ``force``, or if it
    cannot be written.
    """
    layout: dict[str, Any] = {"sort_keys": False, "default_flow_style": None, "width": 100}
    text = yaml.dump(dict(document), Dumper=Dumper, allow_unicode=True, **layout)
    try:
        if not force and path.is_file() and not _trains_the_same(read_text(path), text):
            raise InputError(
                f"{path}: is there already and differs; type --force to replace it, or "
                "--out-file FILE for another place"
            )
        path.parent.stat()  # no folder is made for a name that was mistyped
        with output_file(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _trains_the_same(there: str, text: str) -> bool:
    """Whether two study files differ at most in what they say of how the recipe was found."""
    try:
        documents = [parse(each, "").content for each in (there, text)]
    except InputError:
        return False
    if not all(isinstance(document, dict) for document in documents):
        return False
    before, now = ({**document, "description": None} for document in documents)
    return before == now


def start_of(study: Study, variant: str, point: Mapping[str, Any]) -> tuple[str, list[Layer]]:
    """Return what a point started from, in words, and the layers of that recipe."""
    trial = point.get(TRIAL_AXIS)
    if trial in study.trial_names:
        index = study.trial_names.index(trial)
        return f"trial {trial}", recipe_layers(study.document, index, variant)
    return "the study's recipe", recipe_layers(study.document, None, variant)


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
