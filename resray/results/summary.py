"""From a trial's epoch rows to the figures in its own row."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]

HOLDING = ("seconds_training", "seconds_evaluating", "seconds_saving")
"""What an epoch, or a trial, holds its device for."""


def summarise(epochs: Sequence[Row]) -> Row:
    """Return the columns of the trials table that follow from its epochs, oldest first.

    The best epoch is the first with the highest validation accuracy; where there is no validation
    split, nothing may be selected and it is the last. Without epochs nothing was measured.
    """
    best, last = (best_epoch(epochs), epochs[-1]) if epochs else ({}, {})
    training = total(row["seconds_training"] for row in epochs)
    return {
        "epochs_done": last.get("epoch", 0),
        "best_epoch": best.get("epoch"),
        "validation_accuracy": best.get("validation_accuracy"),
        "test_accuracy": best.get("test_accuracy"),
        "test_accuracy_best": highest(row["test_accuracy"] for row in epochs),
        "test_accuracy_last": last.get("test_accuracy"),
        "seconds_training": training,
        "seconds_evaluating": total(row["seconds_evaluating"] for row in epochs),
        "seconds_saving": total(row.get("seconds_saving") for row in epochs),
        "images_per_second": sum(row["images"] for row in epochs) / training if training else None,
        "peak_memory_bytes": highest(row["peak_memory_bytes"] for row in epochs),
        "energy_joules": total(row.get("energy_joules") for row in epochs),
    }


def best_epoch(epochs: Sequence[Row]) -> Row:
    """Return the row with the highest validation accuracy, the first if several have it."""
    judged = [row for row in epochs if row["validation_accuracy"] is not None]
    if not judged:
        return epochs[-1]
    return max(judged, key=lambda row: (row["validation_accuracy"], -row["epoch"]))


def highest(values: Any) -> Any:
    """Return the highest of the values that were measured, or None."""
    return max((value for value in values if value is not None), default=None)


def total(values: Any) -> Any:
    """Return the sum of the values, or None if one of them was not measured, or there is none."""
    known = list(values)
    return sum(known) if known and None not in known else None


def seconds_of(record: Mapping[str, Any]) -> float:
    """Return how long an epoch, or a trial, held its device; older ones have no time of saving."""
    return sum(record.get(part) or 0.0 for part in HOLDING)
