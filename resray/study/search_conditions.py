"""Conditions of a search's axes that never hold."""

from collections.abc import Iterator, Set

from resray.errors import not_known
from resray.study.axes import alternative_path, is_same, values_of, wished
from resray.study.covering import Pin, deciding, first_point
from resray.study.mistakes import Mistake
from resray.study.search_spec import Axis, Space
from resray.study.source import Key


def mistakes_of_conditions(name: str, space: Space, faulty: Set[str]) -> Iterator[Mistake]:
    """Yield each value that a condition waits for in vain, and each alternative that never applies.

    Axes that depend on a faulty one, at any remove, are passed over: not the condition may be what
    is misspelt, but the value that it waits for.
    """
    faulty = set(faulty)
    for axis_name in space.axes:
        if faulty & deciding(space, [axis_name]):
            continue
        for axis in space.axes[axis_name]:
            for mistake in _mistakes_of(name, space, axis_name, axis):
                faulty.add(axis_name)
                yield mistake


def _mistakes_of(name: str, space: Space, axis_name: str, axis: Axis) -> list[Mistake]:
    place = alternative_path(name, space, axis_name, axis)
    never_taken = list(_never_taken(axis, space, place))
    if never_taken or first_point(space, {axis_name: Pin(axis, values_of(axis)[0])}) is not None:
        return never_taken
    message = "never applies: `when` cannot hold, or one before it always does"
    return [Mistake(place, place, message)]


def _never_taken(axis: Axis, space: Space, place: tuple[Key, ...]) -> Iterator[Mistake]:
    for other, wishes in axis.when.items():
        values = [value for alternative in space.axes[other] for value in alternative.options]
        path = (*place, "when", other)
        for wish in wished(wishes):
            if not any(is_same(wish, value) for value in values):
                yield Mistake(path, path, not_known(wish, map(str, values)))
