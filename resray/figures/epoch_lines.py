"""Lines over the epochs: what each is the mean of, and its values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from resray.analysis.groups import Group, Row
from resray.analysis.results import Analysis


@dataclass(frozen=True)
class Line:
    """One line: the mean over a group's finished trials, or a single trial."""

    group: Group
    rows: tuple[Row, ...]
    finished: bool

    @property
    def exclusive(self) -> bool:
        """Whether its times may be compared with others'."""
        if len(self.rows) == 1 and not self.finished:
            return self.rows[0]["exclusive"] is True
        return self.group.exclusive

    @property
    def sparse(self) -> bool:
        """Whether only some epochs were evaluated, so that accuracies are joined across others."""
        return self.group.settings.get("evaluate_every", 1) != 1


def mean_lines(results: Analysis) -> Iterator[Line]:
    """Yield a line for each group's finished trials; where none has finished, one for each trial.

    Trials without a recorded epoch are left out.
    """
    for group in results.groups:
        finished = recorded(results, group.finished)
        if finished:
            yield Line(group, finished, finished=True)
        else:
            yield from (Line(group, (row,), False) for row in recorded(results, group.trials))


def trial_lines(results: Analysis) -> Iterator[Line]:
    """Yield a line for each trial with a recorded epoch."""
    for group in results.groups:
        finished = {row["trial_id"] for row in group.finished}
        for row in recorded(results, group.trials):
            yield Line(group, (row,), row["trial_id"] in finished)


def recorded(results: Analysis, rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row["trial_id"] in results.epoch_table)


@dataclass(frozen=True)
class Spread:
    """One quantity of several lines, NaN where one of a line's trials has no value."""

    mean: np.ndarray
    """(lines, epochs)."""
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    """How many trials each line is the mean of: those that have a value at all."""
    selected: np.ndarray
    """Each trial's own value at the epoch that validation selected."""

    @property
    def mirrored(self) -> "Spread":
        """100 less the quantity: the error of an accuracy."""
        return Spread(100 - self.mean, 100 - self.high, 100 - self.low, self.count,
                      100 - self.selected)  # fmt: skip


