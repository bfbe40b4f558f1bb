"""What is done with complete recipes: identify, rescale, write for people."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from resray.study.optimizer_spec import Part, Sequential, WarmingUp, spans
from resray.study.phases import rescale_phases, rescaled_epoch
from resray.study.recipe_spec import Recipe
from resray.study.strict import Mistake, Named
from resray.study.unions import OLD_EVAL_BATCH, without_defaults

AnyPart = TypeVar("AnyPart", bound=Named)


def only_as_run(recipe: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what a recipe has that only trials of ``as_run`` may have."""
    if recipe.get("selection") == "test":
        yield Mistake(("selection",), "'test' is for trials of `as_run` alone (validation)")


def trial_id(
    recipe: Recipe,
    seed: int,
    *,
    dataset_checksum: str,
    world_size: int,
    tested: bool = True,
    rung_of: int | None = None,
    own_code: str | None = None,
) -> str:
    """Return 16 hex digits that name what determines a trial's result.

    A SHA-256 over canonical JSON. Fields at their default are left out, so that an id stays what it
    is when recipes later gain fields. A trial that never sees the test set (a search's) is another
    one than the same training with it; so is a rung's training on the way to ``rung_of`` epochs.
    Where a folder of images lies says nothing: ``dataset_checksum`` is that of what is in it.
    ``own_code`` is the hash of the source files that a ``module:function`` brings.
    """
    implemented = implementation(recipe, own_code)
    if recipe.eval_batch_size == OLD_EVAL_BATCH:
        recipe = recipe.model_copy(update={"eval_batch_size": "auto"})
    content = {
        "recipe": recipe.model_dump(
            mode="json", exclude_defaults=True, exclude={"data": {"folder"}}
        ),
        "seed": seed,
        "dataset_checksum": dataset_checksum,
        "world_size": world_size,
        **({} if tested else {"tested": False}),
        **({} if rung_of is None else {"rung_of": rung_of}),
        **({} if implemented is None else {"implementation": implemented}),
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def implementation(recipe: Recipe, own_code: str | None) -> str | None:
    """Return what else than its recipe determines a trial's result, None where nothing does.

    ``2`` stands for recipes that resray's first version trained otherwise: a warm-up from 0 had a
    first step at rate 0, and fp16 took over what lay in memory where the first step overflowed.
    """
    warms_from_zero = any(
        isinstance(part, WarmingUp) and part.warmup_epochs and not part.warmup_start
        for part, _, _ in spans(recipe.schedule, recipe.epochs)
    )
    changed = "2" if warms_from_zero or recipe.precision == "fp16" else None
    return " ".join(filter(None, (changed, own_code))) or None


def rescale(recipe: Recipe, epochs: int) -> Recipe:
    """Return the recipe over ``epochs`` epochs.

    Warm-up, milestones, restart periods, the parts of a sequence and phases keep their proportion.
    """
    if epochs == recipe.epochs:
        return recipe
    schedule = recipe.schedule
    if isinstance(schedule, Sequential):
        parts = _rescaled_parts(schedule.parts, recipe.epochs, epochs)
        schedule = schedule.model_copy(update={"parts": parts})
    else:
        schedule = _rescaled(schedule, epochs / recipe.epochs)
    phases = rescale_phases(recipe.phases, recipe.epochs, epochs)
    changes = {"epochs": epochs, "schedule": schedule, "phases": phases}
    return recipe.model_copy(update=changes)


def _rescaled_parts(parts: Sequence[Part], before: int, epochs: int) -> tuple[Part, ...]:
    """Return the parts with their ends in proportion; one left without an epoch falls out."""
    kept: list[Part] = []
    start = own_start = 0
    for part in parts:
        own_end = part.until or before
        end = rescaled_epoch(own_end, before, epochs)
        if end > start:
            changes: dict[str, Any] = {"until": None if end == epochs else end}
            if warmup := getattr(part, "warmup_epochs", 0):
                # Ends are rounded: with its share of the part it stays below the part's length.
                changes["warmup_epochs"] = warmup * (end - start) / (own_end - own_start)
            kept.append(_rescaled(part, epochs / before).model_copy(update=changes))
            start = end
        own_start = own_end
    return tuple(kept)


def _rescaled(part: AnyPart, factor: float) -> AnyPart:
    """Return a schedule with what it counts in epochs in proportion."""
    keys = ["warmup_epochs"] + ["period", "length"] * (getattr(part, "unit", "") == "epochs")
    changes: dict[str, Any] = {
        key: value * factor for key in keys if (value := getattr(part, key, None))
    }
    if milestones := getattr(part, "milestones", ()):
        changes["milestones"] = tuple(epoch * factor for epoch in milestones)
    return part.model_copy(update=changes)


def written(value: Any) -> str:
    """Return a recipe's value as it may stand in a study file; of a part of a schedule, only what
    is not at its default."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(written(item) for item in value)}]"
    if isinstance(value, Mapping):
        changed = without_defaults("schedule", value) if "name" in value else value
        return f"{{{', '.join(f'{key}: {written(item)}' for key, item in changed.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
