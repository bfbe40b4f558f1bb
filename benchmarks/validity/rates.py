"""How often resray's verdicts err, beside how often they say that they do.

    uv run python benchmarks/validity/rates.py [--quick] [--studies 4000] [--only answer crossed]
    uv run python benchmarks/validity/rates.py --write

Simulates studies whose truth is known (models.py) and judges them with the functions that judge
measured ones. A rate is ABOVE its goal, or BELOW the power that is wanted, where it is beyond by
more than two of its Monte Carlo standard errors: then the exit code is 1. Some ten minutes on one
core; ``--quick``, half a minute, takes one case of each verdict that has a goal. ``--write`` puts
the table into RATES.md, which docs/claims.md quotes.
"""

import argparse
import sys
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

import models
import numpy as np

from resray.analysis.claims import margin
from resray.analysis.contrasts import (
    LEVEL,
    PLANNED,
    POWER,
    Contrast,
    Correction,
    Estimate,
    ImageShares,
    Sample,
    all_shown,
    contrasts,
    difference,
    with_one,
)
from resray.analysis.statistics import mean_interval, summarise
from resray.study.claims import Statement, check_statement

TABLE = Path(__file__).with_name("RATES.md")
STATED = 100 * LEVEL
CALLED = 6.0
"""What is called 5 % must not err more often: a test that is exact errs in 5 %, and in half of all
simulations in more."""
ANSWERED = 6.5
"""The same of the best among many."""
ROOM = 2
"""Monte Carlo standard errors by which a rate may miss its goal."""
APART = 3.0
"""Spreads between what a power line is about and all others."""
TRIALS = "abcdefg"
"""Names of configurations in claims."""
DISTRIBUTIONS: dict[str, models.Drawn] = {
    "normal": models.normal,
    "unequal": models.unequal,
    "skewed": models.skewed,
}


@dataclass(frozen=True)
class Size:
    """Which cases are simulated, and how often each."""

    studies: int
    seeds: tuple[int, ...] = (2, 3, 5, 10)
    groups: tuple[int, ...] = (2, 5, 10, 20)
    errors: tuple[str, ...] = tuple(DISTRIBUTIONS)
    spread_of_runs: tuple[float, ...] = (0.0, 0.25)
    """In points, beside the spread that the images give."""
    is_quick: bool = False


QUICK = Size(1000, (3,), (10,), ("normal",), (0.0,), is_quick=True)


@dataclass(frozen=True)
class Rate:
    """In how many of so many studies something was said."""

    what: str
    n: int
    k: int
    errors: str
    hits: int
    studies: int
    stated: float | None = None
    """What resray says of it, in percent."""
    goal: float | None = None
    at_least: bool = False
    """Whether the goal is a power."""

    @property
    def percent(self) -> float:
        return 100 * self.hits / self.studies

    @property
    def standard_error(self) -> float:
        share = self.hits / self.studies
        return 100 * float(np.sqrt(share * (1 - share) / self.studies))

    @property
    def word(self) -> str:
        """``ok``, ``within error`` of the goal, or ABOVE or BELOW it."""
        if self.goal is None:
            return ""
        beyond = (self.percent - self.goal) * (-1 if self.at_least else 1)
        if beyond <= 0:
            return "ok"
        if beyond <= ROOM * self.standard_error:
            return "within error"
        return "BELOW" if self.at_least else "ABOVE"

    @property
    def row(self) -> str:
        """The row of the table."""
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {self.goal:g}"
        stated = "" if self.stated is None else f"{self.stated:g}"
        measured = f"{self.percent:.1f} ± {self.standard_error:.1f}"
        cells = (self.what, self.n, self.k, self.errors, measured, stated, goal, self.word)
        return f"| {' | '.join(map(str, cells))} |"


HEAD = """| verdict | n | k | errors | measured % | stated % | goal % | |
|---|---|---|---|---|---|---|---|"""


