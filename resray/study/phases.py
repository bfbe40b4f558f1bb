"""Settings that change by epoch.

A recipe writes them as a table for each setting: which value holds over which epochs::

    phases:
      model.dropout: {1-50: 0.3, 51-80: 0.2, 81-100: 0.1}
      mixing.mixup_alpha: {1-40: 0.2, 41-100: 0}
      augmentation:
        1-70: {cutout: {size: 8}}
        71-100: {cutout: null}

A value takes the place of the recipe's own; mappings are merged into it key by key. The ranges of a
setting follow each other without gap or overlap, from epoch 1 to the last.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from resray.errors import not_known
from resray.study.layers import deep_merge, flatten, nested
from resray.study.mistakes import mistakes_in
from resray.study.strict import Mistake

if TYPE_CHECKING:
    # A recipe checks its phases with this module, so it comes here as a value only.
    from resray.study.recipe_spec import Recipe

SETTINGS = (
    "augmentation",
    "mixing",
    "label_smoothing",
    "clip_gradient_norm",
    "model.dropout",
    "model.stochastic_depth",
    "optimizer.weight_decay",
)
"""What may change by epoch; of a group (augmentation, mixing) also single keys such as
``mixing.mixup_alpha``."""

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


def mistakes_of_phases(recipe: "Recipe") -> Iterator[Mistake]:
    """Yield an unknown setting, wrong ranges, gaps, and values that are wrong."""
    for setting, table in recipe.phases.items():
        if setting not in SETTINGS and setting.split(".")[0] not in ("augmentation", "mixing"):
            yield Mistake(("phases", setting), not_known(setting, SETTINGS))
            continue
        yield from mistakes_of_ranges(setting, table, recipe.epochs)
        for text, value in table.items():
            for mistake in mistakes_in(type(recipe), _changed(recipe, nested(setting, value))):
                yield Mistake(("phases", setting, text), mistake.with_place)


def epoch_range(text: str) -> tuple[int, int]:
    """Return first and last epoch of ``41-70`` (or ``7``); (0, 0) if it is no range."""
    match = _RANGE.fullmatch(str(text).strip())
    if not match:
        return 0, 0
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if 1 <= first <= last else (0, 0)


def recipe_at(recipe: "Recipe", epoch: int) -> "Recipe":
    """Return the recipe with the values that hold in ``epoch`` (from 1), and no phases."""
    return _recipe_at(type(recipe), recipe.model_dump_json(), epoch) if recipe.phases else recipe


@lru_cache(maxsize=256)
def _recipe_at(kind: "type[Recipe]", text: str, epoch: int) -> "Recipe":
    recipe = kind.model_validate_json(text)
    changes: dict[str, Any] = {}
    for setting, table in recipe.phases.items():
        for span, value in table.items():
            first, last = epoch_range(span)
            if first <= epoch <= last:
                changes = deep_merge(changes, nested(setting, value))
    return kind.model_validate(_changed(recipe, changes))


def _changed(recipe: "Recipe", changes: Mapping[str, Any]) -> dict[str, Any]:
    return deep_merge({**recipe.model_dump(), "phases": {}}, changes)


def settings_in_force(recipe: "Recipe", epoch: int) -> dict[str, Any]:
    """Return every setting that may change by epoch, by dotted key, with its value in ``epoch``."""
    flat = flatten(recipe_at(recipe, epoch))
    return {
        key: flat[key] for key in flat if f"{key}.".startswith(tuple(f"{s}." for s in SETTINGS))
    }


def rescale_phases(
    phases: Mapping[str, Mapping[str, Any]], before: int, epochs: int
) -> dict[str, dict[str, Any]]:
    """Return the tables for ``epochs`` instead of ``before`` epochs, boundaries in proportion.

    Boundaries are rounded to whole epochs; a phase that is left without an epoch falls out.
    """
    return {setting: _rescale_table(table, before, epochs) for setting, table in phases.items()}


def _rescale_table(table: Mapping[str, Any], before: int, epochs: int) -> dict[str, Any]:
    scaled, first = {}, 1
    for text, value in sorted(table.items(), key=lambda entry: epoch_range(entry[0])):
        end = rescaled_epoch(epoch_range(text)[1], before, epochs)
        if end >= first:
            scaled[f"{first}-{end}"] = value
            first = end + 1
    return scaled


def rescaled_epoch(epoch: int, before: int, epochs: int) -> int:
    """Return where the end of ``epoch`` of ``before`` lies among ``epochs``, to a whole epoch."""
    return int(epoch * epochs / before + 0.5)


def boundaries(phases: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Return the epochs, in order, after which some setting changes."""
    ends = [sorted(epoch_range(text)[1] for text in table)[:-1] for table in phases.values()]
    return sorted({end for table in ends for end in table})


def mistakes_of_ranges(setting: str, table: Mapping[str, Any], epochs: int) -> Iterator[Mistake]:
    """Yield the first that keeps a setting's ranges from covering ``epochs`` epochs, each once."""
    place = ("phases", setting)
    if not table:
        yield Mistake(place, "has no phase; write ranges of epochs such as 1-40")
        return
    for text in table:
        if epoch_range(text) == (0, 0):
            message = f"{text!r} is no range of epochs; write 1-40, or 7 for a single one"
            yield Mistake((*place, text), message)
            return
    expected = 1
    for (first, last), text in sorted((epoch_range(text), text) for text in table):
        if first > expected:
            yield Mistake((*place, text), _no_value(expected, first - 1))
            return
        if first < expected:
            yield Mistake((*place, text), f"epoch {first} has two values")
            return
        expected = last + 1
    if expected <= epochs:
        yield Mistake(place, _no_value(expected, epochs))
    if expected > epochs + 1:
        message = f"ends at epoch {expected - 1}, but the recipe has {epochs} epochs"
        yield Mistake(place, message)


def _no_value(first: int, last: int) -> str:
    if first == last:
        return f"epoch {first} has no value"
    return f"epochs {first} to {last} have no value"
