"""The points of a study's spaces: every combination of grids, and seeded draws of the rest."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Self

from resray.study.axes import applicable
from resray.study.entries import point_name
from resray.study.search_spec import Axis, Search, SearchSettings, Space

REPEATS = 200
"""So many draws in a row that were there before mean that there are no others."""


@dataclass(frozen=True)
class Point:
    """One value for each axis of a space that applies."""

    space: str
    values: Mapping[str, Any]
    """By axis, in the space's order; for values that have names, the name."""

    @property
    def name(self) -> str:
        """The values, joined as in the names of a grid's trials: ``resnet18-sgd-0.1``."""
        return point_name(self.values)

    @property
    def identity(self) -> tuple[str, str]:
        """What tells a point from the others of a search: the trials' columns space and point."""
        return self.space, self.to_json()

    def to_json(self) -> str:
        """Return the values as compact JSON, in the space's order."""
        return json.dumps(dict(self.values), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, space: str, text: str) -> Self:
        """Return the point that `to_json` wrote."""
        return cls(space, json.loads(text))


def points(search: Search, settings: SearchSettings, spaces: Sequence[str]) -> Iterator[Point]:
    """Yield the points of the named spaces, in the order in which they should be trained.

    Method grid: every combination of the grid axes, each with ``samples`` different draws of the
    others; random: ``samples`` different points over all the spaces, grid axes drawn too. There
    are fewer than `grid_size` where no more can be found. The same seed gives the same points; more
    samples, or more values of a grid, keep every one that was there.
    """
    chosen = {name: search.spaces[name] for name in spaces}
    if settings.method == "random":
        drawn = _different(_random(chosen, settings.seed))
        found: Iterator[Point] = islice(drawn, settings.samples)
    else:
        assert settings.method == "grid", f"{settings.method} proposes its points one by one"
        found = (each for name in chosen for each in _of_grid(name, chosen[name], settings))
    # By a hash, not by position: ASHA decides by order of arrival, so that a grid as it is written
    # (worst values first, say) would skew what is stopped; and whatever a search grows by falls
    # between the points that were there, whose order stays.
    yield from sorted(found, key=lambda point: _digest(settings.seed, point.space, point.values))


def grid_size(search: Search, settings: SearchSettings, spaces: Sequence[str]) -> int:
    """Return how many points the settings ask for; `points` may find fewer different ones."""
    if settings.method != "grid":
        return settings.samples
    return sum(
        settings.samples if _draws_something(search.spaces[name], combination) else 1
        for name in spaces
        for combination in combinations(search.spaces[name])
    )


def combinations(space: Space) -> Iterator[dict[str, Any]]:
    """Yield every combination of a space's grid axes; of none, the empty one."""
    return _combinations(list(space.axes.items()), {})


def _combinations(
    axes: Sequence[tuple[str, Sequence[Axis]]], values: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if not axes:
        yield values
        return
    name, alternatives = axes[0]
    axis = applicable(alternatives, values)
    if axis is None or axis.form != "grid":
        yield from _combinations(axes[1:], values)
        return
    for value in axis.options:
        yield from _combinations(axes[1:], {**values, name: value})


def _draws_something(space: Space, combination: Mapping[str, Any]) -> bool:
    found = (applicable(alternatives, combination) for alternatives in space.axes.values())
    return any(axis is not None and axis.form != "grid" for axis in found)


def _of_grid(name: str, space: Space, settings: SearchSettings) -> Iterator[Point]:
    for combination in combinations(space):
        if not _draws_something(space, combination):
            yield Point(name, combination)
            continue
        draws = (_draw(name, space, combination, settings.seed, index) for index in count())
        yield from islice(_different(draws), settings.samples)


def _random(spaces: Mapping[str, Space], seed: int) -> Iterator[Point]:
    for index in count():
        name = _chosen(list(spaces), seed, index)
        yield _draw(name, spaces[name], {}, seed, index)


def _draw(name: str, space: Space, combination: Mapping[str, Any], seed: int, index: int) -> Point:
    """Draw what a combination of grid axes leaves open.

    A draw depends on nothing but the seed, the space, the combination, its own number and its axis:
    each is a hash of these, so that others may come and go.
    """
    values = dict(combination)
    for axis_name, alternatives in space.axes.items():
        axis = applicable(alternatives, values)
        if axis is not None and axis_name not in values:
            identity = (seed, name, combination, index, axis_name)
            if axis.options:
                value = _chosen(axis.options, *identity)
            else:
                # A share from 0 to (not including) 1 of the range, each as likely.
                value = _in_range(axis, int(_digest(*identity)[:13], 16) / 16**13)
            values = _with_value(values, axis_name, value, space)
    return Point(name, values)


def _with_value(values: Mapping[str, Any], name: str, value: Any, space: Space) -> dict[str, Any]:
    """Return a point's values with one more, in the order of the space's axes."""
    more = {**values, name: value}
    return {axis: more[axis] for axis in space.axes if axis in more}


def _in_range(axis: Axis, share: float) -> float:
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


def _chosen(options: Sequence[Any], *identity: Any) -> Any:
    """Choose one, each as likely; a new option takes only its own share from the others.

    The option with the highest hash ("rendezvous hashing", Thaler & Ravishankar, 1998).
    """
    return max(options, key=lambda option: _digest(*identity, option))


def _digest(*identity: Any) -> str:
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _different(draws: Iterable[Point]) -> Iterator[Point]:
    """Yield each point once, until `REPEATS` draws bring no new one."""
    seen: set[str] = set()
    repeats = 0
    for point in draws:
        key = _digest(point.space, point.values)
        repeats = repeats + 1 if key in seen else 0
        if repeats == REPEATS:
            return
        if not repeats:
            seen.add(key)
            yield point
