"""From a trial's epoch rows to the figures in its own row."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from resray.study.layers import flatten

Row = dict[str, Any]

VALIDATION, TEST = "validation", "test"
"""The split that selects a trial's best epoch; test only of what was run as its author did."""
LAST = "last epoch"
"""What stands in place of a split where none selects."""

HOLDING = ("seconds_compiling", "seconds_training", "seconds_evaluating", "seconds_saving")
"""What an epoch, or a trial, holds its device for."""


def summarise(epochs: Sequence[Row], selection: str = VALIDATION) -> Row:
    """Return the columns of the trials table that follow from its epochs, oldest first.

    The best epoch is the first with the highest accuracy of the split that selects; where there is
    none, nothing may be selected and it is the last. Epochs that were not evaluated are none to
    select; without evaluated ones nothing was measured.
    """
    best, last = best_epoch(epochs, selection) or {}, epochs[-1] if epochs else {}
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
        "seconds_compiling": total(row.get("seconds_compiling") for row in epochs),
        "seconds_saving": total(row.get("seconds_saving") for row in epochs),
        "images_per_second": sum(row["images"] for row in epochs) / training if training else None,
        "peak_memory_bytes": highest(row["peak_memory_bytes"] for row in epochs),
        "energy_joules": total(row.get("energy_joules") for row in epochs),
    }


def selection_of(row: Mapping[str, Any]) -> str:
    """Return the split that selects the best epoch of a trials row: validation, but for what was
    run as its author did."""
    return str(parsed_json(row.get("recipe"), {}).get("selection", VALIDATION))


def chosen_by(row: Mapping[str, Any]) -> str:
    """Return what chooses the best epoch of a trials row: a split or, where no images are held out
    to select on, by its recipe or its epochs, that it is the last one."""
    recipe, selection = flatten(parsed_json(row.get("recipe"), {})), selection_of(row)
    unmeasured = row.get("best_epoch") is not None and row["validation_accuracy"] is None
    unheld = unmeasured or recipe.get("data.validation_images") == 0
    return LAST if unheld and selection == VALIDATION else selection


def parsed_json(text: str | None, empty: Any) -> Any:
    """Return what ``text`` says if it has the shape of ``empty``, else ``empty``."""
    try:
        value = json.loads(text) if text else empty
    except (ValueError, RecursionError):
        return empty
    return value if isinstance(value, type(empty)) else empty


def best_epoch(epochs: Sequence[Mapping[str, Any]], selection: str) -> Mapping[str, Any] | None:
    """Return the row with the highest accuracy of a split, the first if several have it.

    Where that split is none that was evaluated, though the other one was, it is the last row; None
    before the first evaluation.
    """
    column = f"{selection}_accuracy"
    judged = [row for row in epochs if row[column] is not None]
    evaluated = any(is_evaluated(row) for row in epochs)
    last = epochs[-1] if evaluated else None
    return max(judged, key=lambda row: (row[column], -row["epoch"]), default=last)


def is_evaluated(record: Mapping[str, Any]) -> bool:
    """Return whether an epoch has an accuracy of validation or test."""
    return (record["validation_accuracy"], record["test_accuracy"]) != (None, None)


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


FLOPS_PER_MULTIPLY_ADD = 2 * 3
"""Of training: a multiply-add is two operations, a backward pass as many as two forward passes."""


def utilisation(row: Mapping[str, Any]) -> float | None:
    """Return the share of its devices' matrix rate that a trials row's images per second make, None
    where one of them is not known."""
    factors = ("multiply_adds", "images_per_second", "matrix_rate", "world_size")
    each, speed, rate, ranks = (row.get(column) for column in factors)
    if each is None or speed is None or rate is None or ranks is None:
        return None
    return float(FLOPS_PER_MULTIPLY_ADD * each * speed / (rate * ranks))
