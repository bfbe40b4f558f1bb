"""The learning rate as a function of the step: no state to save, none to restore.

Steps are optimizer steps: with gradient accumulation, one for several batches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from resray.study.recipe_spec import Schedule, SchedulePart

HIGH_MOMENTUM, LOW_MOMENTUM = 0.95, 0.85
"""Between these OneCycle moves the momentum: the defaults of torch's OneCycleLR."""


@dataclass(frozen=True)
class Position:
    """Where a training is within the schedule that is in force."""

    part: SchedulePart
    step: int
    """Of the part; 0 is its first."""
    steps_per_epoch: int
    epochs: int
    """Of the part."""

    @property
    def steps(self) -> int:
        """All steps of the part."""
        return self.epochs * self.steps_per_epoch


def position(schedule: Schedule, *, step: int, steps_per_epoch: int, epochs: int) -> Position:
    """Return the part of a schedule that ``step`` (0 is the training's first) falls in."""
    first = 0
    for part in schedule.parts:
        last = part.until or epochs
        if step < last * steps_per_epoch:
            within = step - first * steps_per_epoch
            return Position(part, within, steps_per_epoch, last - first)
        first = last
    return Position(schedule, step, steps_per_epoch, epochs)


def learning_rate_factor(place: Position, plateau: float = 1.0) -> float:
    """Return the factor of the optimizer's lr at a step.

    A linear warm-up, if any, comes first: its k-th of n steps has k / n of the way from 0 to the
    peak, or (k - 1) / n of the way from where it starts above 0. ``plateau`` is what
    `plateau_factor` gives for the epochs so far: of the plateau schedule it is the factor, others
    do not look at it. Cosine, with and without restarts: Loshchilov & Hutter, "SGDR" (2016);
    onecycle: Smith & Topin, "Super-Convergence" (2017), as in torch.
    """
    part = place.part
    warmup = part.warmup_epochs * place.steps_per_epoch
    if place.step < warmup:
        # A step at rate 0 would be none. Of a part of a step at the end the rate is the peak's.
        step = place.step if part.warmup_start else min(place.step + 1, warmup)
        return part.warmup_start + (1 - part.warmup_start) * step / warmup
    if part.name == "constant":
        return 1.0
    if part.name == "step":
        epoch = place.step / place.steps_per_epoch
        return part.gamma ** sum(epoch >= milestone for milestone in part.milestones)
    if part.name == "onecycle":
        return one_cycle(place, part.start, 1.0, part.end)
    if part.name == "plateau":
        return plateau
    if part.name == "cosine_restarts":
        done = restarted(part, place.step - warmup, place.steps_per_epoch)
    else:
        done = (place.step - warmup) / (place.steps - warmup)
    remaining = 1 - done if part.name == "linear" else (1 + math.cos(math.pi * done)) / 2
    return part.end + (1 - part.end) * remaining


def momentum_at(place: Position) -> float | None:
    """Return the momentum (Adam: beta1) that onecycle sets at a step, None if nothing does."""
    if place.part.name != "onecycle" or not place.part.cycle_momentum:
        return None
    return one_cycle(place, HIGH_MOMENTUM, LOW_MOMENTUM, HIGH_MOMENTUM)


def one_cycle(place: Position, start: float, middle: float, end: float) -> float:
    """Return the value on two halves of a cosine, from start to middle and on to end.

    The turn is one step before the share ``rise`` of the steps, which may be between two, and the
    end is the last step: so does torch's OneCycleLR.
    """
    turn, last = place.part.rise * place.steps - 1, place.steps - 1
    if place.step < turn:
        return annealed(start, middle, place.step / turn)
    return annealed(middle, end, (place.step - turn) / (last - turn))


def annealed(start: float, end: float, done: float) -> float:
    """Return the value at share ``done`` of half a cosine from ``start`` to ``end``."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def restarted(part: SchedulePart, steps: float, steps_per_epoch: int) -> float:
    """Return which share of its period has passed, ``steps`` after the first period began.

    The last period is cut where the training ends.
    """
    assert part.period is not None
    period = part.period * steps_per_epoch
    # Rounding must not put a restart off by a step.
    while steps > period - 1e-6:
        steps, period = steps - period, period * part.period_factor
    return steps / period


def plateau_factor(part: SchedulePart, accuracies: Sequence[float]) -> float:
    """Return the factor to which torch's ReduceLROnPlateau comes after these accuracies.

    Its defaults otherwise: a rise counts from one part in ten thousand on.
    """
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(
        optimizer, mode="max", factor=part.gamma, patience=part.patience, min_lr=part.end
    )
    for accuracy in accuracies:
        scheduler.step(accuracy)
    return float(optimizer.param_groups[0]["lr"])
