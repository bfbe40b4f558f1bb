"""Early stopping, and which epoch is the best so far: functions of the records, without state."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from resray.study.recipe_spec import EarlyStopping, Recipe


def epochs_without_rise(accuracies: Sequence[float], min_delta: float) -> int:
    """Return how many epochs ago the accuracy last rose by more than ``min_delta`` points."""
    best, since = -math.inf, 0
    for accuracy in accuracies:
        since += 1
        if accuracy > best + min_delta:
            best, since = accuracy, 0
    return since


def stops_early(stopping: EarlyStopping | None, accuracies: Sequence[float]) -> bool:
    """Return whether the validation accuracies of all epochs so far end the training."""
    if stopping is None:
        return False
    return epochs_without_rise(accuracies, stopping.min_delta) >= stopping.patience


def ending_of(
    recipe: Recipe, records: Sequence[Mapping[str, Any]], stop_after: int | None = None
) -> dict[str, Any] | None:
    """Return how a training with these records has ended, or None if it goes on."""
    if len(records) >= recipe.epochs:
        return {"status": "completed", "reason": None}
    if stops_early(recipe.early_stopping, validation_accuracies(records)):
        return {"status": "completed", "reason": stopping_reason(recipe)}
    if stop_after is not None and len(records) >= stop_after:
        return {"status": "stopped", "reason": f"stop-after {stop_after}"}
    return None


def validation_accuracies(records: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the validation accuracies of all epochs; without a validation split, none."""
    accuracies = (record["validation_accuracy"] for record in records)
    return [accuracy for accuracy in accuracies if accuracy is not None]


def stopping_reason(recipe: Recipe) -> str:
    """Return why a training ended that stopped early."""
    assert recipe.early_stopping is not None
    epochs = recipe.early_stopping.patience
    ending = "s" if epochs > 1 else ""
    return f"early stopping: no better validation accuracy for {epochs} epoch{ending}"


def is_best_so_far(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the last record has the highest validation accuracy, the first if equal.

    Without a validation split every epoch counts as the best so far: the last one is used.
    """
    accuracies = [record["validation_accuracy"] for record in records]
    if accuracies[-1] is None:
        return True
    return all(accuracies[-1] > earlier for earlier in accuracies[:-1])
