"""Judges a study's claims on what was measured; docs/claims.md says how and why."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from resray.analysis.aggregate import Group
from resray.analysis.claim_values import sample_of_value
from resray.analysis.claims import Margin, margin
from resray.analysis.comparability import Obstacle, of_device, of_files
from resray.analysis.contrasts import Method, Untested
from resray.analysis.matching import NotJudgedError, NotMatchedError, Reference, matched, reference
from resray.analysis.metrics import (
    few_test_images,
    foreign_files,
    largest_ensemble,
    limits,
    stopped_early,
    uneven_epochs,
)
from resray.analysis.resampling import sides
from resray.analysis.results import Analysis, once
from resray.analysis.statistics import Interval
from resray.analysis.words import listed
from resray.study.claims import Statement, check_statement
from resray.study.metrics import METRICS
from resray.study.reduction import Reduction
from resray.study.spec import Claim


class Outcome(StrEnum):
    """What is made of a claim or of one of its comparisons."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"
    TOWARDS = "points towards support"
    AGAINST = "points against"
    NOT_TESTED = "not tested"
    NOT_JUDGED = "not judged"
    NOT_TESTABLE = "not testable here"


WORST_FIRST = (
    Outcome.CONTRADICTED,
    Outcome.AGAINST,
    Outcome.UNDECIDED,
    Outcome.NOT_TESTED,
    Outcome.NOT_JUDGED,
    Outcome.TOWARDS,
    Outcome.SUPPORTED,
)
"""A claim with several comparisons has the first of their outcomes: all must hold."""


@dataclass(frozen=True)
class Judgement:
    """One comparison of a claim, and what came of it."""

    text: str
    outcome: Outcome
    why: str
    left: float | None = None
    right: float | None = None
    margin: float | None = None
    """By how much the comparison holds; negative where it does not."""
    interval: Interval | None = None
    """95 % interval of the margin. Of a claim of several comparisons, its upper end is that of one
    among so many, since a claim is contradicted by any."""
    method: str | None = None
    """By which the interval was worked out."""
    seeds: int | None = None
    """Of the value with the fewest; None where seeds make no difference."""
    groups: tuple[str, ...] = ()
    """Labels of the configurations that were compared."""
    detectable: float | None = None
    """As `Margin.detectable`."""


@dataclass(frozen=True)
class Verdict:
    """A claim and what was made of it."""

    claim: Claim
    outcome: Outcome
    why: str
    judgements: tuple[Judgement, ...] = ()


@once
def verdicts(results: Analysis) -> list[Verdict]:
    """Return the verdict on each claim of the study, in its order.

    Of several folders' results, by `judged_folder` alone.
    """
    claims = results.study.claims if results.study else []
    judged = results.sources[name] if (name := judged_folder(results)) else results
    return [verdict(judged, claim) for claim in claims]


def judged_folder(results: Analysis) -> str | None:
    """Return which of several folders the claims are judged on, None where there is one.

    A claim is about one study: the first folder that has its file. Runs of two machines or commits
    in one comparison would tell of these.
    """
    return next((name for name, part in results.sources.items() if part.study), None)


def verdict(results: Analysis, claim: Claim) -> Verdict:
    if claim.untested is not None:
        return Verdict(claim, Outcome.NOT_TESTABLE, claim.untested)
    statements = [check_statement(text) for text in claim.check]
    judgements = tuple(judge(results, each, len(statements)) for each in statements)
    outcome = min((each.outcome for each in judgements), key=WORST_FIRST.index)
    reasons = [each.why for each in judgements if each.outcome == outcome]
    return Verdict(claim, outcome, "; ".join(dict.fromkeys(reasons)), judgements)


def judge(results: Analysis, statement: Statement, checks: int = 1) -> Judgement:
    """Return what the results say about one comparison, of so many that a claim has."""
    groups: Mapping[Reference, Group] = {}
    try:
        references = list(dict.fromkeys(map(reference, statement.values)))
        counted = all(METRICS[value.metric].counted for value in statement.values)
        groups = matched(results, references, counted=counted)
        check_devices(statement, groups)
        check_files(results, statement, groups)
        return measured(results, statement, groups, checks)
    except NotMatchedError as error:
        return Judgement(statement.text, Outcome.NOT_TESTED, str(error))
    except NotJudgedError as error:
        labels = tuple(group.label for group in groups.values())
        return Judgement(statement.text, Outcome.NOT_JUDGED, str(error), groups=labels)


def check_devices(statement: Statement, groups: Mapping[Reference, Group]) -> None:
    """Raise NotJudgedError if times would be compared that were not measured alike."""
    if not any(METRICS[value.metric].of_device for value in statement.values):
        return
    for obstacle in of_device([*groups.values()]):
        alone = (
            " did not have it to itself (with `exclusive: true` in the study file, or on CPU "
            "--workers 1, it does)"
        )
        raise NotJudgedError(f"{obstacle}{alone if obstacle.kind == 'shared' else ''}")


def check_files(results: Analysis, statement: Statement, groups: Mapping[Reference, Group]) -> None:
    """Raise NotJudgedError if accuracies on different foreign files would be compared."""
    hidden = [value for value in statement.values if value.metric == "hidden_accuracy"]
    files: dict[str, str] = {}
    for value in hidden:
        files |= foreign_files(results, groups[reference(value)])
    for obstacle in of_files(files):
        raise NotJudgedError(str(obstacle))