class LineSet:
    """Lines that are drawn together, and any recorded quantity of all of them at once."""

    def __init__(self, results: Analysis, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.epochs = results.epoch_table
        self.rows = [row for line in lines for row in line.rows]
        counts = [len(line.rows) for line in lines]
        self._owners = np.repeat(np.arange(len(lines)), counts)
        self._starts = np.cumsum([0, *counts]).tolist()
        self._spreads: dict[str, Spread] = {}

    def trials_of(self, place: int) -> slice:
        """Return where a line's trials stand among all."""
        return slice(self._starts[place], self._starts[place + 1])

    @cached_property
    def selected(self) -> np.ndarray:
        """For each trial, the place of the epoch that validation selected; -1: none, unfinished."""
        wanted = np.array([
            row["best_epoch"] if line.finished and row["best_epoch"] else -1
            for line in self.lines for row in line.rows
        ], dtype=float)  # fmt: skip
        numbers = self.epochs.numbers
        places = np.searchsorted(numbers, wanted).clip(max=len(numbers) - 1)
        return np.where(numbers[places] == wanted, places, -1)

    def column(self, name: str) -> np.ndarray:
        """Return an epoch column of all trials, (trials, epochs); NaN: no finite value."""
        values = self.epochs.arrays(name, [row["trial_id"] for row in self.rows])
        return np.where(np.isfinite(values), values, np.nan)

    def spread(self, name: str) -> Spread:
        """Return an epoch column of all lines."""
        if name not in self._spreads:
            self._spreads[name] = self.over_trials(self.column(name))
        return self._spreads[name]

    def over_trials(self, values: np.ndarray) -> Spread:
        """Return what values (trials, epochs) give for the lines."""
        having = np.isfinite(values).any(axis=1)
        own, owners = values[having], self._owners[having]
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        shape = (len(self.lines), values.shape[1])
        mean, low, high = (np.full(shape, np.nan) for _ in range(3))
        count = np.bincount(owners, minlength=len(self.lines))
        if len(starts):
            there = owners[starts]
            mean[there] = np.add.reduceat(own, starts, axis=0) / count[there, None]
            low[there] = np.minimum.reduceat(own, starts, axis=0)
            high[there] = np.maximum.reduceat(own, starts, axis=0)
        chosen = values[np.arange(len(values)), self.selected]
        return Spread(mean, low, high, count, np.where(self.selected < 0, np.nan, chosen))

    def kept(self, means: Sequence[np.ndarray], most: int) -> list[np.ndarray]:
        """Return the places of the epochs to draw of each line, at most so many of each.

        ``means`` are what is drawn of the lines, each (lines, epochs).
        """
        known = np.any([np.isfinite(mean) for mean in means], axis=0)
        shapes = np.nan_to_num(np.stack([scaled(mean) for mean in means], axis=2))
        lengths = known.sum(axis=1)
        kept = [np.flatnonzero(row) for row in known]
        for length in np.unique(lengths[lengths > most]):
            lines = np.flatnonzero(lengths == length)
            places = np.stack([kept[line] for line in lines])
            chosen = kept_points(shapes[lines[:, None], places], most)
            for line, own in zip(lines, np.take_along_axis(places, chosen, axis=1), strict=True):
                kept[line] = own
        return kept


def scaled(values: np.ndarray) -> np.ndarray:
    """Return values in units of their range."""
    finite = values[np.isfinite(values)]
    span = float(np.ptp(finite)) if len(finite) else 0.0
    return (values / (span or 1.0)).astype(np.float32)


def outline(
    there: np.ndarray, upper: np.ndarray, lower: np.ndarray, joined: bool = False
) -> np.ndarray:
    """Return the way around a band: its upper edge forwards, its lower one backwards.

    Of a band with gaps, where it is not ``there``, each stretch in turn, NaN between them; if
    ``joined``, straight across.
    """
    if joined or there.all():
        return np.concatenate([upper[there], lower[there][::-1]])
    known = np.flatnonzero(there)
    stretches = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    ways = [np.concatenate([[np.nan], upper[own], lower[own[::-1]]]) for own in stretches]
    return np.concatenate(ways)[1:]


# --- which points of a long curve are drawn -------------------------------------------------------

WIDTH = 560
"""Pixels across a panel: more points than these cannot be told apart."""
FEWEST = 20
"""Points that every curve may have, however many curves there are."""


def most_points(numbers: int, budget: int) -> int:
    """Return how many points a curve may have, in a figure that is to hold ``budget`` numbers.

    ``numbers`` is how many it holds for each point that all its curves have.
    """
    return max(FEWEST, min(WIDTH, budget // max(numbers, 1)))


def kept_points(shapes: np.ndarray, most: int) -> np.ndarray:
    """Return which points of each line to draw: ascending places, (lines, at most ``most``).

    ``shapes`` is (lines, points, columns): what is drawn over the same places of a line, in units
    of the plot's height. The first and the last point stay. The others are divided into ``most``
    less two stretches, of each of which the point stays that spans the largest triangles with the
    one kept before and the mean of the next stretch: "largest triangle three buckets" of
    Steinarsson, "Downsampling Time Series for Visual Representation" (2013), here with the areas of
    all columns added, so that they share their places.
    """
    lines, points, _ = shapes.shape
    if points <= most:
        return np.tile(np.arange(points), (lines, 1))
    every = np.arange(lines)
    kept = [np.zeros(lines, int)]
    edges = np.linspace(1, points - 1, most - 1).astype(int)
    for start, end, after in zip(edges, edges[1:], [*edges[2:], points], strict=False):
        before = shapes[every, kept[-1]][:, None]
        ahead = shapes[:, end:after].mean(axis=1)[:, None]
        here = np.arange(start, end) - kept[-1][:, None]
        there = (end + after - 1) / 2 - kept[-1][:, None, None]
        areas = np.abs(there * (shapes[:, start:end] - before) - here[..., None] * (ahead - before))
        kept.append(start + areas.sum(axis=2).argmax(axis=1))
    return np.stack([*kept, np.full(lines, points - 1)], axis=1)
