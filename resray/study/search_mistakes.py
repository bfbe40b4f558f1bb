"""What only a whole search shows: axes that are none, conditions in vain, recipes that are wrong.

Works on a study file's raw content. Spaces that are not what they should be are passed over:
validation reports them.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from math import prod
from typing import Any

from pydantic import ValidationError

from resray.errors import not_known
from resray.study.axes import (
    Pin,
    alternative_path,
    covering_points,
    deciding,
    first_point,
    is_same,
    point_layers,
    values_of,
    wished,
)
from resray.study.entries import point_name, stated_names
from resray.study.layers import Layer, flatten, layer_at_fault, merge, section
from resray.study.mistakes import Mistake, dotted, mistakes_in, unknown_key
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import FORMS, MOST_POINTS, RANGES, TRIAL_AXIS, Axis, Space
from resray.study.source import Key
from resray.study.strict import Misplaced

Place = tuple[Key, ...]
NamedLayers = tuple[str, list[Layer]]
"""A point's name, and the layers of its recipe."""


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
            if axis_name == TRIAL_AXIS:
                found += _unknown_trials(axis, place, stated_names(document))
            elif not axis.named:
                found += _unknown_key(axis_name, place)
            yield from _mistakes_of_conditions(axis_name, axis, place, space, faulty)
        if found:
            faulty.add(axis_name)
        yield from found


def _unknown_trials(axis: Axis, place: Place, trials: Sequence[str]) -> Iterator[Misplaced]:
    if axis.named or not axis.options:
        message = "must be a list of the study's trials, as grid or choice"
        yield Misplaced((*place, axis.form), message)
        return
    for index, value in enumerate(axis.options):
        if value not in trials:
            yield Misplaced((*place, axis.form, index), not_known(value, trials))


def _unknown_key(axis_name: str, place: Place) -> Iterator[Misplaced]:
    if found := unknown_key(Recipe, axis_name.split("."), [TRIAL_AXIS]):
        hint = "; an axis of another name needs named changes of the recipe as values"
        yield Misplaced(place, found[1] + ("" if found[0] else hint))


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
        elif _forms(space, other).intersection(RANGES):
            message = "is drawn from a range; a condition needs an axis that lists values"
            yield Misplaced(path, message)
        elif "grid" in _forms(space, axis_name) and _forms(space, other) != {"grid"}:
            message = f"is drawn, and {axis_name} has a grid: only a grid can decide about a grid"
            yield Misplaced(path, message)


def _not_before(other: str, axis_name: str, names: list[str]) -> str:
    before = names[: names.index(axis_name)]
    if other in names:
        return f"must be written before {axis_name}, which depends on it"
    return not_known(other, before) if before else f"{axis_name} has no axis before it"


def _forms(space: Space, axis_name: str) -> set[str]:
    return {axis.form for axis in space.axes[axis_name]}


# --- the recipes of points, and conditions that never hold --------------------------------------


def recipe_mistakes_of_search(document: dict[Any, Any]) -> list[Mistake]:
    """Check points of each space that together hold each value, and each pair that can meet."""
    if not isinstance(document.get("recipe"), dict):
        return []
    found: list[Mistake] = []
    lengths: dict[int, str] = {}
    for name, space in readable_spaces(document).items():
        if any(mistakes_of_space(document, name, space)):
            continue
        points = [
            (point_name(values), point_layers(document, name, space, values, ""))
            for values in covering_points(space)
        ]
        of_points = _of_points(points, name)
        # The axes in which these are: search.spaces.NAME.axes.AXIS.
        faulty = {str(each.path[4]) for each in of_points if each.path[3:4] == ("axes",)}
        found += [*of_points, *_in_vain(name, space, faulty)]
        lengths = _lengths(points) | lengths
    return found or _late_grace(document, lengths)


def _of_points(points: Sequence[NamedLayers], name: str) -> list[Mistake]:
    """Return the mistakes in the recipes of points, each at the first one that has it."""
    found: dict[Place, Mistake] = {}
    for point, layers in points:
        for mistake in _of_point(layers, name, point):
            found.setdefault(mistake.path, mistake)
    return list(found.values())


def _lengths(points: Sequence[NamedLayers]) -> dict[int, str]:
    """Return how many epochs points train for, each with the first one that does."""
    epochs = [(merge(layers).get("epochs"), point) for point, layers in points]
    return {each: point for each, point in reversed(epochs) if isinstance(each, int)}


