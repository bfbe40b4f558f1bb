"""Compared metrics in words: the same in the report and in the terminal."""

import math
from dataclasses import dataclass

from resray.analysis.compare import Compared, Folders
from resray.analysis.contrast_words import HOW, seeds
from resray.analysis.metrics import COUNTED
from resray.analysis.statistics import Summary
from resray.analysis.words import Valued, between, chance, estimate, fixed, listed, signed

MEBIBYTE = 2**20
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
    digits, size = digits_of(one.metric, one.first or one.second), scale(one.metric)
    found = one.difference
    return Words(
        mean(one.metric, one.first and one.first.over(size), digits),
        mean(one.metric, one.second and one.second.over(size), digits),
        signed(found and found.value / size, digits),
        percent(one),
        between(found.interval.over(size) if found and found.interval else None, digits),
        seeds(found) if found and found.interval else None,
        found.estimate.method if found and found.interval else None,
        chance(found.p if found else None),
    )


def mean(metric: str, summary: Summary | None, digits: int) -> Valued:
    """Return ``90.07 ± 0.63 (n = 3)``; of a network's size, which no seed changes, the number."""
    if metric in COUNTED:
        return fixed(summary and summary.mean, digits)
    return estimate(summary, digits)


def title(metric: str) -> str:
    """Return ``Test accuracy, %``: a metric with its unit."""
    name = metric.removesuffix("_bytes").replace("_", " ").capitalize().replace("Gpu", "GPU")
    unit = "%" if is_accuracy(metric) else "MiB" if metric.endswith("_bytes") else ""
    return f"{name}, {unit}" if unit else name


def percent(one: Compared) -> Valued | None:
    """Return the relative difference as ``−3.1 %``; None of accuracies, whose own unit that is."""
    if one.percent is None or is_accuracy(one.metric):
        return None
    return Valued(f"{signed(one.percent, 1)}\u00a0%", one.percent)


def is_accuracy(metric: str) -> bool:
    return "accuracy" in metric


def scale(metric: str) -> float:
    """Return by what a metric is divided before it is shown."""
    return MEBIBYTE if metric.endswith("_bytes") else 1


def digits_of(metric: str, summary: Summary | None) -> int:
    """Return how many digits after the point show four in all, three of what is below 1."""
    if is_accuracy(metric) or summary is None:
        return 2
    size = abs(summary.mean / scale(metric))
    if metric in COUNTED or not size or not math.isfinite(size):
        return 0
    before = math.floor(math.log10(size))
    return min(max(3 - before if size >= 1 else 2 - before, 0), 8)


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