def measured(
    results: Analysis, statement: Statement, groups: Mapping[Reference, Group], checks: int
) -> Judgement:
    """Return the judgement on values that may be compared, of one of so many ``checks``."""
    samples = {value: sample_of_value(results, groups[reference(value)], value)
               for value in statement.values}  # fmt: skip
    points = {value: np.array([found.deviation if value.std else found.mean])
              for value, found in samples.items()}  # fmt: skip
    left, right = (float(side[0]) for side in sides(statement, points))
    gap = left - right if statement.operator.startswith(">") else right - left
    if not np.isfinite(gap):
        raise NotJudgedError(f"the comparison divides by zero ({left:g} against {right:g})")
    varying = {
        value: found for value, found in samples.items() if not METRICS[value.metric].counted
    }
    numbers = {value: found.mean for value, found in samples.items() if value not in varying}
    paired = results.paired
    found = margin(statement, varying, numbers, paired=paired, checks=checks) if varying else None
    if found and found.untested == Untested.APART:
        raise NotJudgedError(f"no seed has all of {listed(varying)}")
    cut = "; ".join(limited_by(results, statement, groups))
    single = single_figure(results, statement, groups)
    # Means of the same figures may differ in their last digit.
    holds = statement.holds(left, left if math.isclose(left, right) else right)
    outcome, why = decide(holds, found, cut, single)
    if found:
        why = "; ".join([why, *remarks(results, statement, groups)])
    return Judgement(
        statement.text,
        outcome,
        why,
        left,
        right,
        gap,
        found.interval if found else None,
        found.method if found and found.interval else None,
        min((len(found.values) for found in varying.values()), default=None),
        tuple(dict.fromkeys(group.label for group in groups.values())),
        found.detectable if found else None,
    )


def single_figure(
    results: Analysis, statement: Statement, groups: Mapping[Reference, Group]
) -> str:
    """Return what a comparison rests on where seeds give it no spread."""
    found = [
        largest_ensemble(results, groups[reference(value)])
        for value in statement.values
        if value.metric == "ensemble_accuracy"
    ]
    sizes = [len(ensemble.trials) for ensemble in found if ensemble]
    return f"one ensemble of {listed(sizes)} members" if sizes else "one seed"


def limited_by(
    results: Analysis, statement: Statement, groups: Mapping[Reference, Group]
) -> Iterator[str]:
    """Yield, in words, what keeps the comparison from a firm outcome whatever its figures."""
    reduced: list[Reduction] = []
    files: dict[str, str] = {}
    for value in statement.values:
        group = groups[reference(value)]
        reduced += limits(results, group, value.metric, value.epoch)
        if value.metric == "hidden_accuracy":
            files |= foreign_files(results, group)
    if reduced:
        yield f"reduced run: {listed(reduced, most=8)}"
    if files:
        yield str(Obstacle("hidden", tuple(files.values())))


def decide(holds: bool, found: Margin | None, cut: str, single: str) -> tuple[Outcome, str]:
    """Return the outcome of a comparison, and why it is no other.

    ``found`` is None for what is counted; ``single`` names what a comparison without an interval
    rests on; ``cut`` says what keeps it from a firm outcome, if anything does.
    """
    direction = Outcome.TOWARDS if holds else Outcome.AGAINST
    if found is None:
        firm = Outcome.SUPPORTED if holds else Outcome.CONTRADICTED
        return (direction, cut) if cut else (firm, "counted, so seeds make no difference")
    interval = found.interval
    if interval is None:
        why = single if found.untested == Untested.ONE_SEED else str(found.untested)
        return Outcome.UNDECIDED, "; ".join(filter(None, (why, cut)))
    if not np.isfinite([interval.low, interval.high]).any():
        return Outcome.UNDECIDED, "the comparison divides by what may be zero"
    if interval.low <= 0 <= interval.high:
        return Outcome.UNDECIDED, "; ".join(filter(None, ("the 95 % interval holds zero", cut)))
    firm = Outcome.SUPPORTED if interval.low > 0 else Outcome.CONTRADICTED
    if cut:
        return Outcome.TOWARDS if interval.low > 0 else Outcome.AGAINST, cut
    if found.method == Method.EXACT:
        return firm, "no seed changes any of the values"
    return firm, "the whole 95 % interval is on one side of zero"


# --- what to bear in mind -------------------------------------------------------------------------

OF_TEST = ("test_accuracy", "tta_accuracy", "ensemble_accuracy")


def remarks(
    results: Analysis, statement: Statement, groups: Mapping[Reference, Group]
) -> Iterator[str]:
    """Yield what to bear in mind: re-encoded or few images, trainings that ended early or took
    uneven times."""
    if any("JPEG" in str(source) for group in groups.values()
           for source in group.distinct("data_source")):  # fmt: skip
        yield "JPEG images"
    whole = [reference(value) for value in statement.values
             if value.epoch is None and not METRICS[value.metric].counted]  # fmt: skip
    for wanted in dict.fromkeys(whole):
        if early := stopped_early(groups[wanted]):
            yield f"{groups[wanted].label} {early}"
    yield from few_images(statement, groups)
    timed = [reference(value) for value in statement.values if METRICS[value.metric].kind == "time"]
    for wanted in dict.fromkeys(timed):
        if uneven := uneven_epochs(results, groups[wanted]):
            yield f"{groups[wanted].label}: {uneven}"


def few_images(statement: Statement, groups: Mapping[Reference, Group]) -> Iterator[str]:
    """Yield what one image weighs, where accuracies on few test images are compared."""
    tested = [groups[reference(value)] for value in statement.values
              if value.metric.startswith(OF_TEST)]  # fmt: skip
    if few := few_test_images([row for group in tested for row in group.finished]):
        yield few