def _of_point(layers: list[Layer], name: str, point: str) -> Iterator[Mistake]:
    start = [layer for layer in layers if layer.path[0] != "search"]
    # The trial's recipe, or the base's, is reported as such.
    known = [mistake for mistake in mistakes_in(Recipe, merge(start)) if not mistake.missing]
    for mistake in _mistakes_of(merge(layers)):
        if mistake in known:
            continue
        layer = layer_at_fault(layers, mistake.path)
        alone = layer not in start and mistake in _mistakes_of(merge([*start, layer]))
        yield _in_document(layer, name, mistake, "" if alone else point)


def _mistakes_of(recipe: dict[str, Any]) -> list[Mistake]:
    found = mistakes_in(Recipe, recipe)
    place = ("data", "validation_images")
    if not found and Recipe.model_validate(recipe).data.validation_images == 0:
        return [Mistake(place, place, "0 leaves a search nothing to select by")]
    return found


def _in_document(layer: Layer, name: str, mistake: Mistake, point: str) -> Mistake:
    """Lead to the axis's value, or to the space where none of its layers has what is wrong."""
    path, message = layer.path, mistake.message
    if path[0] != "search" or mistake.path[0] not in layer.changes:
        path, message = ("search", "spaces", name), f"{dotted(mistake.shown)}: {message}"
    elif _holds_changes(path):
        path += mistake.path
    elif dotted(mistake.path) not in flatten(layer.changes):
        message = f"{dotted(mistake.shown)}: {message}"
    return Mistake(path, path, f"{message} (at the point {point})" if point else message)


def _holds_changes(path: Place) -> bool:
    """Whether a mapping of the recipe's own keys stands there, not a single key's value."""
    return path[-1] == "recipe" or (path[-2] in FORMS and isinstance(path[-1], str))


def _late_grace(document: Mapping[Any, Any], lengths: Mapping[int, str]) -> list[Mistake]:
    """Find a first rung that is at or beyond the end of a training."""
    search, quick = section(document, "search"), section(document, "search", "quick")
    grace = search.get("grace", 1)
    if search.get("scheduler") == "none" or not lengths:
        return []
    shortest = min(lengths)
    found = _unless_below(("search", "grace"), grace, shortest, f"point {lengths[shortest]}")
    quick_epochs = section(document, "quick", "recipe").get("epochs", shortest)
    place = ("search", "quick", "grace") if "grace" in quick else ("search", "grace")
    return found + _unless_below(place, quick.get("grace", grace), quick_epochs, "`--quick`")


def _unless_below(place: Place, grace: Any, epochs: Any, whose: str) -> list[Mistake]:
    if not isinstance(grace, int) or not isinstance(epochs, int) or grace < epochs:
        return []
    return [Mistake(place, place, f"{grace} must be below the {epochs} epochs of {whose}")]


def _in_vain(name: str, space: Space, faulty: Set[str]) -> Iterator[Mistake]:
    """Yield each value that a condition waits for in vain, and each alternative that never applies.

    Axes that depend on a faulty one, at any remove, are passed over: not the condition may be what
    is misspelt, but the value that it waits for.
    """
    faulty = set(faulty)
    for axis_name in space.axes:
        if faulty & deciding(space, [axis_name]):
            continue
        for axis in space.axes[axis_name]:
            for mistake in _in_vain_of(name, space, axis_name, axis):
                faulty.add(axis_name)
                yield mistake


def _in_vain_of(name: str, space: Space, axis_name: str, axis: Axis) -> list[Mistake]:
    place = alternative_path(name, space, axis_name, axis)
    never_taken = list(_never_taken(axis, space, place))
    if never_taken or first_point(space, {axis_name: Pin(axis, values_of(axis)[0])}) is not None:
        return never_taken
    message = "never applies: `when` cannot hold, or one before it always does"
    return [Mistake(place, place, message)]


def _never_taken(axis: Axis, space: Space, place: Place) -> Iterator[Mistake]:
    for other, wishes in axis.when.items():
        values = [value for alternative in space.axes[other] for value in alternative.options]
        path = (*place, "when", other)
        for wish in wished(wishes):
            if not any(is_same(wish, value) for value in values):
                yield Mistake(path, path, not_known(wish, map(str, values)))
