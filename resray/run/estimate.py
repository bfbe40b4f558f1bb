"""How long a bench takes with several GPUs to a trial and with one, so that the user can choose."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from resray.run.cost import OPERATIONS_PER_MULTIPLY_ADD
from resray.run.plan import Planner
from resray.run.resources import Allocation, Machine, allocate, counted
from resray.search.jobs import PlannedJob
from resray.study.recipe_spec import Recipe

Speed = Callable[[Recipe], float]
"""Returns the operations per second of one GPU at a recipe's batch size, as `probe` does."""


def compared_hours(
    planner: Planner, todo: Sequence[PlannedJob], chosen: Allocation, machine: Machine, speed: Speed
) -> str | None:
    """Return the estimated hours of the allocation that resray chose, and of one GPU to a trial.

    None where the user chose, or a trial has no more than one GPU. Exchanging gradients is taken to
    cost nothing; that a rank's part of the batch is small is measured.
    """
    if planner.shares.gpus_per_trial is not None or not chosen.use_gpu or chosen.world_size == 1:
        return None
    alone = allocate(replace(planner.shares, gpus_per_trial=1), machine, len(planner.trials))
    recipe = todo[0].trial.recipe if todo else planner.trials[0].recipe
    left = [planner.work_left(item) * OPERATIONS_PER_MULTIPLY_ADD for item in todo]
    told = []
    for each in (chosen, alone):
        part = recipe.model_copy(update={"batch_size": recipe.batch_size // each.world_size})
        rate = speed(part) * each.world_size
        seconds = makespan((work / rate for work in left), each.side_by_side)
        told.append(f"about {seconds / 3600:.2g} hours")
    return (
        f"{told[0]} with {counted(chosen.world_size, 'GPU')} to a trial; {told[1]} with "
        "--gpus-per-trial 1"
    )


def makespan(durations: Iterable[float], slots: int) -> float:
    """Return when all have ended: each slot takes the longest that waits."""
    ends = [0.0] * slots
    for duration in sorted(durations, reverse=True):
        ends[ends.index(min(ends))] += duration
    return max(ends)
