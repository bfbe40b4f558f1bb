"""Which epochs are evaluated, early stopping, and which epoch is the best so far: functions of the
records, without state.

The accuracy of an epoch that was not evaluated is None.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from resray.results.summary import best_epoch
from resray.study.recipe_spec import EarlyStopping, Recipe
from resray.training.schedules import restarts


def evaluates(recipe: Recipe, epoch: int, also: Collection[int] = ()) -> bool:
    """Return whether validation and test are measured after an epoch; ``also`` are epochs at which
    a training is judged or may be ended from outside."""
    return epoch % recipe.evaluate_every == 0 or epoch == recipe.epochs or epoch in also


def epochs_without_rise(accuracies: Sequence[float | None], min_delta: float) -> int:
    """Return how many epochs ago the accuracy last rose by more than ``min_delta`` points."""
    best, since = -math.inf, 0
    for accuracy in accuracies:
        since += 1
        if accuracy is not None and accuracy > best + min_delta:
            best, since = accuracy, 0
    return since


def stopping_reason(recipe: Recipe, accuracies: Sequence[float | None]) -> str | None:
    """Return why a training ends early after epochs with these accuracies of the split that
    selects, None if it goes on, as it does after every epoch that was not evaluated."""
    stopping = recipe.early_stopping
    if stopping is None or not accuracies or accuracies[-1] is None:
        return None
    highest = max(accuracy for accuracy in accuracies if accuracy is not None)
    if stopping.target is not None and highest >= stopping.target:
        return f"early stopping: {recipe.selection} accuracy reached {stopping.target:g} %"
    if stopping.patience is None or waited(stopping, recipe, accuracies) < stopping.patience:
        return None
    ending = "s" if stopping.patience > 1 else ""
    return (
        f"early stopping: no better {recipe.selection} accuracy for {stopping.patience} "
        f"epoch{ending}"
    )


def waited(stopping: EarlyStopping, recipe: Recipe, accuracies: Sequence[float | None]) -> float:
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
    if reason := stopping_reason(recipe, watched_accuracies(recipe, records)):
        return {"status": "completed", "reason": reason}
    if stop_after is not None and len(records) >= stop_after:
        return {"status": "stopped", "reason": f"stop-after {stop_after}"}
    return None


def watched_accuracies(recipe: Recipe, records: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Return all epochs' accuracies of the split that selects, None between the recipe's own
    evaluations: what a search or ``--stop-after`` measures besides must not change a training."""
    column = f"{recipe.selection}_accuracy"
    return [
        record[column] if evaluates(recipe, epoch) else None
        for epoch, record in enumerate(records, 1)
    ]


def is_best_so_far(recipe: Recipe, records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the last record is the one that `resray.results.summary.best_epoch` selects:
    without a split that selects, every epoch is the best so far."""
    return best_epoch(records, recipe.selection) is records[-1]
