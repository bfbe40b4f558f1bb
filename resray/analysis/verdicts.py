"""Judges a study's claims on what was measured; docs/claims.md says how and why."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from resray.analysis.claims import Margin, margin, sample_of_value
from resray.analysis.comparability import Obstacle, of_device, of_files
from resray.analysis.contrasts import Method, Untested
from resray.analysis.groups import Group
from resray.analysis.margins import ONE, NotLinearError, leaves, margin_tree
from resray.analysis.matching import NotJudgedError, NotMatchedError, matched, reference
from resray.analysis.metrics import (
    few_test_images,
    foreign_files,
    largest_ensemble,
    limits,
    stopped_early,
    uneven_epochs,
)
from resray.analysis.resampling import sides
from resray.analysis.results import Analysis, joined_id, once
from resray.analysis.statistics import Interval
from resray.analysis.words import listed
from resray.study.claims import Statement, Value, check_statement
from resray.study.metrics import METRICS
from resray.study.spec import Claim

Groups = Mapping[Value, Group]
"""The configuration that each value of a comparison is of."""


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
    groups: Groups = {}
    try:
        references = list(dict.fromkeys(map(reference, statement.values)))
        counted = all(METRICS[value.metric].counted for value in statement.values)
        found = matched(results, references, counted=counted)
        groups = {value: found[reference(value)] for value in statement.values}
        check_devices(groups)
        for obstacle in of_files(hidden_files(results, groups)):
            raise NotJudgedError(str(obstacle))
        return measured(results, statement, groups, checks)
    except NotMatchedError as error:
        return Judgement(statement.text, Outcome.NOT_TESTED, str(error))
    except NotJudgedError as error:
        return Judgement(statement.text, Outcome.NOT_JUDGED, str(error), groups=labels(groups))


def labels(groups: Groups) -> tuple[str, ...]:
    return tuple(dict.fromkeys(group.label for group in groups.values()))


def check_devices(groups: Groups) -> None:
    """Raise NotJudgedError if times would be compared that were not measured alike."""
    if not any(METRICS[value.metric].of_device for value in groups):
        return
    for obstacle in of_device([*groups.values()]):
        alone = (
            " did not have it to itself (with `exclusive: true` in the study file, or on CPU "
            "--workers 1, it does)"
        )
        raise NotJudgedError(f"{obstacle}{alone if obstacle.kind == 'shared' else ''}")


def hidden_files(results: Analysis, groups: Groups) -> dict[str, str]:
    """Return the foreign files that accuracies are on, by what tells them apart."""
    files: dict[str, str] = {}
    for value, group in groups.items():
        if value.metric == "hidden_accuracy":
            files |= foreign_files(results, group)
    return files


def measured(results: Analysis, statement: Statement, groups: Groups, checks: int) -> Judgement:
    """Return the judgement on values that may be compared, of one of so many ``checks``."""
    samples = {value: sample_of_value(results, group, value) for value, group in groups.items()}
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
    cut = "; ".join(limited_by(results, groups))
    single = single_figure(results, groups)
    # Means of the same figures may differ in their last digit.
    holds = statement.holds(left, left if math.isclose(left, right) else right)
    outcome, why = decide(holds, found, cut, single)
    if found:
        why = "; ".join([why, *remarks(results, groups)])
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
        labels(groups),
        found.detectable if found else None,
    )


def single_figure(results: Analysis, groups: Groups) -> str:
    """Return what a comparison rests on where seeds give it no spread."""
    found = [
        largest_ensemble(results, group)
        for value, group in groups.items()
        if value.metric == "ensemble_accuracy"
    ]
    sizes = [len(ensemble.trials) for ensemble in found if ensemble]
    return f"one ensemble of {listed(sizes)} members" if sizes else "one seed"


def limited_by(results: Analysis, groups: Groups) -> Iterator[str]:
    """Yield, in words, what keeps the comparison from a firm outcome whatever its figures."""
    reduced = [
        each
        for value, group in groups.items()
        for each in limits(results, group, value.metric, value.epoch)
    ]
    if reduced:
        yield f"reduced run: {listed(reduced, most=8)}"
    if files := hidden_files(results, groups):
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


def remarks(results: Analysis, groups: Groups) -> Iterator[str]:
    """Yield what to bear in mind: re-encoded or few images, trainings that ended early or took
    uneven times."""
    if any("JPEG" in str(source) for group in groups.values()
           for source in group.distinct("data_source")):  # fmt: skip
        yield "JPEG images"
    whole = {group.label: group for value, group in groups.items()
             if value.epoch is None and not METRICS[value.metric].counted}  # fmt: skip
    for label, group in whole.items():
        if early := stopped_early(group):
            yield f"{label} {early}"
    tested = [group for value, group in groups.items() if value.metric.startswith(OF_TEST)]
    if few := few_test_images([row for group in tested for row in group.finished]):
        yield few
    timed = {group.label: group for value, group in groups.items()
             if METRICS[value.metric].kind == "time"}  # fmt: skip
    for label, group in timed.items():
        if uneven := uneven_epochs(results, group):
            yield f"{label}: {uneven}"


# --- differences that claims declared -------------------------------------------------------------


@once
def declared(results: Analysis) -> Mapping[frozenset[str], Sequence[str]]:
    """Return the ids of the claims that are judged, each by itself, on the difference of two test
    accuracies, by the labels of the two configurations."""
    name = judged_folder(results)
    judged = results.sources[name] if name else results
    found: dict[frozenset[str], list[str]] = {}
    for claim in judged.study.claims if judged.study else []:
        for statement in filter(is_difference, map(check_statement, claim.check)):
            try:
                groups = matched(judged, [reference(value) for value in statement.values])
            except (NotMatchedError, NotJudgedError):
                continue
            ids = [str(group.trials[0]["trial_id"]) for group in groups.values()]
            labels = [results.labels[joined_id(name, each) if name else each] for each in ids]
            found.setdefault(frozenset(labels), []).append(claim.id)
    return found


def is_difference(statement: Statement) -> bool:
    """Whether a statement is about nothing but the difference of two test accuracies."""
    try:
        ratios = leaves(margin_tree(statement))
    except NotLinearError:
        return False
    values, parts = statement.values, [ratio.above.coefficients for ratio in ratios]
    return (
        len(values) == 2
        and all(Value("test_accuracy", each.trial, variant=each.variant) == each for each in values)
        and all(ratio.below == ONE for ratio in ratios)
        and all(len(part) == 2 and sum(part.values()) == 0 for part in parts)
    )
