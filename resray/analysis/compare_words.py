"""Compared metrics in words: the same in the report and in the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from resray.analysis.compare import Compared, Folders
from resray.analysis.contrast_words import HOW, seeds, with_detectable
from resray.analysis.statistics import Summary
from resray.analysis.words import Valued, between, chance, estimate, fixed, listed, signed
from resray.study.metrics import METRICS, Metric

METHOD = (
    "Differences (of accuracies in points) are the other folder's mean minus the first one's. "
    f"Behind a mean stands half its 95 % interval. {HOW} Intervals and p values hold for all "
    "comparisons that are shown together (Sidak 1967)."
)


@dataclass(frozen=True)
class Words:
    """A comparison's numbers as text."""

    first: Valued
    second: Valued
    difference: Valued
    percent: Valued | None
    interval: Valued
    seeds: str | None
    method: str | None
    p: Valued
    """Of all comparisons together."""


def words(one: Compared) -> Words:
    metric, found, shown = METRICS[one.metric], one.difference, one.first or one.second
    digits, size = metric.places(shown.mean if shown else 0.0), metric.scale
    return Words(
        mean(metric, one.first, digits),
        mean(metric, one.second, digits),
        signed(found and found.value / size, digits),
        percent(one),
        between(found.interval.over(size) if found and found.interval else None, digits),
        seeds(found) if found and found.interval else None,
        found.estimate.method if found and found.interval else None,
        chance(found.p if found else None),
    )


def mean(metric: Metric, summary: Summary | None, digits: int) -> Valued:
    """Return ``90.07 ± 0.63 (n = 3)``; of a network's size, which no seed changes, the number."""
    if metric.counted:
        return fixed(summary and summary.mean, digits)
    return estimate(summary and summary.over(metric.scale), digits)


def caption(text: str, found: Sequence[Compared]) -> str:
    """Return a metric's caption with how large a difference its table could have shown."""
    metric = METRICS[found[0].metric]
    first = next((one.first for one in found if one.first), None)
    digits = metric.places(first.mean if first else 0.0)
    unit = " points" if metric.in_points else f" {metric.unit}" if metric.unit else ""
    judged = [one.difference for one in found]
    return with_detectable(
        text, judged, lambda least: f"{fixed(least / metric.scale, digits)}{unit}"
    )


def percent(one: Compared) -> Valued | None:
    """Return the relative difference as ``−3.1 %``; None of accuracies, whose own unit that is."""
    if one.percent is None or METRICS[one.metric].in_points:
        return None
    return Valued(f"{signed(one.percent, 1)}\u00a0%", one.percent)


def notes(folders: Folders) -> list[str]:
    """Return what to know of the folders before their numbers: whether they are of one study, and
    what only one of them has."""
    found = []
    studies = {name: results.title for name, results in folders.sources.items()}
    if len(set(studies.values())) > 1:
        called = "; ".join(f"{name}: {text}" for name, text in studies.items())
        found.append(f"The folders are of different studies, so that one name may mean different "
                     f"trainings ({called}).")  # fmt: skip
    elif len({repr(results.study) for results in folders.sources.values()}) > 1:
        found.append("The folders' study files differ.")
    for name, matching in folders.matchings.items():
        sides = ((folders.first, matching.only_first), (name, matching.only_second))
        for own, groups in sides:
            if groups:
                other = name if own == folders.first else folders.first
                labels = listed((group.label for group in groups), most=8)
                found.append(f"Only in {own}, so not compared with {other}: {labels}.")
    return found
