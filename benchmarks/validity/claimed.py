"""Simulated verdicts on claims."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import models
import numpy as np
from differences import APART, samples_of
from rating import CALLED, DISTRIBUTIONS, STATED, Rate, Size, generator

from resray.analysis.claims import margin
from resray.analysis.contrasts import Contrast, Sample, contrasts, difference, with_one
from resray.study.claims import Statement, check_statement

TRIALS = "abcdefg"
"""Names of configurations in claims."""


def outcome(
    statement: Statement, samples: Sequence[Sample], *, paired: bool = False, checks: int = 1
) -> int:
    """Return 1 of what is supported, -1 of what is contradicted, else 0."""
    known = {value: samples[TRIALS.index(value.trial)] for value in statement.values}
    interval = margin(statement, known, {}, paired=paired, checks=checks).interval
    return 0 if interval is None else int(interval.low > 0) - int(interval.high < 0)


def outcomes(
    statement: str, values: np.ndarray, *, paired: bool = False, checks: int = 1
) -> np.ndarray:
    """Return the outcome in each study."""
    read = check_statement(statement)
    return np.array(
        [outcome(read, samples_of(study), paired=paired, checks=checks) for study in values]
    )


def of(trial: str) -> str:
    return f"test_accuracy[{trial}]"


A, B = of("a"), of("b")
SIX = ", ".join(map(of, TRIALS[:6]))


def planned(size: Size) -> Iterator[Rate]:
    """Of equal trials, a > b is supported or contradicted."""
    for errors in size.errors:
        for n in size.seeds:
            values = DISTRIBUTIONS[errors](generator("planned", errors, n), (size.studies, 2, n))
            hits = int(np.count_nonzero(outcomes(f"{A} > {B}", values)))
            yield Rate("claim a > b of equal trials: supported or contradicted", n, 2, errors,
                       hits, size.studies, STATED, CALLED)  # fmt: skip
    for correlation in (0.8,) if size.is_quick else (0.0, 0.8):
        for n in size.seeds:
            rng = generator("paired", correlation, n)
            values = models.correlated(rng, (size.studies, 2, n), correlation)
            hits = int(np.count_nonzero(outcomes(f"{A} > {B}", values, paired=True)))
            yield Rate(f"claim a > b, seeds declared to pair, correlation {correlation:g}", n, 2,
                       "normal", hits, size.studies, STATED, CALLED)  # fmt: skip


def agreement(size: Size) -> Iterator[Rate]:
    """A claim and a table say different things of one difference."""
    read = check_statement(f"{A} > {B}")
    for paired in (False, True):
        for n in size.seeds:
            rng = generator("agreement", paired, n)
            values = models.unequal(rng, (size.studies, 2, n))
            values[:, 0] += APART * rng.integers(0, 2, size=(size.studies, 1))
            samples = [samples_of(study) for study in values]
            table = contrasts([difference(b, a, paired=paired) for a, b in samples], with_one(2))
            said = [outcome(read, study, paired=paired) for study in samples]
            hits = sum(signed(one) != other for one, other in zip(table, said, strict=True))
            yield Rate(f"claim and table disagree{', paired' if paired else ''}", n, 2, "unequal",
                       hits, size.studies, 0.0, 0.0)  # fmt: skip


def signed(found: Contrast) -> int:
    return int(np.sign(found.value)) if found.shown else 0


def ratio(size: Size) -> Iterator[Rate]:
    """A ratio at the border is called below it."""
    for variation in (20,) if size.is_quick else (10, 20):
        for n in (2,) if size.is_quick else size.seeds:
            errors = models.normal(generator("ratio", variation, n), (size.studies, 2, n))
            values = np.array([9.5, 10.0])[:, None] * (1 + variation / 100 * errors)
            for text in (f"{A} / {B} < 0.95", f"{A} < 0.95 * {B}"):
                hits = int((outcomes(text, values) > 0).sum())
                shape = text.replace(A, "a").replace(B, "b")
                yield Rate(f"claim {shape} at the border, cv {variation} %: supported",
                           n, 2, "normal", hits, size.studies, STATED, 5.0)  # fmt: skip


CHOICES = (
    (f"max({SIX}) - min({SIX}) < 0.05", 6, 90.0, -1, "max - min < 0.05 of equal: contradicted"),
    (f"max({SIX}) > 90", 6, 90.0, 1, "max > 90 of means of 90: supported"),
    (f"min({SIX}) < 90", 6, 90.0, 1, "min < 90 of means of 90: supported"),
    (f"abs({A} - {B}) < 0.1", 2, 90.0, -1, "abs(a - b) < 0.1 of equal: contradicted"),
    (f"abs({A} - {B}) > 0", 2, 90.0, 1, "abs(a - b) > 0 of equal: supported"),
    (f"{A} * {B} > 8100", 2, 90.0, 1, "a * b > 8100 at the border (bootstrap): supported"),
    (f"{A} * {B} > 8100", 2, 90.0, -1, "a * b > 8100 at the border (bootstrap): contradicted"),
)
"""A claim, of how many trials, their true mean, the outcome that would be false, and the words."""


def choice(size: Size) -> Iterator[Rate]:
    """A claim with max, min, abs or a product errs."""
    for text, k, mean, false, words in CHOICES[:3] if size.is_quick else CHOICES:
        for n in size.seeds:
            studies = size.few if "*" in text else size.studies
            values = mean + models.normal(generator("choice", k, n), (studies, k, n))
            hits = int((outcomes(text, values) == false).sum())
            yield Rate(f"claim {words}", n, k, "normal", hits, studies, STATED, 5.0)


def checks(size: Size) -> Iterator[Rate]:
    """A claim of six checks errs: all at the border, or all but one far from it."""
    order = list(pairwise(TRIALS))
    for n in size.seeds:
        values = models.normal(generator("checks", n), (size.studies, 7, n))
        found = np.array([outcomes(f"{of(a)} > {of(b)}", values, checks=6) for a, b in order])
        hits = int((found < 0).any(axis=0).sum())
        yield Rate("claim of 6 checks, all equal: contradicted", n, 7, "normal", hits,
                   size.studies, STATED, 5.0)  # fmt: skip
        values -= 100 * np.maximum(np.arange(7) - 1, 0)[:, None]
        found = np.array([outcomes(f"{of(a)} > {of(b)}", values, checks=6) for a, b in order])
        hits = int((found > 0).all(axis=0).sum())
        yield Rate("claim of 6 checks, one at the border: supported", n, 7, "normal", hits,
                   size.studies, STATED, 5.0)  # fmt: skip
