"""A few points of a space that together hold each value, and each pair of values that can meet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from resray.study.axes import applicable, values_of
from resray.study.search_spec import Axis, Space


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
