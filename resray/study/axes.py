"""What an axis of a search space means, and a few points that together hold a space's values."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from resray.errors import not_known
from resray.study.entries import stated_names
from resray.study.layers import Layer, nested, normalise, recipe_layers
from resray.study.search_spec import TRIAL_AXIS, Axis, Space
from resray.study.source import Key


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


def changes_of(name: str, axis: Axis, value: Any) -> dict[str, Any]:
    """Return what a value of the axis changes in a recipe; nothing for `TRIAL_AXIS`."""
    if axis.named:
        return normalise(axis.named[value])
    return {} if name == TRIAL_AXIS else nested(name, value)


def point_layers(
    document: Any, name: str, space: Space, values: Mapping[str, Any], variant: str
) -> list[Layer]:
    """Return the layers of a point's recipe, base first, from a study file's content.

    The trial's or base layers under the variant, the space's recipe, then the axes in the file's
    order. Raises LookupError for an axis or a value that the space does not have.
    """
    layers = _start(document, values.get(TRIAL_AXIS), variant)
    layers.append(Layer(normalise(space.recipe), ("search", "spaces", name, "recipe")))
    for axis_name in values:
        if axis_name not in space.axes:
            raise LookupError(f"axis {not_known(axis_name, space.axes)}")
    before: dict[str, Any] = {}
    for axis_name in space.axes:
        if axis_name in values:
            layers.append(_axis_layer(name, space, axis_name, before, values[axis_name]))
            before[axis_name] = values[axis_name]
    return layers


def _start(document: Any, trial: Any, variant: str) -> list[Layer]:
    if trial is None:
        return recipe_layers(document, None, variant)
    names = stated_names(document)
    if trial not in names:
        raise LookupError(f"{TRIAL_AXIS} {not_known(trial, names)}")
    return recipe_layers(document, names.index(trial), variant)


def _axis_layer(
    name: str, space: Space, axis_name: str, before: Mapping[str, Any], value: Any
) -> Layer:
    axis = applicable(space.axes[axis_name], before)
    if axis is None:
        raise LookupError(f"{axis_name} does not apply there")
    if axis.named and value not in axis.named:
        raise LookupError(f"{axis_name} {not_known(value, axis.named)}")
    path = (*alternative_path(name, space, axis_name, axis), axis.form)
    written = values_of(axis)
    if value in written:
        path = (*path, value if axis.named else written.index(value))
    return Layer(changes_of(axis_name, axis, value), path)


def alternative_path(name: str, space: Space, axis_name: str, axis: Axis) -> tuple[Key, ...]:
    """Return where one of an axis's alternatives stands; a single one needs no list around it."""
    path = ("search", "spaces", name, "axes", axis_name)
    alternatives = space.axes[axis_name]
    if len(alternatives) == 1:
        return path
    return (*path, next(index for index, each in enumerate(alternatives) if each is axis))


def values_of(axis: Axis) -> list[Any]:
    """Return what an axis lists, or the two bounds of its range."""
    return axis.options or list(axis.bounds)


def with_value(values: Mapping[str, Any], name: str, value: Any, space: Space) -> dict[str, Any]:
    """Return a point's values with one more, in the order of the space's axes."""
    more = {**values, name: value}
    return {axis: more[axis] for axis in space.axes if axis in more}


def in_range(axis: Axis, share: float) -> float:
    """Return the value of a range at a share from 0 to (not including) 1 of its likelihood."""
    low, high = axis.bounds
    if axis.form == "int":
        return int(low) + int(share * (high - low + 1))
    if axis.form == "loguniform":
        return rounded(axis, low * (high / low) ** share)
    return rounded(axis, low + share * (high - low))


def rounded(axis: Axis, value: float) -> float:
    """Return a drawn number with as few digits as tell a thousand of its range apart.

    So a point's name and a recipe say in full what is trained. loguniform: three digits.
    """
    low, high = axis.bounds
    if axis.form == "int":
        return int(value)
    if axis.form == "loguniform":
        short = float(f"{value:.3g}")
    else:
        short = round(value, 3 - math.ceil(math.log10(high - low)))
    return min(max(short, low), high)


class Pin(NamedTuple):
    """A value that an axis is to have, of one of its alternatives."""

    axis: Axis
    value: Any


Point = dict[str, Any]
Pins = Mapping[str, Pin]


def covering_points(space: Space) -> Iterator[Point]:
    """Yield points in which each value (of a range, both bounds) occurs beside the others' first
    ones, then points for the pairs of values that have not met in these."""
    pins = [
        (name, Pin(axis, value))
        for name, alternatives in space.axes.items()
        for axis in alternatives
        for value in values_of(axis)
    ]
    met: set[frozenset[str]] = set()
    yield from _noted((first_point(space, dict([pin])) for pin in pins), met)
    for turn, pair in enumerate(combinations(pins, 2)):
        wanted = dict(pair)
        if len(wanted) == 2 and not _meetings({name: pin.value for name, pin in pair}) <= met:
            # The others' values turn, so that a point holds many new pairs.
            yield from _noted([first_point(space, wanted, turn)], met)


def _noted(points: Iterable[Point | None], met: set[frozenset[str]]) -> Iterator[Point]:
    """Pass on the points that there are, and note which values meet in them."""
    for point in points:
        if point is not None:
            met |= _meetings(point)
            yield point


def _meetings(point: Point) -> set[frozenset[str]]:
    told = [f"{name}={value!r}" for name, value in point.items()]
    return {frozenset(pair) for pair in combinations(told, 2)}


def first_point(space: Space, pins: Pins, turn: int = 0) -> Point | None:
    """Return a point that has the pinned values; None where there is none.

    The other axes have their first value, or ``turn`` values further; those that decide whether a
    pinned one applies have one that lets it.
    """
    axes = list(space.axes.items())
    return next(_completed(axes, {}, pins, deciding(space, pins), turn), None)


def deciding(space: Space, names: Iterable[str]) -> set[str]:
    """Return the axes on which, at any remove, it depends whether these axes apply."""
    found: set[str] = set()
    left = list(names)
    while left:
        conditions = {other for axis in space.axes[left.pop()] for other in axis.when}
        left += conditions - found
        found |= conditions
    return found


def _completed(
    axes: Sequence[tuple[str, Sequence[Axis]]],
    values: Point,
    pins: Pins,
    tried: set[str],
    turn: int,
) -> Iterator[Point]:
    """Yield the points that begin with these values; of the axes ``tried``, with every value."""
    if not axes:
        yield values
        return
    (name, alternatives), *rest = axes
    axis = applicable(alternatives, values)
    for value in _candidates(axis, pins.get(name), turn)[: None if name in tried else 1]:
        more = values if axis is None else {**values, name: value}
        yield from _completed(rest, more, pins, tried, turn)


def _candidates(axis: Axis | None, pin: Pin | None, turn: int) -> list[Any]:
    """Return the values that an axis may take; of one that does not apply, a single None."""
    if pin is not None:
        return [pin.value] if axis is pin.axis else []
    if axis is None:
        return [None]
    values = values_of(axis)
    start = turn % len(values)
    return values[start:] + values[:start]
