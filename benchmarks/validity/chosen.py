"""Simulated verdicts on what a study or a search chose: ablations, winners, audits, fronts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
from differences import misses, samples_of, shown
from rating import CALLED, DISTRIBUTIONS, STATED, Rate, Size, generator

from resray.analysis.ablation import Ablation, MeasuredStep
from resray.analysis.contrasts import PLANNED, Sample, difference
from resray.analysis.costs import front
from resray.analysis.statistics import summarise
from resray.report.ablation_section import interaction
from resray.search.audit import Audit, StoppedPoint, most_hits
from resray.search.best import winner
from resray.study.entries import ablation_steps

CHANGES = list("abcde")
FASTER, NOISE = 0.1, 0.01
"""Of the logarithm of an epoch's seconds: what each change is worth, and the spread over seeds."""
POINTS = 24
"""Of a search."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
AUDITS = ((20, 5), (200, 20))
"""Points stopped when the audit began, and how many of them were drawn."""


def ablated(form: str, errors: np.ndarray) -> Ablation:
    """Return an ablation whose changes do not interact and gain no accuracy, from the errors
    (steps, seeds) of its times; those of its accuracies are the same in another order."""
    steps = []
    accuracies = samples_of(90 + np.roll(errors, 1, axis=0))
    for step, own, accuracy in zip(ablation_steps(CHANGES, form), errors, accuracies, strict=True):
        logs = NOISE * own - FASTER * len(step.applied)
        seconds = summarise(np.exp(logs).tolist())
        times = Sample(dict(enumerate(logs.tolist())))
        steps.append(MeasuredStep(step, None, seconds, times, accuracy, ()))
    return Ablation(form, tuple(steps), "")


def ablations(size: Size) -> Iterator[Rate]:
    """Changes are said to help or to replace each other, or one to gain accuracy."""
    for errors in size.errors:
        for form in ("add", "remove"):
            number = len(ablation_steps(CHANGES, form))
            for n in size.seeds:
                rng = generator("ablation", form, errors, n)
                drawn = DISTRIBUTIONS[errors](rng, (size.studies, number, n))
                made = [ablated(form, study) for study in drawn]
                said = sum(not interaction(one).endswith("is not shown.") for one in made)
                gained = sum(any(gain.shown for gain in one.gains.values()) for one in made)
                for what, hits in (
                    (f"ablation, {form}: changes help or replace each other", said),
                    (f"ablation, {form}: any gain of accuracy is shown", gained),
                ):
                    yield Rate(what, n, number, errors, hits, size.studies, STATED, CALLED)


def searched(size: Size) -> Iterator[Rate]:
    """The winner of equal points, by fresh seeds: its interval, and a difference from another."""
    for n in size.seeds:
        rng = generator("search", n)
        seen = rng.normal(size=(size.studies, POINTS))
        fresh = rng.normal(size=(size.studies, POINTS, n))
        other = rng.normal(size=(size.studies, 1, n))
        won = [int(won["trial_id"]) for study in seen.tolist() if (won := winner(rows(study)))]
        confirmed = fresh[np.arange(size.studies), won][:, None]
        missed = sum(misses(figures, 0.0) for figures in confirmed[:, 0].tolist())
        pairs = np.concatenate([confirmed, other], axis=1)
        differing = shown([difference(*samples_of(study)) for study in pairs], PLANNED)
        for what, hits in (
            ("search: ± of the confirmed winner misses its true accuracy", missed),
            ("search: the confirmed winner differs from an equal configuration", differing.sum()),
        ):
            yield Rate(what, n, POINTS, "normal", int(hits), size.studies, STATED, CALLED)


def rows(values: list[float]) -> list[dict[str, object]]:
    """Return the rows of points that were trained in full."""
    whole = {"role": "search", "status": "completed", "epochs": 1, "full_epochs": 1}
    return [
        {**whole, "trial_id": str(place), "validation_accuracy": value}
        for place, value in enumerate(values)
    ]


def audits(size: Size) -> Iterator[Rate]:
    """More of the stopped would have won than the audit says; of a search that has grown, too."""
    for stopped, drawn in AUDITS:
        # One more than no hit allows: the bound is then wrong as often as it can be.
        true = most_hits(0, drawn, stopped) + 1
        for later in (0, stopped):
            rng = generator("audit", stopped, later)
            hits = sum(
                audit(rng, stopped, drawn, true, later).sampled(BEGAN).most < true
                for _ in range(size.studies)
            )
            grown = ", search grown since" if later else ""
            yield Rate(f"search: more would have won than the audit's bound{grown}", drawn, stopped,
                       "drawn points", hits, size.studies, STATED, 5.0)  # fmt: skip


def audit(rng: np.random.Generator, stopped: int, drawn: int, true: int, later: int) -> Audit:
    """Return an audit of points of which so many would have won, and none stopped later."""
    wins = rng.permutation(stopped) < true
    before, after = (BEGAN + timedelta(days=days) for days in (-1, 1))
    points = [
        StoppedPoint(before, place < drawn, (91.0 if won else 89.0) if place < drawn else None)
        for place, won in enumerate(wins.tolist())
    ]
    return Audit((*points, *[StoppedPoint(after)] * later), 90.0)


def fronts(size: Size) -> Iterator[Rate]:
    """Of equal configurations, a dearer one is on the front: it joins what was measured best, and
    says nothing of what differs."""
    for k in () if size.is_quick else (2, 5, 10):
        means = generator("front", k).normal(size=(size.studies, k))
        costs, candidates = np.arange(k, dtype=float), np.ones(k, dtype=bool)
        hits = sum(len(front(costs, study, candidates)) > 1 for study in means)
        yield Rate("front: of equal configurations more than the cheapest is on it", 1, k, "normal",
                   hits, size.studies)  # fmt: skip
