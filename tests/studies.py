"""What the tests of shipped studies share."""

from typing import Any

from pydantic import TypeAdapter

from resray.study.expand import Options, PlannedTrial, expand
from resray.study.load import load_study
from resray.study.phases import recipe_at
from resray.study.recipe_spec import Recipe

SGD = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
UNCHANGED = {"flip": 0, "crop_padding": 0}
UNSEEN = {"validation_images": 0}
"""Of data: no image is held out to select on."""


def planned(study: str, **options: Any) -> dict[str, PlannedTrial]:
    return {trial.name: trial for trial in expand(load_study(study), Options(**options))}


def recipes(study: str, **options: Any) -> dict[str, Recipe]:
    return {name: trial.recipe for name, trial in planned(study, **options).items()}


def as_run(study: str) -> dict[str, Recipe]:
    return recipes(study, variant="as-run")


def same(found: dict[str, Recipe], expected: dict[str, dict[str, Any]]) -> None:
    assert list(found) == list(expected)
    for name, recipe in found.items():
        assert recipe == Recipe.model_validate(expected[name]), name


def in_force(recipe: Recipe, epoch: int) -> tuple[Any, ...]:
    now = recipe_at(recipe, epoch)
    moved, cutout = now.augmentation.shift_scale_rotate, now.augmentation.cutout
    return (
        now.model.dropout,
        now.mixing.mixup_alpha,
        now.label_smoothing,
        cutout.size if cutout else None,
        moved.shift if moved else None,
    )


def made(kind: Any, content: Any = None, **values: Any) -> Any:
    """Return the member of a recipe's union (`Model`, `Schedule` ...) that has these values."""
    return TypeAdapter(kind).validate_python(values if content is None else content)
