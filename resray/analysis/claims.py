"""What the values of a claim are, seed by seed, and how surely its comparison holds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from resray.analysis.contrasts import (
    LEVEL,
    Estimate,
    Method,
    Sample,
    Untested,
    among,
    contrasts,
    estimate,
)
from resray.analysis.groups import Group
from resray.analysis.margins import (
    ONE,
    Linear,
    NotLinearError,
    Ratio,
    Tree,
    interval,
    leaves,
    margin_tree,
)
from resray.analysis.matching import NotJudgedError
from resray.analysis.metrics import EPOCH_COLUMNS, sample_of
from resray.analysis.resampling import clustered, resampled_interval
from resray.analysis.results import Analysis
from resray.analysis.statistics import Interval
from resray.hints import command
from resray.models.table import runs_own_code
from resray.study.claims import Statement, Value
from resray.study.metrics import METRICS

BOOTSTRAP = "bootstrap"
Samples = Mapping[Value, Sample]
Numbers = Mapping[Value, float]
"""Values that no seed changes."""


@dataclass(frozen=True)
class Margin:
    """Between what the margin of a comparison lies, by one method."""

    interval: Interval | None
    method: str
    untested: Untested | None = None
    detectable: float | None = None
    """As `Contrast.detectable`, of the margin; None of what is no linear combination."""


def margin(
    statement: Statement, samples: Samples, numbers: Numbers, *, paired: bool, checks: int = 1
) -> Margin:
    """Return the interval of a statement's margin, which is above zero where the statement holds.

    It is one of ``checks`` of a claim that must all hold: that it does not is shown at the level of
    one among so many, that it does at its own. ``paired`` as in `contrasts.estimate`.
    """
    try:
        tree = margin_tree(statement)
        if any(value.std for value in samples):
            raise NotLinearError
    except NotLinearError:
        figures = {value: sample.values for value, sample in samples.items()}
        clusters = clustered(figures)
        fewest = min(drawn.shape[1] for _, drawn in clusters)
        if fewest < 2:
            return Margin(None, BOOTSTRAP, Untested.ONE_SEED if fewest else Untested.APART)
        return Margin(resampled_interval(statement, clusters, numbers), BOOTSTRAP)
    parts = [_combined(ratio.above, samples, numbers, paired=paired) for ratio in leaves(tree)]
    # The same values on both sides are a margin of zero.
    reasons = {each.untested for each in parts} - {None, Untested.SAME}
    untested = next((each for each in Untested if each in reasons), None)
    # A single network says nothing about a recipe.
    if any(each.method == Method.NETWORKS for each in parts):
        untested = Untested.ONE_SEED
    method = next((each.method for each in parts if each.method != Method.EXACT), Method.EXACT)
    if untested:
        return Margin(None, method, untested)
    ends = _interval(tree, samples, numbers, paired=paired, checks=checks)
    is_linear = isinstance(tree, Ratio) and tree.below == ONE
    least = contrasts(parts)[0].detectable if is_linear else None
    return Margin(Interval(*ends), method, detectable=least)


def _interval(
    tree: Tree, samples: Samples, numbers: Numbers, *, paired: bool, checks: int
) -> tuple[float, float]:
    def ends(ratio: Ratio, level: float) -> tuple[float, float]:
        above = _combined(ratio.above, samples, numbers, paired=paired)
        low, high = _ends(above, level)
        if not ratio.below.coefficients:
            return low, high
        below = _combined(ratio.below, samples, numbers, paired=paired)
        divisor = _ends(below, LEVEL)
        if below.untested or divisor[0] <= 0 <= divisor[1]:
            return -np.inf, np.inf
        first, second = sorted((low / below.value, high / below.value))
        return first, second

    return interval(tree, ends, LEVEL, among(LEVEL, checks))


def _ends(found: Estimate, level: float) -> tuple[float, float]:
    # One of several that are judged together has a stricter level, and the degrees for that.
    degrees = found.degrees_among or found.degrees if level < LEVEL else found.degrees
    half = float(stdtrit(degrees, 1 - level / 2)) * found.error
    return found.value - half, found.value + half


def _combined(linear: Linear, samples: Samples, numbers: Numbers, *, paired: bool) -> Estimate:
    """Return the estimate of a linear combination: of one trial's values within their seeds."""
    constant, trials = linear.constant, dict[tuple[str, str | None, bool], list[Value]]()
    for value, factor in linear.coefficients.items():
        if value in numbers:
            constant += factor * numbers[value]
        else:
            has_seeds = None not in samples[value].values
            trials.setdefault((value.trial, value.variant, has_seeds), []).append(value)
    terms = []
    for values in trials.values():
        factors = [linear.coefficients[value] for value in values]
        if len(values) == 1:
            terms.append((factors[0], samples[values[0]]))
            continue
        common = [seed for seed in samples[values[0]].values
                  if all(seed in samples[value].values for value in values)]  # fmt: skip
        if not common:
            return Estimate(float("nan"), (0,), Method.WELCH, untested=Untested.APART)
        within = {
            seed: sum(f * samples[v].values[seed] for f, v in zip(factors, values, strict=True))
            for seed in common
        }
        terms.append((1.0, Sample(within)))
    return estimate(terms, constant, paired=paired)


# --- a value, seed by seed -----------------------------------------------------------------------


def sample_of_value(results: Analysis, group: Group, value: Value) -> Sample:
    """Return a value's figures by seed; of ``std``, those that it is the spread of.

    Raises NotJudgedError, which says what is missing and, where a command gives it, which one.
    """
    if value.share is not None:
        sample = Sample(epochs_to(results, group, value.metric, value.share))
    else:
        sample = sample_of(results, group, value.metric, value.epoch)
    if not sample.values:
        raise NotJudgedError(f"{value} was not measured{advice(results, group, value)}")
    if value.std and len(sample.values) < 2:
        raise NotJudgedError(
            f"{value} needs two seeds or more, {group.label} has one; `resray bench` with --seeds "
            "0,1,2 gives them"
        )
    return sample


def advice(results: Analysis, group: Group, value: Value) -> str:
    """Return which command measures a value; nothing where `resray evaluate` does not."""
    evaluation = METRICS[value.metric].evaluation
    if evaluation is None:
        return ""
    row, kind = group.finished[0], evaluation[0]
    given = ("--input", "FILE") if kind == "foreign" else ()
    own_code = runs_own_code(row["model"] or "")
    words = ("evaluate", results.folder, "--kind", kind, *given)
    return f"; `{command(*words, data_dir=row['data_dir'], trust=own_code)}` measures it"


def epochs_to(
    results: Analysis, group: Group, metric: str, share: float
) -> dict[int | None, float]:
    """Return for each seed the first epoch with ``share`` of the metric's highest value of any."""
    ids = [row["trial_id"] for row in group.finished]
    courses = results.epoch_table.arrays(EPOCH_COLUMNS.get(metric, metric), ids)
    courses = np.where(np.isfinite(courses), courses, -np.inf)
    return {
        row["seed"]: float(results.epoch_table.numbers[(course >= share * course.max()).argmax()])
        for row, course in zip(group.finished, courses, strict=True)
        if np.isfinite(course).any()
    }
