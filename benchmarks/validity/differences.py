"""Simulated verdicts on differences: the answer, baselines, all pairs, intervals, power."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import models
import numpy as np
from rating import ANSWERED, CALLED, DISTRIBUTIONS, STATED, Rate, Size, generator

from resray.analysis.contrasts import (
    POWER,
    Correction,
    Estimate,
    Sample,
    all_shown,
    contrasts,
    difference,
    with_one,
)
from resray.analysis.statistics import mean_interval, summarise

APART = 3.0
"""Spreads between what a power line is about and all others."""


def samples_of(study: np.ndarray) -> list[Sample]:
    """Return a study's samples from (configurations, seeds)."""
    return [Sample(dict(enumerate(figures))) for figures in study.tolist()]


def shown(found: Sequence[Estimate], correction: Correction) -> np.ndarray:
    """Return which differences are shown under a correction.

    What is not shown alone is shown under none, which spares most of the work.
    """
    alone = np.array([each.shown for each in contrasts(found)], dtype=bool)
    kept = np.flatnonzero(alone)
    alone[kept] = [
        each.shown for each in contrasts([found[at] for at in kept.tolist()], correction)
    ]
    return alone


def shown_of(values: np.ndarray, pairs: np.ndarray, correction: Correction) -> np.ndarray:
    """Return what is shown of the ``pairs`` (studies, pairs, 2) of each study, (studies, pairs).

    ``values`` is (studies, configurations, seeds).
    """
    found = []
    for study, wanted in zip(values, pairs.tolist(), strict=True):
        samples = samples_of(study)
        found += [difference(samples[first], samples[second]) for first, second in wanted]
    return shown(found, correction).reshape(pairs.shape[:2])


def with_best(means: np.ndarray) -> np.ndarray:
    """Return the pairs with the best of each study, (studies, configurations - 1, 2)."""
    groups = means.shape[1]
    best = means.argmax(axis=1)[:, None]
    others = np.arange(groups - 1) + (np.arange(groups - 1) >= best)
    return np.stack(np.broadcast_arrays(best, others), axis=-1)


def in_all(pairs: Sequence[tuple[int, int]], studies: int) -> np.ndarray:
    return np.broadcast_to(np.array(pairs), (studies, len(pairs), 2))


def answer(size: Size) -> Iterator[Rate]:
    """Among equal configurations, one is called separated from the best."""
    for errors in size.errors:
        for k in size.groups:
            for n in size.seeds:
                rng = generator("answer", errors, k, n)
                values = DISTRIBUTIONS[errors](rng, (size.studies, k, n))
                found = shown_of(values, with_best(values.mean(axis=2)), with_one(k))
                hits = int(found.any(axis=1).sum())
                yield Rate("answer: any shown of pairs with the best", n, k, errors, hits,
                           size.studies, STATED, ANSWERED)  # fmt: skip


def rounding(size: Size) -> Iterator[Rate]:
    """The same where few test images make equal accuracies likely."""
    for k in () if size.is_quick else size.groups:
        for n in (2, 3):
            values = models.rounded(generator("rounding", k, n), (size.studies, k, n))
            found = shown_of(values, with_best(values.mean(axis=2)), with_one(k))
            hits = int(found.any(axis=1).sum())
            yield Rate("answer: any shown or differs exactly, few images", n, k,
                       "rounded", hits, size.studies, STATED)  # fmt: skip


def any_shown(
    size: Size,
    case: str,
    what: str,
    k: int,
    pairs: Sequence[tuple[int, int]],
    correction: Correction,
) -> Iterator[Rate]:
    """Yield how often any of these pairs of equal configurations is shown."""
    every = in_all(pairs, size.studies)
    for name in size.errors:
        for n in size.seeds:
            values = DISTRIBUTIONS[name](generator(case, name, n), (size.studies, k, n))
            hits = int(shown_of(values, every, correction).any(axis=1).sum())
            yield Rate(what, n, k, name, hits, size.studies, STATED, CALLED)


def baseline(size: Size) -> Iterator[Rate]:
    """Among equal configurations, one is called different from a fixed baseline."""
    what, pairs = "baseline: any shown of pairs with a fixed one", [(0, at) for at in range(1, 10)]
    yield from any_shown(size, "baseline", what, 10, pairs, with_one(10))


def all_pairs(size: Size) -> Iterator[Rate]:
    """Among equal configurations, any two are called different."""
    what = "pairs: any shown in a table of all pairs"
    for k in (10,) if size.is_quick else (5, 10):
        case, every = "pairs" if k == 10 else f"pairs of {k}", list(combinations(range(k), 2))
        yield from any_shown(size, case, what, k, every, all_shown(len(every)))
    for n in () if size.is_quick else size.seeds:
        pairs = in_all(list(combinations(range(10), 2)), size.studies)
        values = models.normal(generator("baselines", n), (size.studies, 10, n))
        hits = int(shown_of(values, pairs, with_one(10)).any(axis=1).sum())
        yield Rate("pairs: any shown to a reader who looks at every baseline", n, 10, "normal",
                   hits, size.studies)  # fmt: skip


def power(size: Size) -> Iterator[Rate]:
    """What is three spreads below all others is separated from the best."""
    for errors in () if size.is_quick else ("normal", "unequal"):
        for k in size.groups:
            for n in size.seeds:
                rng = generator("power", errors, k, n)
                values = DISTRIBUTIONS[errors](rng, (size.studies, k, n))
                values[:, -1] -= APART
                best = values.mean(axis=2).argmax(axis=1)
                pairs = np.stack([best, np.full_like(best, k - 1)], axis=-1)[:, None]
                hits = int(shown_of(values, pairs, with_one(k)).sum())
                yield Rate(f"power: one that is {APART:g} sd low is separated from the best",
                           n, k, errors, hits, size.studies)  # fmt: skip


def detectable(size: Size) -> Iterator[Rate]:
    """A true difference as large as the median detectable one is shown."""
    for k in () if size.is_quick else (2, 10):
        for n in size.seeds:
            rng = generator("detectable", k, n)
            values = models.normal(rng, (size.studies, 2, n))
            found = [difference(*samples_of(study)) for study in values[:400]]
            least = [each.detectable for each in contrasts(found, with_one(k))]
            values[:, 1] += np.median(np.array(least, dtype=float))
            hits = int(shown_of(values, in_all([(0, 1)], size.studies), with_one(k)).sum())
            yield Rate("detectable: the smallest detectable difference is shown", n, k, "normal",
                       hits, size.studies, 100 * POWER)  # fmt: skip


def intervals(size: Size) -> Iterator[Rate]:
    """The half interval behind a mean misses the true mean."""
    for errors in ("normal",) if size.is_quick else ("normal", "skewed"):
        for n in size.seeds:
            rng = generator("intervals", errors, n)
            values = DISTRIBUTIONS[errors](rng, (size.studies, 1, n))[:, 0].tolist()
            hits = sum(misses(figures, 0.0) for figures in values)
            yield Rate("interval: ± behind a mean misses it", n, 1, errors, hits, size.studies,
                       STATED, CALLED if errors == "normal" else None)  # fmt: skip


def misses(figures: Sequence[float], true: float) -> bool:
    summary = summarise(figures)
    interval = mean_interval(summary) if summary else None
    return interval is not None and not interval.low <= true <= interval.high
