"""What only a whole search shows: axes that are none, conditions that cannot be asked.

Works on a study file's raw content. Spaces that are not what they should be are passed over:
validation reports them.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from math import prod
from typing import Any

from pydantic import ValidationError

from resray.errors import not_known
from resray.study.axes import alternative_path
from resray.study.entries import trial_names
from resray.study.layers import section
from resray.study.mistakes import first_unknown
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import MOST_POINTS, RANGES, TRIAL_AXIS, Axis, Space
from resray.study.source import Key
from resray.study.strict import Misplaced

Place = tuple[Key, ...]


def mistakes_of_search(document: Mapping[str, Any]) -> Iterator[Misplaced]:
    """Yield each mistake in the spaces of a study file's raw or validated content."""
    for name, space in readable_spaces(document).items():
        yield from mistakes_of_space(document, name, space)


def readable_spaces(document: Mapping[str, Any]) -> dict[str, Space]:
    """Return the spaces that are what they should be, by their names."""
    spaces = {}
    for name, content in section(document, "search", "spaces").items():
        try:
            spaces[str(name)] = Space.model_validate(content)
        except ValidationError:
            continue
    return spaces


def mistakes_of_space(document: Mapping[str, Any], name: str, space: Space) -> Iterator[Misplaced]:
    """Yield each mistake in the axes of one space."""
    grids = [
        [len(one.options) for one in axis if one.form == "grid"] for axis in space.axes.values()
    ]
    if prod(max(sizes, default=1) for sizes in grids) > MOST_POINTS:
        yield Misplaced(("search", "spaces", name), f"more than {MOST_POINTS:,} points")
    faulty: set[str] = set()
    for axis_name, alternatives in space.axes.items():
        found: list[Misplaced] = []
        for axis in alternatives:
            place = alternative_path(name, space, axis_name, axis)
            found += _mistakes_of_name(axis_name, axis, place, document)
            yield from _mistakes_of_conditions(axis_name, axis, place, space, faulty)
        faulty |= {axis_name for _ in found}
        yield from found


def _mistakes_of_name(
    axis_name: str, axis: Axis, place: Place, document: Mapping[str, Any]
) -> Iterator[Misplaced]:
    if axis_name == TRIAL_AXIS:
        yield from _unknown_trials(axis, place, trial_names(document))
    elif not axis.named:
        yield from _unknown_key(axis_name, place)


def _unknown_trials(axis: Axis, place: Place, trials: Sequence[str]) -> Iterator[Misplaced]:
    if axis.named or not axis.options:
        message = "must be a list of the study's trials, as grid or choice"
        yield Misplaced((*place, axis.form), message)
        return
    for index, value in enumerate(axis.options):
        if value not in trials:
            yield Misplaced((*place, axis.form, index), not_known(value, trials))


def _unknown_key(axis_name: str, place: Place) -> Iterator[Misplaced]:
    found = first_unknown(Recipe, axis_name.split("."))
    if found is None:
        return
    depth, choices = found
    key = axis_name.split(".")[depth]
    message = not_known(key, choices) if choices else f"has no {key!r} in it"
    if depth == 0:
        message = not_known(key, [*choices, TRIAL_AXIS])
        message += "; an axis of another name needs named changes of the recipe as values"
    yield Misplaced(place, message)


def _mistakes_of_conditions(
    axis_name: str, axis: Axis, place: Place, space: Space, faulty: set[str]
) -> Iterator[Misplaced]:
    names = list(space.axes)
    before = names[: names.index(axis_name)]
    for other in axis.when:
        path = (*place, "when", other)
        if faulty.intersection(get_close_matches(other, names, n=1)):
            # The axis is what is misspelt; the condition may well be right.
            continue
        if other not in before:
            yield Misplaced(path, _not_before(other, axis_name, names))
        elif any(each.form in RANGES for each in space.axes[other]):
            message = "is drawn from a range; a condition needs an axis that lists values"
            yield Misplaced(path, message)
        elif _has_grid(space.axes[axis_name]) and not _is_grid(space.axes[other]):
            message = f"is drawn, and {axis_name} has a grid: only a grid can decide about a grid"
            yield Misplaced(path, message)


def _not_before(other: str, axis_name: str, names: list[str]) -> str:
    before = names[: names.index(axis_name)]
    if other in names:
        return f"must be written before {axis_name}, which depends on it"
    return not_known(other, before) if before else f"{axis_name} has no axis before it"


def _has_grid(alternatives: Sequence[Axis]) -> bool:
    return any(axis.form == "grid" for axis in alternatives)


def _is_grid(alternatives: Sequence[Axis]) -> bool:
    return all(axis.form == "grid" for axis in alternatives)
