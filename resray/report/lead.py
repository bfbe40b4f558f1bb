"""How surely the best of several configurations leads the others, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from resray.analysis.statistics import Interval
from resray.report.aggregate import Group, Results
from resray.report.alike import condition_of, obstacles
from resray.report.metrics import values_of
from resray.report.significance import REAL, SAME, Difference, differences
from resray.report.text import between, chance, listed, signed

NAMED = 3
"""So many of the others are called by name."""


@dataclass(frozen=True)
class Lead:
    """The best configuration beside the others, as in a table of differences to it."""

    best: Group
    others: tuple[Group, ...]
    differences: dict[str, Difference]
    """How far each of the others lies above the best, by its label; without those that are not
    compared."""

    @classmethod
    def of(cls, results: Results, best: Group, others: Sequence[Group]) -> "Lead":
        condition, values = condition_of(best), values_of(results, best, "test_accuracy")
        compared = [group for group in others if not any(obstacles(condition, condition_of(group)))]
        pairs = [(values, values_of(results, group, "test_accuracy")) for group in compared]
        found = zip((group.label for group in compared), differences(pairs), strict=True)
        return cls(best, tuple(others), dict(found))

    def next(self, group: Group, it: str) -> str:
        """Return how far the next best is from the best, which is called ``it``."""
        found = self.differences.get(group.label)
        if found is None:
            return f"The next, {group.label}, was tested on other images, so is not compared."
        by = f"The next, {group.label}, differs from {it} by {signed(found.value)} points"
        if found.interval is None:
            return f"{by} (not tested: {found.untested})."
        n = f"{found.samples} by seed" if found.paired else f"{found.samples} seeds"
        return (
            f"{by} (95\u00a0% interval {between(found.interval)}, p {chance(found.corrected)} "
            f"after Holm, {n}): {'real' if found.verdict == REAL else 'not shown to be real'}."
        )

    def gain(self, group: Group) -> str | None:
        """Return by how much the best is better than another: ``2.10 points (...)``; None where the
        two are not compared."""
        found = self.differences.get(group.label)
        if found is None:
            return None
        points = f"{signed(-found.value)} points"
        if found.interval is None:
            return points
        interval = Interval(-found.interval.high, -found.interval.low)
        return f"{points} (95\u00a0% interval {between(interval)}, {found.verdict})"

    @cached_property
    def level(self) -> list[str]:
        """The labels of what is not shown to differ from the best."""
        return [label for label, found in self.differences.items()
                if found.verdict == "not shown" or found.untested == SAME]  # fmt: skip

    def apart(self, it: str) -> str:
        """Return how many of the others can, and cannot, be told from the best."""
        many = len(self.others)
        real = sum(found.verdict == REAL for found in self.differences.values())
        untested = many - real - len(self.level)
        rest = f" Not tested: {untested:,}." if untested else ""
        if not self.level:
            return f"Shown to differ from {it}: {real:,} of {many:,} others.{rest}"
        names = listed(self.level, most=NAMED)
        shown = f"{len(self.level):,} of {many:,} others ({names})"
        return f"Not shown to differ from {it}: {shown}.{rest}"
