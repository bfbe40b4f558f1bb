"""A few points of a space that together hold each value, and each pair of values that can meet."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from resray.study.axes import applicable, values_of
from resray.study.search_spec import Axis, Space

Setting = tuple[str, Axis, Any]
"""An axis's name, one of its alternatives, and a value of it."""
Pins = Mapping[str, tuple[Axis, Any]]
Alternatives = Sequence[Axis]


def covering_points(space: Space) -> Iterator[dict[str, Any]]:
    """Yield points in which each value (of a range, both bounds) occurs beside the others' first
    ones, then points for the pairs of values that have not met yet."""
    settings = list(_settings(space))
    met: set[frozenset[str]] = set()
    pairs = combinations(settings, 2)
    for turn, pinned in enumerate([*((each,) for each in settings), *pairs]):
        if len(pinned) == 1 or _pair(*((name, value) for name, _, value in pinned)) not in met:
            pins = {name: (axis, value) for name, axis, value in pinned}
            # Pairs turn through the other axes' values, so that a point holds many new pairs.
            values = first_point(space, pins, turn=0 if len(pinned) == 1 else turn)
            if values is not None and len(pins) == len(pinned):
                met |= {_pair(*two) for two in combinations(values.items(), 2)}
                yield values


def first_point(space: Space, pins: Pins, turn: int = 0) -> dict[str, Any] | None:
    """Return a point at which the pinned axes have these alternatives and values.

    The others have their first value, or ``turn`` values further; those that decide whether a
    pinned one applies have one that lets it. None: there is no such point.
    """
    deciding = _deciding(space, pins)
    return next(_completed(list(space.axes.items()), {}, pins, deciding, turn), None)


def _settings(space: Space) -> Iterator[Setting]:
    for name, alternatives in space.axes.items():
        for axis in alternatives:
            yield from ((name, axis, value) for value in values_of(axis))


def _pair(*settings: tuple[str, Any]) -> frozenset[str]:
    return frozenset(f"{name}={value!r}" for name, value in settings)


def _deciding(space: Space, names: Iterator[str] | Pins) -> set[str]:
    """Return the axes on which, at any remove, it depends whether these axes apply."""
    found: set[str] = set()
    open_names = list(names)
    while open_names:
        conditions = {other for axis in space.axes[open_names.pop()] for other in axis.when}
        open_names += conditions - found
        found |= conditions
    return found


def _completed(
    axes: Sequence[tuple[str, Alternatives]],
    values: dict[str, Any],
    pins: Pins,
    deciding: set[str],
    turn: int,
) -> Iterator[dict[str, Any]]:
    if not axes:
        yield values
        return
    (name, alternatives), *rest = axes
    axis = applicable(alternatives, values)
    for value in _candidates(name, axis, pins, turn)[: None if name in deciding else 1]:
        more = values if axis is None else {**values, name: value}
        yield from _completed(rest, more, pins, deciding, turn)


def _candidates(name: str, axis: Axis | None, pins: Pins, turn: int) -> list[Any]:
    """Return the values that an axis may take; of one that does not apply, a single None."""
    if name in pins:
        pinned, value = pins[name]
        return [value] if axis is pinned else []
    if axis is None:
        return [None]
    values = values_of(axis)
    start = turn % len(values)
    return values[start:] + values[:start]
