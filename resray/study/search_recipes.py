"""What is wrong in the recipes of a search's points, led to the line that brings it in."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resray.study.axes import point_layers
from resray.study.covering import covering_points
from resray.study.entries import point_name
from resray.study.layers import Layer, flatten, layer_at_fault, merge, section
from resray.study.mistakes import Mistake, dotted, mistakes_in
from resray.study.recipe_spec import Recipe
from resray.study.search_conditions import mistakes_of_conditions
from resray.study.search_mistakes import mistakes_of_space, readable_spaces
from resray.study.search_spec import FORMS, Space
from resray.study.source import Key

NamedLayers = tuple[str, list[Layer]]
"""A point's name, and the layers of its recipe."""


def recipe_mistakes_of_search(document: dict[Any, Any]) -> list[Mistake]:
    """Check points of each space that together hold each value, and each pair that can meet."""
    if not isinstance(document.get("recipe"), dict):
        return []
    found: list[Mistake] = []
    lengths: dict[int, str] = {}
    for name, space in _sound_spaces(document):
        points = [
            (point_name(values), point_layers(document, name, space, values, ""))
            for values in covering_points(space)
        ]
        of_points = _of_points(points, name)
        found += [*of_points, *mistakes_of_conditions(name, space, _axes_of(of_points))]
        lengths = _lengths(points) | lengths
    return found or _late_grace(document, lengths)


def _sound_spaces(document: dict[Any, Any]) -> Iterator[tuple[str, Space]]:
    for name, space in readable_spaces(document).items():
        if not any(mistakes_of_space(document, name, space)):
            yield name, space


def _of_points(points: Sequence[NamedLayers], name: str) -> list[Mistake]:
    """Return the mistakes in the recipes of points, each at the first one that has it."""
    found: dict[tuple[Key, ...], Mistake] = {}
    for point, layers in points:
        for mistake in _of_point(layers, name, point):
            found.setdefault(mistake.path, mistake)
    return list(found.values())


def _lengths(points: Sequence[NamedLayers]) -> dict[int, str]:
    """Return how many epochs points train for, each with the first one that does."""
    epochs = [(merge(layers).get("epochs"), point) for point, layers in points]
    return {each: point for each, point in reversed(epochs) if isinstance(each, int)}


def _axes_of(mistakes: Sequence[Mistake]) -> set[str]:
    """Return the axes in which mistakes are: ``search.spaces.NAME.axes.AXIS``."""
    return {str(each.path[4]) for each in mistakes if each.path[3:4] == ("axes",)}


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


def _holds_changes(path: tuple[Key, ...]) -> bool:
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


def _unless_below(place: tuple[Key, ...], grace: Any, epochs: Any, whose: str) -> list[Mistake]:
    if not isinstance(grace, int) or not isinstance(epochs, int) or grace < epochs:
        return []
    return [Mistake(place, place, f"{grace} must be below the {epochs} epochs of {whose}")]
