"""The learning rate as a function of the step: no state to save, none to restore."""

import math

import torch

from resray.study.recipe_spec import Schedule


def learning_rate_factor(
    schedule: Schedule, *, step: int, steps_per_epoch: int, epochs: int
) -> float:
    """Return the factor of the optimizer's lr at ``step`` (0 is the training's first).

    A linear warm-up, if any, comes first; cosine and linear then run from 1 to ``schedule.end``
    over the remaining steps. Cosine without restarts: Loshchilov & Hutter, "SGDR" (2016).
    """
    warmup = schedule.warmup_epochs * steps_per_epoch
    if step < warmup:
        return schedule.warmup_start + (1 - schedule.warmup_start) * step / warmup
    if schedule.name == "constant":
        return 1.0
    if schedule.name == "step":
        epoch = step / steps_per_epoch
        passed = sum(epoch >= milestone for milestone in schedule.milestones)
        return schedule.gamma**passed
    done = (step - warmup) / (epochs * steps_per_epoch - warmup)
    remaining = 1 - done if schedule.name == "linear" else (1 + math.cos(math.pi * done)) / 2
    return schedule.end + (1 - schedule.end) * remaining


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
