"""The distribution of the studentized range, for many values at once.

`scipy.stats.studentized_range` takes 10 ms for one probability and 200 ms for one quantile, and a
page holds a thousand. Here the range of normal values is tabulated once for a number of groups, and
the error's own distribution is integrated over that table; tests hold both against scipy's.
"""

from functools import cache

import numpy as np
from scipy.special import gammaincinv, ndtr

WIDTHS = np.linspace(0, 12, 4801)
"""Close enough to be joined by straight lines. No range of up to a thousand standard normal values
is wider, but by a chance below 1e-13."""


def exceedance(q: np.ndarray, groups: int, degrees: np.ndarray) -> np.ndarray:
    """Return the chance that the studentized range of ``groups`` equal means exceeds each ``q``.

    ``degrees``, of the same shape, are those of the standard error. Accurate to 1e-6.
    """
    return _exceedance(q, groups, *_errors(degrees))


def critical(level: float, groups: int, degrees: np.ndarray) -> np.ndarray:
    """Return what the studentized range exceeds with the chance ``level``, by bisection."""
    errors, weights = _errors(degrees)
    low, high = np.zeros_like(degrees), np.full_like(degrees, 2.0)
    while _exceedance(high, groups, errors, weights).max(initial=0) > level:
        high *= 2
    for _ in range(36):
        middle = (low + high) / 2
        above = _exceedance(middle, groups, errors, weights) > level
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _errors(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return standard errors as shares of the true one, (..., nodes), and the nodes' weights."""
    nodes, weights = _unit_nodes(64)
    # Small errors make the tail: the nodes are crowded there.
    half = degrees[..., None] / 2
    return np.sqrt(gammaincinv(half, nodes**3) / half), 3 * nodes**2 * weights


def _exceedance(q: np.ndarray, groups: int, errors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    within = np.interp(q[..., None] * errors, WIDTHS, _range_table(groups))
    return np.clip(1 - within @ weights, 0, 1)


@cache
def _range_table(groups: int) -> np.ndarray:
    """Return the distribution function at `WIDTHS` of the range of so many standard normal values.

    P(range <= w) = k * integral of phi(z) (Phi(z) - Phi(z - w))^(k - 1) dz: Hartley, "The Range in
    Random Samples" (1942).
    """
    nodes, weights = _unit_nodes(200)
    z = -9 + 18 * nodes
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    within = (ndtr(z) - ndtr(z - WIDTHS[:, None])) ** (groups - 1)
    return np.asarray(18 * groups * within @ (density * weights))


@cache
def _unit_nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of Gauss and Legendre's rule on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2
