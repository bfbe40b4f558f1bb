"""Simulated verdicts on accuracies whose predictions by image are stored."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import models
import numpy as np
from claimed import TRIALS, A, B, of, outcome
from differences import samples_of, shown
from rating import ANSWERED, CALLED, STATED, Rate, Size, generator

from resray.analysis.contrasts import PLANNED, Estimate, ImageShares, Sample, difference, with_one
from resray.study.claims import check_statement

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
        for n in size.seeds:
            found = []
            for samples in equal_recipes("crossed answer", run_sd, n, size.studies):
                best = max(samples, key=lambda sample: sample.mean)
                found += [difference(best, other) for other in samples if other is not best]
            hits = int(shown(found, with_one(5)).reshape(-1, 4).any(axis=1).sum())
            goal = crossed_goal(n, run_sd, ANSWERED)
            yield Rate("answer, crossed: any shown of pairs with the best", n, 5,
                       f"images, run sd {run_sd:g}", hits, size.studies, STATED, goal)  # fmt: skip


def equal_recipes(case: str, run_sd: float, n: int, studies: int) -> Iterator[list[Sample]]:
    """Yield the samples of five equal recipes on the same images."""
    model, rng = models.SeedsAndImages.calibrated(run_sd), generator(case, run_sd, n)
    for _ in range(studies):
        yield with_images(models.right(model.scores(rng, 5, n), (0.0,) * 5))


def crossed_claims(size: Size) -> Iterator[Rate]:
    """A claim on five equal recipes on the same images errs."""
    for run_sd in size.spread_of_runs:
        for n in size.seeds:
            claimed = Counter[str]()
            for samples in equal_recipes("crossed claims", run_sd, n, size.few):
                claimed.update(false_claims(samples))
            goal = crossed_goal(n, run_sd, CALLED)
            for words in CLAIMS:
                yield Rate(f"claim, crossed: {words}", n, 5, f"images, run sd {run_sd:g}",
                           claimed[words], size.few, STATED, goal)  # fmt: skip


FIVE = ", ".join(map(of, TRIALS[:5]))
CLAIMS = {
    "a > b of equal: supported or contradicted": ([f"{A} > {B}"], (1, -1)),
    "max - min < 0.05 of equal: contradicted": ([f"max({FIVE}) - min({FIVE}) < 0.05"], (-1,)),
    f"max > {models.ACCURACY:g}, which all are: supported": (
        [f"max({FIVE}) > {models.ACCURACY}"], (1,)),
    f"min < {models.ACCURACY:g}, which all are: supported": (
        [f"min({FIVE}) < {models.ACCURACY}"], (1,)),
    "chain a > b > c > d > e of equal: contradicted": (
        [f"{of(one)} > {of(other)}" for one, other in pairwise(TRIALS[:5])], (-1,)),
}  # fmt: skip
"""The comparisons of a claim, and the outcomes of any that would be false, by what it is called."""
READ = {
    words: ([check_statement(text) for text in texts], false)
    for words, (texts, false) in CLAIMS.items()
}


def false_claims(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield which of `CLAIMS` err on these samples."""
    for words, (statements, false) in READ.items():
        if any(outcome(each, samples, checks=len(statements)) in false for each in statements):
            yield words


def networks(size: Size) -> Iterator[Rate]:
    """Two single networks differ, which is why no recipe is said to. Without a spread of runs the
    networks themselves are equal on images without number."""
    for run_sd in size.spread_of_runs:
        model = models.SeedsAndImages.calibrated(run_sd)
        rng = generator("networks", run_sd)
        found = [
            difference(*with_images(models.right(model.scores(rng, 2, 1), (0.0, 0.0))))
            for _ in range(size.studies)
        ]
        hits = int(shown(found, PLANNED).sum())
        errors = f"images, run sd {run_sd:g}"
        if run_sd:
            words = "McNemar of two networks, taken for their recipes: shown"
            yield Rate(words, 1, 2, errors, hits, size.studies)
        else:
            words = "McNemar: two equal networks differ"
            yield Rate(words, 1, 2, errors, hits, size.studies, STATED, CALLED)
