"""What an audit says: how many of the stopped points would have won at most."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoppedPoint:
    """A point that the scheduler stopped by its value."""

    decided: datetime | None
    """When it was stopped; None is not recorded."""
    audited: bool = False
    """Whether it was drawn at random and trained on, to its end or until it diverged."""
    value: float | None = None
    """Its validation accuracy (%) at its end; None where it diverged, or was not audited."""


@dataclass(frozen=True)
class Audit:
    """What became of the audited ones of some stopped points, beside the search's winner."""

    points: tuple[StoppedPoint, ...]
    winner: float | None
    """The winner's validation accuracy, in percent."""

    @property
    def stopped(self) -> int:
        """How many points were stopped."""
        return len(self.points)

    @property
    def audited(self) -> int:
        """How many of them were audited."""
        return sum(point.audited for point in self.points)

    @property
    def values(self) -> list[float]:
        """What the audited ones reached, in percent; not those that diverged."""
        return [point.value for point in self.points if point.value is not None]

    @property
    def diverged(self) -> int:
        """How many audited ones diverged: these would not have won."""
        return self.audited - len(self.values)

    @property
    def won(self) -> int:
        """Audited points that ended above the winner."""
        return sum(self.winner is not None and value > self.winner for value in self.values)

    @property
    def regret(self) -> float | None:
        """By how many points the best audited one is better than the winner; below 0: worse."""
        return max(self.values) - self.winner if self.values and self.winner is not None else None

    @property
    def most(self) -> int:
        """How many of the stopped would have won at most, with 95 % confidence.

        Holds where each of them could be drawn (`sampled`), and one was.
        """
        return most_hits(self.won, self.audited, self.stopped)

    def sampled(self, began: datetime | None) -> "Audit":
        """Return the audit of the population that was sampled: the points stopped when it began.

        What was stopped later, in a search that has grown, could not be drawn then. A later draw is
        from all the rest, so whatever it takes of this population adds to a random sample of it.
        A point belongs only where both moments are known.
        """
        population = (
            point
            for point in self.points
            if began is not None and point.decided is not None and point.decided <= began
        )
        return Audit(tuple(population), self.winner)


def audit_began(starts: Iterable[tuple[datetime, datetime]]) -> datetime | None:
    """Return when the first audited point began to train on; None if no start is recorded.

    Takes, for each recorded start of audited trials, when it was and when the point was stopped.
    """
    return min((start for start, stopped in starts if start >= stopped), default=None)


def most_hits(hits: int, drawn: int, total: int) -> int:
    """Return the largest number of hits that there may be among ``total``, with 95 % confidence,
    when ``drawn`` of them were drawn at random without replacement and ``hits`` of those were hits.

    The exact one-sided bound from the hypergeometric distribution: Buonaccorsi, "A Note on
    Confidence Intervals for Proportions in Finite Populations" (1987). For large totals it is that
    of Clopper and Pearson (1934), which for no hit is the rule of three.
    """
    assert 0 <= hits <= drawn <= total
    assert drawn > 0
    possible = range(hits, total - (drawn - hits) + 1)
    return max(number for number in possible if at_most(hits, drawn, number, total) > 0.05)


def at_most(hits: int, drawn: int, marked: int, total: int) -> float:
    """Return how likely ``hits`` or fewer of the ``marked`` are among ``drawn`` of ``total``."""
    ways = sum(math.comb(marked, number) * math.comb(total - marked, drawn - number)
               for number in range(hits + 1))  # fmt: skip
    return ways / math.comb(total, drawn)
