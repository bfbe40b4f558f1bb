"""What only a whole search shows: axes that are none, conditions in vain, recipes that are wrong.

Works on a study file's raw content. Spaces that are not what they should be are passed over:
validation reports them.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

from pydantic import ValidationError

from resray.errors import not_known
from resray.study.axes import alternative_path, is_same, point_layers, sample_points, wished
from resray.study.entries import point_name, trial_names
from resray.study.layers import Layer, layer_at_fault, leaves, merge, section
from resray.study.mistakes import dotted, mistakes_in
from resray.study.recipe_spec import Recipe
from resray.study.search_spec import FORMS, MOST_POINTS, RANGES, TRIAL_AXIS, Axis, Space
from resray.study.source import Key
from resray.study.strict import Mistake
from resray.study.unions import unknown_key

Place = tuple[Key, ...]


def mistakes_of_search(document: Mapping[Any, Any]) -> list[Mistake]:
    """Return each mistake in the axes of each space, else in the recipes that these make."""
    found: list[Mistake] = []
    is_whole = isinstance(document.get("recipe"), dict)
    for name, content in section(document, "search", "spaces").items():
        try:
            space = Space.model_validate(content)
        except ValidationError:
            continue
        # A value that is misspelt is blamed, and not the condition that waits for it.
        of_axes = list(_of_axes(document, str(name), space))
        of_points = _of_points(document, str(name), space) if is_whole and not of_axes else []
        found += of_axes or of_points or _in_vain(str(name), space)
    return found


def _of_axes(document: Any, name: str, space: Space) -> Iterator[Mistake]:
    """Yield axes that are none, else conditions that cannot be."""
    grids = [
        [len(one.options) for one in axis if one.form == "grid"] for axis in space.axes.values()
    ]
    if prod(max(sizes, default=1) for sizes in grids) > MOST_POINTS:
        yield Mistake(("search", "spaces", name), f"more than {MOST_POINTS:,} points")
    trials = trial_names(document, as_run=False)
    every = [(key, axis) for key, alternatives in space.axes.items() for axis in alternatives]
    unknown = [
        mistake for key, axis in every for mistake in _unknown(name, space, key, axis, trials)
    ]
    yield from unknown or (
        Mistake((*alternative_path(name, space, key, axis), "when", other), message)
        for key, axis in every
        for other in axis.when
        if (message := _wrong_condition(space, key, other))
    )


def _unknown(
    name: str, space: Space, key: str, axis: Axis, trials: Sequence[str]
) -> Iterator[Mistake]:
    place = alternative_path(name, space, key, axis)
    if key == TRIAL_AXIS and (axis.named or not axis.options):
        message = "must be a list of the study's trials, as grid or choice"
        yield Mistake((*place, axis.form), message)
    elif key == TRIAL_AXIS:
        for index, value in enumerate(axis.options):
            if value not in trials:
                yield Mistake((*place, axis.form, index), not_known(value, trials))
    elif not axis.named and (wrong := unknown_key(Recipe, key.split("."), [TRIAL_AXIS])):
        hint = "; an axis of another name needs named changes of the recipe as values"
        yield Mistake(place, wrong[1] + ("" if wrong[0] else hint))


def _wrong_condition(space: Space, key: str, other: str) -> str | None:
    """Return why an axis cannot depend on another one, None if it can."""
    names = list(space.axes)
    before = names[: names.index(key)]
    if other in names and other not in before:
        return f"must be written before {key}, which depends on it"
    if other not in before:
        return not_known(other, before) if before else f"{key} has no axis before it"
    forms = {each.form for each in space.axes[other]}
    if forms.intersection(RANGES):
        return "is drawn from a range; a condition needs an axis that lists values"
    if forms != {"grid"} and any(each.form == "grid" for each in space.axes[key]):
        return f"is drawn, and {key} has a grid: only a grid can decide about a grid"
    return None


def _in_vain(name: str, space: Space) -> Iterator[Mistake]:
    """Yield each value that a condition waits for in vain, else alternatives that never apply."""
    never = {}
    for axis, value, point in sample_points(space):
        key = next(key for key, each in space.axes.items() if any(one is axis for one in each))
        place = alternative_path(name, space, key, axis)
        for other, wishes in axis.when.items():
            values = [value for each in space.axes[other] for value in each.options]
            for wish in wished(wishes):
                if not any(is_same(wish, value) for value in values):
                    path = (*place, "when", other)
                    never[path] = Mistake(path, not_known(wish, map(str, values)))
        if point is None and not any(path[: len(place)] == place for path in never):
            message = "never applies: `when` cannot hold, or one before it always does"
            never[place] = Mistake(place, message)
    yield from never.values()


def _of_points(document: Mapping[Any, Any], name: str, space: Space) -> list[Mistake]:
    """Return the mistakes in the recipes of some points, each once."""
    found: dict[Place, Mistake] = {}
    lengths: dict[Any, str] = {}
    for _, _, values in sample_points(space):
        if values is not None:
            layers, point = point_layers(document, name, space, values, ""), point_name(values)
            lengths.setdefault(merge(layers).get("epochs"), point)
            for mistake in _of_point(layers, name, point):
                found.setdefault(mistake.path, mistake)
    return list(found.values()) or _late_grace(document, lengths)


def _of_point(layers: list[Layer], name: str, point: str) -> Iterator[Mistake]:
    start = [layer for layer in layers if layer.path[0] != "search"]
    # The trial's recipe, or the base's, is reported as such.
    known = [mistake for mistake in mistakes_in(Recipe, merge(start)) if not mistake.missing]
    recipe = merge(layers)
    mistakes = mistakes_in(Recipe, recipe)
    if not mistakes and section(recipe, "data").get("validation_images") == 0:
        place = ("data", "validation_images")
        mistakes = [Mistake(place, "0 leaves a search nothing to select by")]
    for mistake in mistakes:
        if mistake not in known:
            layer = layer_at_fault(layers, mistake.path)
            alone = mistake in mistakes_in(Recipe, merge([*start, layer]))
            yield _in_document(layer, name, mistake, "" if alone else f" (at the point {point})")


def _in_document(layer: Layer, name: str, mistake: Mistake, where: str) -> Mistake:
    """Lead to the axis's value, or to the space where none of its layers has what is wrong."""
    path, message = layer.path, mistake.message
    if path[0] != "search" or mistake.path[0] not in layer.changes:
        path, message = ("search", "spaces", name), f"{dotted(mistake.prefix)}: {message}"
    elif path[-1] == "recipe" or (path[-2] in FORMS and isinstance(path[-1], str)):
        # A mapping of the recipe's own keys stands there, not a single key's value.
        path += mistake.path
    elif mistake.path not in dict(leaves(layer.changes)):
        message = f"{dotted(mistake.prefix)}: {message}"
    return Mistake(path, message + where)


def _late_grace(document: Mapping[Any, Any], lengths: Mapping[Any, str]) -> list[Mistake]:
    """Find a first rung that is at or beyond the end of a training."""
    search, quick = section(document, "search"), section(document, "search", "quick")
    known = [epochs for epochs in lengths if isinstance(epochs, int)]
    if search.get("scheduler") == "none" or not known:
        return []
    grace, shortest = search.get("grace", 1), min(known)
    short = section(document, "quick", "recipe").get("epochs", shortest)
    key = ("quick", "grace") if "grace" in quick else ("grace",)
    limits = [
        (("search", "grace"), grace, shortest, f"point {lengths[shortest]}"),
        (("search", *key), quick.get("grace", grace), short, "`--quick`"),
    ]
    return [
        Mistake(place, f"{value} must be below the {epochs} epochs of {whose}")
        for place, value, epochs, whose in limits
        if isinstance(value, int) and isinstance(epochs, int) and value >= epochs
    ]
