"""What a search spent against training every point in full, and what its audit says of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resray.analysis.groups import Row
from resray.analysis.search import COMPLETED, DIVERGED, FAILED, STATES, STOPPED, Search, SearchPoint
from resray.results import summary
from resray.search.audit import Audit, StoppedPoint

DECIDED = (COMPLETED, STOPPED, FAILED, DIVERGED)
"""States that came of the recipe and the scheduler, not of a budget or an interruption."""


@dataclass(frozen=True)
class Spent:
    """What some points cost, beside what they would have cost in full.

    A failed point costs in full what it cost, and so does one that its own early stopping ended: no
    scheduler is needed for that.
    """

    points: int
    epochs: int
    full_epochs: int
    work: float | None
    """Multiply-adds of forward passes over training images; None if not known of all."""
    full_work: float | None
    seconds: float | None
    """Of training, evaluating and saving; None if not measured of all."""
    full_seconds: float | None
    """At each point's measured speed."""

    @property
    def shares(self) -> tuple[float | None, float | None, float | None]:
        """Of epochs, multiply-adds and seconds, the share of what all would cost in full."""
        return (
            ratio(self.epochs, self.full_epochs),
            ratio(self.work, self.full_work),
            ratio(self.seconds, self.full_seconds),
        )


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def spent_on(points: Sequence[SearchPoint]) -> Spent:
    """Return what points cost the search itself, without its audit."""
    return Spent(
        points=len(points),
        epochs=sum(map(epochs_of, points)),
        full_epochs=sum(map(full_epochs_of, points)),
        work=total(work_of(point, epochs_of(point)) for point in points),
        full_work=total(work_of(point, full_epochs_of(point)) for point in points),
        seconds=total(map(seconds_of, points)),
        full_seconds=total(map(full_seconds_of, points)),
    )


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum, None if a part of it is not known."""
    parts = list(values)
    return None if any(part is None for part in parts) else sum(part or 0.0 for part in parts)


def own_epochs(point: SearchPoint, row: Row) -> int:
    """Return the epochs of one training that are not its audit's."""
    if row["audited"] and point.stop:
        same = point.stop["trial_id"] == row["trial_id"]
        return point.stop["epoch"] if same else 0
    return row["epochs_done"] or 0


def epochs_of(point: SearchPoint) -> int:
    return sum(own_epochs(point, row) for row in point.rows)


def full_epochs_of(point: SearchPoint) -> int:
    """Return the epochs that a point takes without a scheduler."""
    if point.state in (FAILED, DIVERGED):
        return epochs_of(point)
    return point.row["epochs_done"] or 0 if point.state == COMPLETED else point.full_epochs


def audit_epochs(points: Iterable[SearchPoint]) -> int:
    """Return the epochs that were trained for the audit alone."""
    return sum((row["epochs_done"] or 0) - own_epochs(point, row)
               for point in points for row in point.rows)  # fmt: skip


def work_of(point: SearchPoint, epochs: int) -> float | None:
    row = point.row
    if row["multiply_adds"] is None or row["train_images"] is None:
        return None
    return float(row["multiply_adds"]) * row["train_images"] * epochs


def seconds_of(point: SearchPoint) -> float | None:
    """Return the seconds of training, evaluating and saving, without the audit's share of them."""
    trained = [(seconds_per_epoch(row), own_epochs(point, row)) for row in point.rows
               if row["epochs_done"]]  # fmt: skip
    return total(each if each is None else each * epochs for each, epochs in trained)


def full_seconds_of(point: SearchPoint) -> float | None:
    """Return the seconds that all epochs take at the speed of those that were trained."""
    seconds, trained = seconds_of(point), epochs_of(point)
    if point.state in (FAILED, DIVERGED):
        return seconds
    return seconds * full_epochs_of(point) / trained if seconds is not None and trained else None


def seconds_per_epoch(row: Row) -> float | None:
    spent = summary.seconds_of(row)
    return spent / row["epochs_done"] if spent and row["epochs_done"] else None


def by_state(search: Search) -> list[tuple[str, Spent]]:
    """Return what the points of each state cost, in words and numbers."""
    found = [(words, search.of_state(state)) for state, words in STATES.items()]
    return [(words, spent_on(points)) for words, points in found if points]


# --- the audit ----------------------------------------------------------------------------------


def audit_of(search: Search) -> Audit:
    """Return what became of the stopped points that were trained to the end after all."""
    points = []
    for point in search.of_state(STOPPED):
        assert point.stop is not None
        value = point.audited["validation_accuracy"] if point.audited else None
        # One that ended without a validation accuracy says nothing of itself.
        audited = value is not None or point.audit_diverged
        points.append(StoppedPoint(point.stop["decided"], audited, value))
    return Audit(tuple(points), search.won.accuracy if search.won else None)
