"""Works out a claim's comparison, and resamples seeds where it is not linear in its values."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import numpy as np
from scipy.special import chdtri

from resray.analysis.statistics import TAILS, Interval, t_quantile
from resray.study.claims import Expression, Statement, Value

RESAMPLES = 10_000
Draws = Mapping[Value, np.ndarray]
"""Each value's draws; in first place the measured one."""
Clusters = Sequence[tuple[Sequence[Value], np.ndarray]]
Function = Callable[[list[np.ndarray]], np.ndarray]

FUNCTIONS: dict[str, Function] = {
    "abs": lambda parts: np.abs(parts[0]),
    "min": lambda parts: np.minimum.reduce(np.broadcast_arrays(*parts)),
    "max": lambda parts: np.maximum.reduce(np.broadcast_arrays(*parts)),
}
HELD_FUNCTIONS: dict[str, Function] = {
    "abs": lambda parts: -parts[0] if parts[0][0] < 0 else parts[0],
    "min": lambda parts: min(parts, key=lambda part: part[0]),
    "max": lambda parts: max(parts, key=lambda part: part[0]),
}
"""The same with the choice that the measured values make: of abs the sign, of min and max the part.

Where a difference is near zero, noise can only raise its absolute value. Percentiles of that would
call |difference| < 0.1 contradicted, however small the difference may be; those of the signed
difference do not.
"""


def margins(
    statement: Statement, draws: Draws, functions: Mapping[str, Function] = FUNCTIONS
) -> np.ndarray:
    """Return by how much the comparison holds in each draw, negative where it does not.

    Not finite where it divides by zero.
    """
    left, right = sides(statement, draws, functions)
    with np.errstate(all="ignore"):
        return left - right if statement.operator.startswith(">") else right - left


def sides(
    statement: Statement, draws: Draws, functions: Mapping[str, Function] = FUNCTIONS
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides of the comparison in each draw."""
    with np.errstate(all="ignore"):
        left = evaluate(statement.left, draws, functions)
        return left, evaluate(statement.right, draws, functions)


def evaluate(expression: Expression, draws: Draws, functions: Mapping[str, Function]) -> np.ndarray:
    """Return an expression's value in each draw, or once if it names no trial."""
    if isinstance(expression, Value):
        return draws[expression]
    if isinstance(expression, float):
        return np.array([expression])
    parts = [evaluate(part, draws, functions) for part in expression.parts]
    if expression.operator in functions:
        return functions[expression.operator](parts)
    if len(parts) == 1:
        return -parts[0]
    return ARITHMETIC[expression.operator](parts[0], parts[1])


ARITHMETIC: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


# --- bootstrap ------------------------------------------------------------------------------------


def resampled_interval(
    statement: Statement, clusters: Clusters, numbers: Mapping[Value, float]
) -> Interval:
    """Return the 95 % interval over seeds, two or more, of a statement's margin.

    By bootstrap: each of the ``clusters`` that `clustered` gives is drawn by itself. A standard
    deviation is drawn from its distribution for normal values (`spread_draws`).
    """
    # Seeded, so that the same results always give the same report.
    generator = np.random.default_rng(0)
    draws = {value: np.array([number]) for value, number in numbers.items()}
    for values, figures in clusters:
        means = resampled_means(figures, generator)
        draws |= {
            value: spread_draws(own, generator) if value.std else mean
            for value, own, mean in zip(values, figures, means, strict=True)
        }
    kept = margins(statement, draws, HELD_FUNCTIONS)
    return percentile_interval(margins(statement, draws), kept)


def spread_draws(figures: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the standard deviation of the figures, then `RESAMPLES` that the true one may be.

    Their percentiles are the interval by the chi-square distribution: for normally distributed
    values, (n - 1) times the sample variance over the true one has n - 1 degrees of freedom
    (Helmert, 1876), independently of their mean.
    """
    degrees = len(figures) - 1
    steps = (np.arange(RESAMPLES) + 0.5) / RESAMPLES
    factors = generator.permutation(np.sqrt(degrees / chdtri(degrees, steps)))
    return figures.std(ddof=1) * np.concatenate([[1.0], factors])


def clustered(samples: Mapping[Value, Mapping[int | None, float]]) -> Clusters:
    """Return values whose seeds are drawn together, with their figures (values, common seeds): all
    that have the same seeds; else those of each trial, and each standard deviation by itself."""
    means = [figures for value, figures in samples.items() if not value.std]
    alike = len({frozenset(figures) for figures in means}) == 1
    together: dict[object, list[Value]] = {}
    for value, figures in samples.items():
        trial = None if alike else (value.trial, value.variant, None in figures)
        together.setdefault(value if value.std else trial, []).append(value)
    found: list[tuple[list[Value], np.ndarray]] = []
    for values in together.values():
        common = [seed for seed in samples[values[0]] if all(seed in samples[v] for v in values)]
        found.append((values, np.array([[samples[v][s] for s in common] for v in values])))
    return found


def resampled_means(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return means of bootstrap samples of seeds, spread as widely as so few seeds call for.

    ``values`` is (metrics, seeds), at least two seeds; each of `RESAMPLES` samples draws as many
    seeds with replacement, the same ones for all metrics. Returns (metrics, 1 + `RESAMPLES`), whose
    first column is the mean of the values themselves.
    """
    seeds = values.shape[1]
    drawn = generator.integers(seeds, size=(RESAMPLES, seeds))
    mean = values.mean(axis=1, keepdims=True)
    means = values[:, drawn].mean(axis=2)
    return np.hstack([mean, mean + widening(seeds) * (means - mean)])


def widening(seeds: int) -> float:
    """Return by how much the bootstrap's spread of a mean over so few seeds falls short.

    The bootstrap's variance is (n - 1) / n of the unbiased one, and its tails are a normal
    distribution's where Student's t with n - 1 degrees of freedom is called for: Hesterberg, "What
    Teachers Should Know About the Bootstrap" (2015). He moves the percentiles outwards, which with
    three seeds ends at the smallest and the largest value; here the spread itself is widened.
    docs/claims.md says what that covers.
    """
    return math.sqrt(seeds / (seeds - 1)) * t_quantile(seeds - 1) / NormalDist().inv_cdf(TAILS[1])


def percentile_interval(*draws: np.ndarray) -> Interval:
    """Return the smallest interval that holds the 95 % percentile interval of each of the draws.

    Draws that are not finite make its ends so.
    """
    with np.errstate(invalid="ignore"):
        ends = [np.quantile(each, TAILS) for each in draws]
    return Interval(float(min(low for low, _ in ends)), float(max(high for _, high in ends)))
