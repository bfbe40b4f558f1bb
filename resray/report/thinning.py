"""Which points of a long curve are drawn: those that keep its shape at the size of a plot."""

import numpy as np

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
