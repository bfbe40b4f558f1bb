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
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from resray.errors import not_known
from resray.study.layers import deep_merge, flatten, nested
from resray.study.mistakes import dotted, find_mistakes
from resray.study.strict import Misplaced

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


def check_phases(recipe: "Recipe") -> None:
    """Raise Misplaced for an unknown setting, a wrong range, a gap, or a value that is wrong."""
    for setting, table in recipe.phases.items():
        if setting not in SETTINGS and setting.split(".")[0] not in ("augmentation", "mixing"):
            raise Misplaced(("phases", setting), not_known(setting, SETTINGS))
        check_ranges(setting, table, recipe.epochs)
        for text, value in table.items():
            _check_value(recipe, setting, text, value)


def epoch_range(text: str) -> tuple[int, int] | None:
    """Return first and last epoch of ``41-70`` (or ``7``), or None if it is no range."""
    match = _RANGE.fullmatch(str(text).strip())
    if not match:
        return None
    first = int(match[1])
    last = int(match[2] or first)
    return (first, last) if 1 <= first <= last else None


@lru_cache(maxsize=256)
def _recipe_at(kind: "type[Recipe]", text: str, epoch: int) -> "Recipe":
    recipe = kind.model_validate_json(text)
    changes: dict[str, Any] = {}
    for setting, table in recipe.phases.items():
        for span, value in table.items():
            first, last = epoch_range(span) or (0, 0)
            if first <= epoch <= last:
                changes = deep_merge(changes, nested(setting, value))
    return _with(recipe, changes)


def recipe_at(recipe: "Recipe", epoch: int) -> "Recipe":
    """Return the recipe with the values that hold in ``epoch`` (from 1), and no phases."""
    return (
        recipe if not recipe.phases else _recipe_at(type(recipe), recipe.model_dump_json(), epoch)
    )


def settings_in_force(recipe: "Recipe", epoch: int) -> dict[str, Any]:
    """Return every setting that may change by epoch, by dotted key, with its value in ``epoch``."""
    flat = flatten(recipe_at(recipe, epoch))
    return {
        key: value
        for key, value in flat.items()
        if any(key == setting or key.startswith(f"{setting}.") for setting in SETTINGS)
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
    for text, value in sorted(table.items(), key=lambda entry: epoch_range(entry[0]) or (0, 0)):
        _, last = epoch_range(text) or (0, 0)
        end = rescaled_epoch(last, before, epochs)
        if end >= first:
            scaled[f"{first}-{end}"] = value
            first = end + 1
    return scaled


def rescaled_epoch(epoch: int, before: int, epochs: int) -> int:
    """Return where the end of ``epoch`` of ``before`` lies among ``epochs``, to a whole epoch."""
    return int(epoch * epochs / before + 0.5)


def boundaries(phases: Mapping[str, Mapping[str, Any]]) -> list[int]:
    """Return the epochs, in order, after which some setting changes."""
    ends = [
        sorted((epoch_range(text) or (0, 0))[1] for text in table)[:-1] for table in phases.values()
    ]
    return sorted({end for table in ends for end in table})


def check_ranges(setting: str, table: Mapping[str, Any], epochs: int) -> None:
    """Raise Misplaced unless a setting's ranges cover ``epochs`` epochs, each of them once."""
    if not table:
        raise Misplaced(("phases", setting), "has no phase; write ranges of epochs such as 1-40")
    spans = []
    for text in table:
        span = epoch_range(text)
        if span is None:
            message = f"{text!r} is no range of epochs; write 1-40, or 7 for a single one"
            raise Misplaced(("phases", setting, text), message)
        spans.append((span, text))
    expected = 1
    for (first, last), text in sorted(spans):
        if first > expected:
            raise Misplaced(("phases", setting, text), _no_value(expected, first - 1))
        if first < expected:
            message = f"epoch {first} has two values"
            raise Misplaced(("phases", setting, text), message)
        expected = last + 1
    if expected != epochs + 1:
        end = expected - 1
        beyond = f"ends at epoch {end}, but the recipe has {epochs} epochs"
        wish = _no_value(expected, epochs) if end < epochs else beyond
        raise Misplaced(("phases", setting), wish)


def _no_value(first: int, last: int) -> str:
    if first == last:
        return f"epoch {first} has no value"
    return f"epochs {first} to {last} have no value"


def _check_value(recipe: "Recipe", setting: str, text: str, value: Any) -> None:
    try:
        _with(recipe, nested(setting, value))
    except ValidationError as error:
        mistake = find_mistakes(type(recipe), error)[0]
        message = f"{dotted(mistake.shown)}: {mistake.message}"
        raise Misplaced(("phases", setting, text), message) from None


def _with(recipe: "Recipe", changes: Mapping[str, Any]) -> "Recipe":
    return type(recipe).model_validate(deep_merge({**recipe.model_dump(), "phases": {}}, changes))
