"""Early stopping, and which epoch is the best so far: functions of the records, without state."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from resray.study.recipe_spec import EarlyStopping, Recipe
from resray.training.schedules import restarts


def epochs_without_rise(accuracies: Sequence[float], min_delta: float) -> int:
    """Return how many epochs ago the accuracy last rose by more than ``min_delta`` points."""
    best, since = -math.inf, 0
    for accuracy in accuracies:
        since += 1
        if accuracy > best + min_delta:
            best, since = accuracy, 0
    return since


def stopping_reason(recipe: Recipe, accuracies: Sequence[float]) -> str | None:
    """Return why a training ends early after epochs with these accuracies of the split that
    selects, None if it goes on."""
    stopping = recipe.early_stopping
    if stopping is None:
        return None
    if stopping.target is not None and max(accuracies, default=0.0) >= stopping.target:
        return f"early stopping: {recipe.selection} accuracy reached {stopping.target:g} %"
    if stopping.patience is None or waited(stopping, recipe, accuracies) < stopping.patience:
        return None
    ending = "s" if stopping.patience > 1 else ""
    return (
        f"early stopping: no better {recipe.selection} accuracy for {stopping.patience} "
        f"epoch{ending}"
    )


def waited(stopping: EarlyStopping, recipe: Recipe, accuracies: Sequence[float]) -> float:
    """Return the epochs since the best one, or since the last restart of the rate if that is later
    and counts."""
    since = epochs_without_rise(accuracies, stopping.min_delta)
    done = len(accuracies)
    counting = restarts(recipe.schedule, recipe.epochs) if stopping.after_restart else ()
    return min([since, *(done - restart for restart in counting if restart <= done)])


def ending_of(
    recipe: Recipe, records: Sequence[Mapping[str, Any]], stop_after: int | None = None
) -> dict[str, Any] | None:
    """Return how a training with these records has ended, or None if it goes on."""
    if len(records) >= recipe.epochs:
        return {"status": "completed", "reason": None}
    if reason := stopping_reason(recipe, selecting_accuracies(recipe, records)):
        return {"status": "completed", "reason": reason}
    if stop_after is not None and len(records) >= stop_after:
        return {"status": "stopped", "reason": f"stop-after {stop_after}"}
    return None


def selecting_accuracies(recipe: Recipe, records: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return all epochs' accuracies of the split that selects; without such a split, none."""
    accuracies = (record[f"{recipe.selection}_accuracy"] for record in records)
    return [accuracy for accuracy in accuracies if accuracy is not None]


def is_best_so_far(recipe: Recipe, records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the last record has the highest accuracy of the split that selects, the first
    if equal.

    Without such a split every epoch counts as the best so far: the last one is used.
    """
    accuracies = selecting_accuracies(recipe, records)
    return all(accuracies[-1] > earlier for earlier in accuracies[:-1])
