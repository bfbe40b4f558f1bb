"""The learning rate as a function of the step: no state to save, none to restore.

Steps are optimizer steps: with gradient accumulation, one for several batches.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from resray.study.optimizer_spec import (
    Constant,
    CosineRestarts,
    OneCycle,
    Part,
    Plateau,
    Schedule,
    StepDecay,
    WarmingUp,
    spans,
)

HIGH_MOMENTUM, LOW_MOMENTUM = 0.95, 0.85
"""Between these OneCycle moves the momentum: the defaults of torch's OneCycleLR."""
EPS = 1e-8
"""A plateau's reduction by less than this is none: the default of torch's ReduceLROnPlateau."""


@dataclass(frozen=True)
class Position:
    """Where a training is within the schedule that is in force.

    Where the rate changes by epoch, an epoch counts as one step.
    """

    part: Part | Plateau
    step: int
    """Of the part; 0 is its first."""
    steps_per_epoch: int
    epochs: int
    """Of the part."""

    def in_steps(self, span: float) -> float:
        """Return a length or period of the part, which is in its unit, in steps."""
        in_steps = getattr(self.part, "unit", "") == "steps"
        return span if in_steps else span * self.steps_per_epoch

    @property
    def steps(self) -> float:
        """The steps that cosine, linear or onecycle is made for: its length, or all there are."""
        length = getattr(self.part, "length", None)
        return self.epochs * self.steps_per_epoch if length is None else self.in_steps(length)


def position(schedule: Schedule, *, step: int, steps_per_epoch: int, epochs: int) -> Position:
    """Return where in a schedule ``step`` is (0 is the training's first); beyond the training's
    end it is in the last part."""
    parts = list(spans(schedule, epochs))
    reached = (span for span in parts if step < span[2] * steps_per_epoch)
    part, first, last = next(reached, parts[-1])
    within = step - first * steps_per_epoch
    if not isinstance(part, Plateau) and part.interval == "epoch":
        return Position(part, within // steps_per_epoch, 1, last - first)
    return Position(part, within, steps_per_epoch, last - first)


def learning_rate_factor(place: Position, plateau: float = 1.0) -> float:
    """Return the factor of the optimizer's lr at a step.

    A linear warm-up, if any, comes first (`warmed_up`). ``plateau`` is what `plateau_factor` gives
    for the epochs so far: of the plateau schedule it is the factor, others do not look at it.
    Cosine, with and without restarts: Loshchilov & Hutter, "SGDR" (2016); beyond its length it
    rises and falls again, as torch's CosineAnnealingLR does. Onecycle: Smith & Topin,
    "Super-Convergence" (2017), as in torch.
    """
    part = place.part
    if isinstance(part, Plateau):
        return plateau
    if isinstance(part, OneCycle):
        return one_cycle(place, part, part.start, 1.0, part.end)
    warmup = part.warmup_epochs * place.steps_per_epoch
    # Where a scheduler is stepped after each batch, its successor's first rate is never set.
    held = part.warmup_end != 1 and 0 < math.ceil(warmup) == place.step
    if place.step < warmup or held:
        return warmed_up(part, place.step - held, warmup)
    if isinstance(part, Constant):
        return 1.0
    if isinstance(part, StepDecay):
        epoch = place.step / place.steps_per_epoch
        return part.gamma ** sum(epoch >= milestone for milestone in part.milestones)
    if isinstance(part, CosineRestarts):
        done = restarted(place, part, place.step - warmup)
    else:
        done = (place.step - warmup) / (place.steps - warmup)
    linear = part.name == "linear"
    remaining = max(1 - done, 0) if linear else (1 + math.cos(math.pi * done)) / 2
    return part.end + (1 - part.end) * remaining


def warmed_up(part: WarmingUp, step: int, warmup: float) -> float:
    """Return the factor at a step of a warm-up of ``warmup`` steps.

    Its k-th of n steps has k / n of the way from 0 to where the warm-up leads, or (k - 1) / n of
    the way from where it starts above 0.
    """
    # A step at rate 0 would be none. Of a part of a step at the end the rate is the last one's.
    reached = step if part.warmup_start else min(step + 1, warmup)
    return part.warmup_start + (part.warmup_end - part.warmup_start) * reached / warmup


def momentum_at(place: Position) -> float | None:
    """Return the momentum (Adam: beta1) that onecycle sets at a step, None if nothing does."""
    part = place.part
    if not isinstance(part, OneCycle) or not part.cycle_momentum:
        return None
    return one_cycle(place, part, HIGH_MOMENTUM, LOW_MOMENTUM, HIGH_MOMENTUM)


def one_cycle(place: Position, part: OneCycle, start: float, middle: float, end: float) -> float:
    """Return the value on two halves of a cosine, from start to middle and on to end, where it
    stays.

    The turn is one step before the share ``rise`` of the steps, which may be between two, and the
    end is the last step: so does torch's OneCycleLR.
    """
    turn, last = part.rise * place.steps - 1, place.steps - 1
    if place.step < turn:
        return annealed(start, middle, place.step / turn)
    return annealed(middle, end, min((place.step - turn) / (last - turn), 1.0))


def annealed(start: float, end: float, done: float) -> float:
    """Return the value at share ``done`` of half a cosine from ``start`` to ``end``."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def restarted(place: Position, part: CosineRestarts, steps: float) -> float:
    """Return which share of its period has passed, ``steps`` after the first period began.

    The last period is cut where the training ends.
    """
    period = place.in_steps(part.period)
    # Rounding must not put a restart off by a step.
    while steps > period - 1e-6:
        steps, period = steps - period, period * part.period_factor
    return steps / period


def restarts(schedule: Schedule, epochs: int) -> Iterator[float]:
    """Yield after how many epochs the rate starts anew, in order: with each later part of a
    sequence, and with each further period of cosine_restarts unless it is given in steps."""
    for part, first, last in spans(schedule, epochs):
        if first:
            yield first
        if isinstance(part, CosineRestarts) and part.unit == "epochs":
            period = part.period
            end = first + part.warmup_epochs + period
            while end < last:
                yield end
                period *= part.period_factor
                end += period


def plateau_factor(part: Plateau, lr: float, accuracies: Sequence[float]) -> float:
    """Return the factor of ``lr`` to which torch's ReduceLROnPlateau comes after these accuracies.

    Its defaults otherwise: a rise counts from one part in ten thousand on, and no reduction of the
    rate by less than `EPS` is made.
    """
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = ReduceLROnPlateau(
        optimizer, "max", factor=part.gamma, patience=part.patience, min_lr=part.end, eps=EPS / lr
    )
    for accuracy in accuracies:
        scheduler.step(accuracy)
    return float(optimizer.param_groups[0]["lr"])
