"""How surely the best of several configurations leads the others, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from resray.analysis.contrast_words import NOT_SHOWN, SURE, seeds, verdict
from resray.analysis.contrasts import Contrast, Method, contrasts, difference, with_one
from resray.analysis.groups import Group
from resray.analysis.metrics import sample_of
from resray.analysis.results import Analysis
from resray.analysis.statistics import Interval
from resray.analysis.words import between, listed, signed

NAMED = 3
"""So many of the others are called by name."""


@dataclass(frozen=True)
class Lead:
    """The best configuration beside the others, as in a table of differences to it."""

    best: Group
    others: tuple[Group, ...]
    differences: dict[str, Contrast]
    """How far each of the others lies above the best, by its label."""

    @classmethod
    def of(cls, results: Analysis, best: Group, others: Sequence[Group]) -> "Lead":
        """Return how the best of `comparable` groups leads the others."""
        own = sample_of(results, best, "test_accuracy")
        estimates = [
            difference(own, sample_of(results, group, "test_accuracy"), paired=results.paired)
            for group in others
        ]
        judged = contrasts(estimates, with_one(len(others) + 1))
        found = zip((group.label for group in others), judged, strict=True)
        return cls(best, tuple(others), dict(found))

    def next(self, group: Group, it: str) -> str:
        """Return how far the next best is from the best, which is called ``it``."""
        found = self.differences[group.label]
        by = f"The next, {group.label}, differs from {it} by {signed(found.value)} points"
        if found.interval is None:
            return f"{by} (not tested: {found.estimate.untested})."
        return (
            f"{by} (95\u00a0% interval {between(found.interval)}, {found.estimate.method}, "
            f"{seeds(found)} seeds): {verdict(found)}."
        )

    def gain(self, group: Group) -> str:
        """Return by how much the best is better than another: ``2.10 points (...)``."""
        found = self.differences[group.label]
        points = f"{signed(-found.value)} points"
        if found.interval is None:
            return points
        interval = Interval(-found.interval.high, -found.interval.low)
        of = " of these two networks" if found.estimate.method == Method.NETWORKS else ""
        return f"{points} (95\u00a0% interval{of} {between(interval)}, {verdict(found)})"

    @cached_property
    def level(self) -> list[str]:
        """The labels of what is not separated from the best."""
        return [label for label, found in self.differences.items() if verdict(found) == NOT_SHOWN]

    def apart(self, it: str) -> str:
        """Return how many of the others can, and cannot, be told from the best."""
        many = len(self.others)
        apart = sum(verdict(found) in SURE for found in self.differences.values())
        untested = many - apart - len(self.level)
        rest = f" Not tested: {untested:,}." if untested else ""
        if not self.level:
            return f"Separated from {it}: {apart:,} of {many:,} others.{rest}"
        names = listed(self.level, most=NAMED)
        return f"Not separated from {it}: {len(self.level):,} of {many:,} others ({names}).{rest}"
