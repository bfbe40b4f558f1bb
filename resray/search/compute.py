"""What a search has spent, against training each of its points in full.

In training multiply-adds, which do not depend on the device or on what else ran there. Works on
rows of the trials table as `ResultStore` gives them (a null is None or left out).
"""

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]

PASSES = 3
"""A backward pass counts as two forward passes."""


def spent(row: Row) -> float:
    """Return the multiply-adds that a trial's recorded epochs took."""
    return _epoch(row) * (row.get("epochs_done") or 0)


def in_full_cost(row: Row) -> float:
    """Return the multiply-adds of a search trial's point at its full length."""
    return _epoch(row) * (row.get("full_epochs") or 0)


def _epoch(row: Row) -> float:
    return float(PASSES * (row.get("multiply_adds") or 0) * (row.get("train_images") or 0))


def share_spent(rows: Iterable[Row]) -> float | None:
    """Return what part (0 to 1) of training every point in full the search trials have spent.

    Rungs with schedules of their own are trials of one point, whose full length counts once. What
    the audit trained counts as spent. None where nothing is known yet.
    """
    searched = [row for row in rows if row["role"] == "search"]
    points = {(row["space"], row["point"], row["seed"]): in_full_cost(row) for row in searched}
    everything = sum(points.values())
    return sum(spent(row) for row in searched) / everything if everything else None
