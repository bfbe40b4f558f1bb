"""The axes of a searched space, and where a value lies on each."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from resray.analysis.search import Search, is_number, short_names, value_text
from resray.analysis.words import MISSING, shortened
from resray.study.search_spec import Axis
from resray.study.search_spec import Search as StudySearch

DECADE = 10
"""Numbers that differ by this factor or more, and are above 0, are shown on a logarithmic axis."""
MANY = 8
"""More different numbers than these were drawn from a range, if no study says how."""
LETTERS = 48
"""Of all texts beside one axis, so that they fit on a phone; hovering shows them whole."""
ABSENT = -0.14
"""Where points lie to which an axis does not apply; values lie from 0 to 1."""


@dataclass(frozen=True)
class SpaceAxis:
    """One axis with its values over all points."""

    key: str
    label: str
    """The key's last part, or all of it where another axis ends in the same."""
    values: tuple[Any, ...]
    """The different values: numbers by size, others as the study has them; without it, by name."""
    continuous: bool
    """Whether the values were drawn from a range; else each has its own place."""
    logarithmic: bool
    everywhere: bool
    """Whether it applies to all points."""

    @cached_property
    def places(self) -> dict[str, float]:
        """The place of each value's text, from 0 to 1."""
        if not self.continuous:
            return {repr(value): (place + 0.5) / len(self.values)
                    for place, value in enumerate(self.values)}  # fmt: skip
        low, high = self.scaled(self.values[0]), self.scaled(self.values[-1])
        return {repr(value): (self.scaled(value) - low) / ((high - low) or 1.0)
                for value in self.values}  # fmt: skip

    @property
    def room(self) -> float:
        """The width of the band in which points of one listed value lie side by side."""
        return 0.0 if self.continuous else 0.7 / len(self.values)

    def scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else float(value)

    def place(self, values: dict[str, Any]) -> float:
        """Return where a point lies, `ABSENT` if the axis does not apply to it."""
        return self.places[repr(values[self.key])] if self.key in values else ABSENT

    @cached_property
    def ticks(self) -> list[tuple[float, str]]:
        """Places and their texts: every value, of a range its ends and middle."""
        if not self.continuous or len(self.values) < 4:
            most = max(LETTERS // len(self.values), 5)
            shown = [
                (self.places[repr(one)], shortened(value_text(one), most)) for one in self.values
            ]
        else:
            low, high = self.scaled(self.values[0]), self.scaled(self.values[-1])
            middle = (low + high) / 2
            between = 10**middle if self.logarithmic else middle
            numbers = {0.0: self.values[0], 0.5: between, 1.0: self.values[-1]}
            shown = [(place, f"{value:.3g}") for place, value in numbers.items()]
        return shown if self.everywhere else [(ABSENT, MISSING), *shown]


def axes_of(search: Search) -> list[SpaceAxis]:
    """Return the axes in which a search's points differ."""
    return differing_axes([point.values for point in search.points], search.study)


def differing_axes(points: Sequence[dict[str, Any]], search: StudySearch | None) -> list[SpaceAxis]:
    """Return the axes in which points differ, in the study's order or, without it, the points'."""
    written = dict(written_axes(search))
    used = dict.fromkeys(key for point in points for key in point)
    keys = [*(key for key in written if key in used), *(key for key in used if key not in written)]
    labels = short_names(keys)
    made = (axis_of(key, labels[key], points, written.get(key, ())) for key in keys)
    return [axis for axis in made if len(axis.values) > 1 or not axis.everywhere]


def axis_of(
    key: str, label: str, points: Sequence[dict[str, Any]], forms: Sequence[Axis]
) -> SpaceAxis:
    own = [point[key] for point in points if key in point]
    known = [option for form in forms for option in form.options]
    used = {repr(value) for value in own}
    values = [value for text, value in {repr(one): one for one in [*known, *own]}.items()
              if text in used]  # fmt: skip
    if numeric := all(map(is_number, values)):
        values.sort()
    elif not known:
        values.sort(key=natural_order)
    drawn = any(not form.options for form in forms) if forms else len(values) > MANY
    return SpaceAxis(
        key,
        label,
        tuple(values),
        continuous=numeric and drawn,
        logarithmic=numeric and is_logarithmic(values, forms),
        everywhere=len(own) == len(points),
    )


def natural_order(value: Any) -> list[tuple[bool, int, str]]:
    """Return a key by which ``resnet18`` comes before ``resnet101``."""
    parts = re.findall(r"[0-9]+|[^0-9]+", value_text(value))
    return [(part[0] in "0123456789", int(part) if part[0] in "0123456789" else 0, part)
            for part in parts]  # fmt: skip


def is_logarithmic(values: Sequence[float], forms: Iterable[Axis]) -> bool:
    linear = any(form.form in ("uniform", "int") for form in forms)
    return not linear and values[0] > 0 and values[-1] >= DECADE * values[0]


def written_axes(search: StudySearch | None) -> Iterator[tuple[str, list[Axis]]]:
    """Yield each axis of a study's spaces with all the ways in which it takes values."""
    spaces = search.spaces.values() if search else ()
    for key in dict.fromkeys(key for space in spaces for key in space.axes):
        yield key, [form for space in spaces for form in space.axes.get(key, [])]