def generator(*key: object) -> np.random.Generator:
    """Return the generator of a case, the same whatever else is simulated."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


# --- differences ----------------------------------------------------------------------------------


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
    configurations: int,
    pairs: Sequence[tuple[int, int]],
    correction: Correction,
    *,
    drawn: int | None = None,
    errors: Sequence[str] = (),
) -> Iterator[Rate]:
    """Yield how often any of these pairs of equal configurations is shown; ``drawn`` is how many
    are, where it is not so many, ``errors`` their distributions, of none given all."""
    every = in_all(pairs, size.studies)
    for name in errors or size.errors:
        for n in size.seeds:
            rng, shape = generator(case, name, n), (size.studies, drawn or configurations, n)
            found = shown_of(DISTRIBUTIONS[name](rng, shape), every, correction)
            hits = int(found.any(axis=1).sum())
            yield Rate(what, n, configurations, name, hits, size.studies, STATED, CALLED)


def baseline(size: Size) -> Iterator[Rate]:
    """Among equal configurations, one is called different from a fixed baseline."""
    what, pairs = "baseline: any shown of pairs with a fixed one", [(0, at) for at in range(1, 10)]
    yield from any_shown(size, "baseline", what, 10, pairs, with_one(10))


def all_pairs(size: Size) -> Iterator[Rate]:
    """Among equal configurations, any two are called different."""
    every = list(combinations(range(10), 2))
    what = "pairs: any shown in a table of all pairs"
    yield from any_shown(size, "pairs", what, 10, every, all_shown(45))
    pairs = in_all(every, size.studies)
    for n in () if size.is_quick else size.seeds:
        values = models.normal(generator("baselines", n), (size.studies, 10, n))
        hits = int(shown_of(values, pairs, with_one(10)).any(axis=1).sum())
        yield Rate("pairs: any shown to a reader who looks at every baseline", n, 10, "normal",
                   hits, size.studies)  # fmt: skip


def compared(size: Size) -> Iterator[Rate]:
    """Of identical folders, five configurations differ in any of seven metrics."""
    what = "compare: any shown of 7 metrics, 5 configurations"
    pairs = [(2 * at, 2 * at + 1) for at in range(35)]
    errors = [name for name in size.errors if name != "unequal"]
    yield from any_shown(size, "compare", what, 5, pairs, all_shown(35), drawn=70, errors=errors)


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


# --- claims ---------------------------------------------------------------------------------------


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
            studies = size.studies if "*" not in text else max(size.studies // 4, 1)
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


# --- seeds and images -----------------------------------------------------------------------------

GAINS = (0.0, 0.5, 1.0)


def with_images(right: np.ndarray) -> list[Sample]:
    """Return samples with their images from right or wrong, (configurations, seeds, images)."""
    accuracies = 100 * right.mean(axis=2)
    return [
        Sample(sample.values, ImageShares.of("simulated", answers))
        for sample, answers in zip(samples_of(accuracies), right, strict=True)
    ]


def crossed(size: Size) -> Iterator[Rate]:
    """Two recipes on the same images, by the crossed analysis and by what it replaces."""
    for run_sd in size.spread_of_runs:
        model = models.SeedsAndImages.calibrated(run_sd)
        for n in size.seeds:
            rng = generator("crossed", run_sd, n)
            found: dict[tuple[float, str], list[Estimate]] = defaultdict(list)
            for _ in range(size.studies):
                scores = model.scores(rng, 2, n)
                for gain in GAINS:
                    samples = with_images(models.right(scores, (-gain / 2, gain / 2)))
                    plain = [Sample(sample.values) for sample in samples]
                    found[gain, "crossed"].append(difference(*samples))
                    found[gain, "Welch"].append(difference(*plain))
                    found[gain, "paired t"].append(difference(*plain, paired=True))
            for (gain, method), estimates in found.items():
                hits = int(shown(estimates, PLANNED).sum())
                yield crossed_rate(method, run_sd, n, gain, hits, size.studies)


def crossed_rate(method: str, run_sd: float, n: int, gain: float, hits: int, studies: int) -> Rate:
    """Return the rate of a method, with a goal where it is the crossed one."""
    errors = f"images, run sd {run_sd:g}"
    if gain:
        wanted = 72.0 if (method, n, gain, run_sd) == ("crossed", 3, 0.5, 0.0) else None
        words = f"{method}: a difference of {gain:g} points is shown"
        return Rate(words, n, 2, errors, hits, studies, None, wanted, at_least=True)
    goal = crossed_goal(n, run_sd, CALLED) if method == "crossed" else None
    return Rate(f"{method}: no difference is shown", n, 2, errors, hits, studies, STATED, goal)


def crossed_goal(n: int, run_sd: float, usual: float) -> float | None:
    """Return the goal of the crossed analysis, which takes the spread of few runs too small."""
    if n < 3:
        return None
    return 7.5 if n == 3 and run_sd else usual


def crossed_answer(size: Size) -> Iterator[Rate]:
    """Among five equal recipes on the same images, one is called separated from the best."""
    for run_sd in size.spread_of_runs:
        model = models.SeedsAndImages.calibrated(run_sd)
        for n in size.seeds:
            rng = generator("crossed answer", run_sd, n)
            found = []
            for _ in range(size.studies):
                samples = with_images(models.right(model.scores(rng, 5, n), (0.0,) * 5))
                best = max(samples, key=lambda sample: sample.mean)
                found += [difference(best, other) for other in samples if other is not best]
            hits = int(shown(found, with_one(5)).reshape(-1, 4).any(axis=1).sum())
            goal = crossed_goal(n, run_sd, ANSWERED)
            yield Rate("answer, crossed: any shown of pairs with the best", n, 5,
                       f"images, run sd {run_sd:g}", hits, size.studies, STATED, goal)  # fmt: skip


def networks(size: Size) -> Iterator[Rate]:
    """Two single networks of equal recipes differ, which is why no recipe is said to."""
    for run_sd in () if size.is_quick else size.spread_of_runs:
        model = models.SeedsAndImages.calibrated(run_sd)
        rng = generator("networks", run_sd)
        found = [
            difference(*with_images(models.right(model.scores(rng, 2, 1), (0.0, 0.0))))
            for _ in range(size.studies)
        ]
        hits = int(shown(found, PLANNED).sum())
        yield Rate("McNemar of two networks, taken for their recipes: shown", 1, 2,
                   f"images, run sd {run_sd:g}", hits, size.studies)  # fmt: skip


VERDICTS: dict[str, Callable[[Size], Iterator[Rate]]] = {
    "answer": answer,
    "rounding": rounding,
    "baseline": baseline,
    "pairs": all_pairs,
    "compare": compared,
    "planned": planned,
    "agreement": agreement,
    "ratio": ratio,
    "choice": choice,
    "checks": checks,
    "crossed": crossed,
    "crossed-answer": crossed_answer,
    "networks": networks,
    "intervals": intervals,
    "detectable": detectable,
    "power": power,
}


def simulated(names: Sequence[str], size: Size) -> Iterator[Rate]:
    """Yield the rates of the named verdicts, and print each."""
    print(HEAD)
    for name in names:
        for rate in VERDICTS[name](size):
            print(rate.row, flush=True)
            yield rate


def page(rates: Sequence[Rate], studies: int) -> str:
    """Return the table as a page."""
    rows = "\n".join(rate.row for rate in rates)
    return f"""# How often resray's verdicts err

