"""What a claim's comparison was by its author's own figures."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from resray.report.margins import sides
from resray.study.claims import Statement, Value
from resray.study.spec import Published


@dataclass(frozen=True)
class PublishedSides:
    """Both sides of a comparison, worked out from figures of one source."""

    left: float
    right: float
    source: str


def published_sides(figures: Sequence[Published], statement: Statement) -> PublishedSides | None:
    """Return a comparison's sides by the figures that somebody published, None if any is missing.

    Figures of one source only are put together, and of one protocol where that has all of them.
    """
    for alike in (lambda figure: (figure.source, figure.protocol), lambda figure: figure.source):
        for own in gathered(figures, alike):
            chosen = {value: figure_of(own, value) for value in statement.values}
            known = {value: figure for value, figure in chosen.items() if figure is not None}
            # One figure for two values would be held against itself.
            if len({id(figure) for figure in known.values()}) == len(chosen):
                return worked_out(statement, known)
    return None


def gathered(
    figures: Sequence[Published], alike: Callable[[Published], Hashable]
) -> Iterator[list[Published]]:
    """Yield the figures in groups of those that are alike, in order."""
    groups: dict[Hashable, list[Published]] = {}
    for figure in figures:
        groups.setdefault(alike(figure), []).append(figure)
    yield from groups.values()


def figure_of(figures: Sequence[Published], value: Value) -> Published | None:
    """Return the first figure of a value; one of a training's end is not that of an epoch."""
    wanted = (value.metric, value.trial, value.epoch)
    for figure in figures:
        of_variant = value.variant is None or figure.variant in (None, value.variant)
        if of_variant and (figure.metric, figure.trial, figure.epoch) == wanted:
            return figure
    return None


def worked_out(statement: Statement, known: dict[Value, Published]) -> PublishedSides | None:
    draws = {value: np.array([figure.value]) for value, figure in known.items()}
    left, right = (float(side[0]) for side in sides(statement, draws))
    source = next(iter(known.values())).source
    return PublishedSides(left, right, source) if np.isfinite([left, right]).all() else None
