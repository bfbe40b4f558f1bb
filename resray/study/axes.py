"""What an axis of a search space means, and a point for each of its values."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from resray.errors import not_known
from resray.study.entries import trial_names
from resray.study.layers import Layer, nested, normalise, recipe_layers
from resray.study.search_spec import TRIAL_AXIS, Axis, Space
from resray.study.yaml_file import Key

Point = dict[str, Any]


def applicable(alternatives: Sequence[Axis], values: Mapping[str, Any]) -> Axis | None:
    """Return the first alternative whose ``when`` holds, given the values of the axes before it.

    None: the axis is left out.
    """
    return next((axis for axis in alternatives if _holds(axis.when, values)), None)


def _holds(conditions: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    return all(
        name in values and any(is_same(values[name], wish) for wish in wished(wishes))
        for name, wishes in conditions.items()
    )


def wished(wishes: Any) -> list[Any]:
    """Return the values that a condition allows: one, or those of a list."""
    return wishes if isinstance(wishes, list) else [wishes]


def is_same(value: Any, other: Any) -> bool:
    """Whether two values of an axis are one; true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def point_layers(
    document: Any, name: str, space: Space, values: Mapping[str, Any], variant: str
) -> list[Layer]:
    """Return the layers of a point's recipe, base first, from a study file's content.

    The trial's or base layers under the variant, the space's recipe, then the axes in the file's
    order. Raises LookupError for an axis or a value that the space does not have.
    """
    trial, names = values.get(TRIAL_AXIS), trial_names(document, as_run=False)
    if trial is not None and trial not in names:
        raise LookupError(f"{TRIAL_AXIS} {not_known(trial, names)}")
    layers = recipe_layers(document, None if trial is None else names.index(trial), variant)
    layers.append(Layer(normalise(space.recipe), ("search", "spaces", name, "recipe")))
    for axis_name in values:
        if axis_name not in space.axes:
            raise LookupError(f"axis {not_known(axis_name, space.axes)}")
    before: Point = {}
    for axis_name in space.axes:
        if axis_name in values:
            layers.append(_axis_layer(name, space, axis_name, before, values[axis_name]))
            before[axis_name] = values[axis_name]
    return layers


def _axis_layer(
    name: str, space: Space, axis_name: str, before: Mapping[str, Any], value: Any
) -> Layer:
    axis = applicable(space.axes[axis_name], before)
    if axis is None:
        raise LookupError(f"{axis_name} does not apply there")
    if axis.named and value not in axis.named:
        raise LookupError(f"{axis_name} {not_known(value, axis.named)}")
    index, written = space.axes[axis_name].index(axis), values_of(axis)
    path: tuple[Key, ...] = ("search", "spaces", name, "axes", axis_name, index, axis.form)
    if value in written:
        path = (*path, value if axis.named else written.index(value))
    if axis.named:
        return Layer(normalise(axis.named[value]), path)
    changes = {} if axis_name == TRIAL_AXIS else nested(axis_name, value)
    return Layer(changes, path, is_value=True)


def alternatives_of(space: Space) -> Iterator[tuple[tuple[str, str, int], Axis]]:
    """Yield each alternative of each axis with its place in the space."""
    for name, alternatives in space.axes.items():
        for index, axis in enumerate(alternatives):
            yield ("axes", name, index), axis


def values_of(axis: Axis) -> list[Any]:
    """Return what an axis lists, or the two bounds of its range."""
    return axis.options or list(axis.bounds)


def sample_points(space: Space) -> Iterator[tuple[tuple[str, str, int], Any, Point | None]]:
    """Yield each alternative's place and each of its values (of a range, both bounds) with a point.

    The other axes have their first value, or the one that lets this axis apply; None where no point
    has it. Each point that is trained is checked when it is planned.
    """
    for place, axis in alternatives_of(space):
        for value in values_of(axis):
            yield place, value, _point_with(space, place[1], axis, value)


def _point_with(space: Space, name: str, axis: Axis, value: Any) -> Point | None:
    deciding = _deciding(space, axis)
    choices = [[v for each in space.axes[one] for v in values_of(each)] for one in deciding]
    for chosen in product(*choices):
        wanted = {**dict(zip(deciding, chosen, strict=True)), name: value}
        point: Point = {}
        for other, alternatives in space.axes.items():
            applies = applicable(alternatives, point)
            if other == name and applies is not axis:
                break
            if applies is not None:
                point[other] = wanted.get(other, values_of(applies)[0])
        else:
            return point
    return None


def _deciding(space: Space, axis: Axis) -> list[str]:
    """Return the axes on which, at any remove, it depends whether this one applies."""
    found: list[str] = []
    for other in axis.when:
        for alternative in space.axes[other]:
            found += _deciding(space, alternative)
        found.append(other)
    return list(dict.fromkeys(found))