Made by `uv run python benchmarks/validity/rates.py --write`, which says what is simulated:
{studies:,} studies a line (a quarter of them where claims are resampled), behind each rate its
Monte Carlo standard error. A rate is ABOVE its goal, or BELOW the power that is wanted, where it is
beyond by more than {ROOM} of them. n: seeds of a configuration; k: configurations.

Errors: normal; unequal (the first configuration has {models.WIDE:g} times the spread of the
others); skewed (chi-squared with {models.SKEWED} degrees of freedom, its long tail are bad seeds:
the best of many was spared them, so that its spread is too small as well); rounded (to
{models.STEP:g} spreads, as on few images: two seeds may agree by chance, and seem to have no
spread); images ({models.IMAGES:,} test images and the seeds both drawn: two seeds of a recipe
disagree on {models.DISAGREE:g} % of the images, two equal recipes differ on these images by
{models.INTERACTION:g} points, standard deviation, however many seeds they have, and runs differ by
the run sd, in points, besides).

{HEAD}
{rows}
"""


def main() -> int:
    """Simulate what is asked for; return 1 if a rate misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one case of each, half a minute")
    parser.add_argument("--studies", type=int, default=4000, help="studies a line")
    parser.add_argument("--only", nargs="+", choices=VERDICTS, default=list(VERDICTS))
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    asked = parser.parse_args()
    size = QUICK if asked.quick else Size(asked.studies)
    rates = list(simulated(asked.only, size))
    if asked.write:
        TABLE.write_text(page(rates, size.studies))
    missed = [rate for rate in rates if rate.word in ("ABOVE", "BELOW")]
    print(f"{len(missed)} of {len(rates)} rates miss their goal", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
