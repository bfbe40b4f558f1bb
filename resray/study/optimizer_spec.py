"""The shape of a recipe's optimizer and learning-rate schedule: unions, told apart by the name."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from resray.study.strict import (
    NUMBER,
    Count,
    Fraction,
    Mistake,
    Named,
    NonNegative,
    Positive,
    Size,
    named,
)

Length = Annotated[float, Field(ge=0.01, allow_inf_nan=False), NUMBER]


class Descent(Named):
    """What all optimizers have."""

    lr: Positive = 0.1
    weight_decay: NonNegative = 5e-4
    decay_norm_and_bias: bool = True
    """False frees normalisation parameters and biases of weight decay."""


class Sgd(Descent):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    momentum: Fraction = 0.9
    nesterov: bool = False

    def mistakes(self) -> Iterator[Mistake]:
        if self.nesterov and not self.momentum:
            yield Mistake(("nesterov",), "needs a momentum above 0")


class Adam(Descent):
    """Adam, with weight decay in the gradient (adam) or beside it (adamw)."""

    name: Literal["adam", "adamw"]
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)


class Muon(Descent):
    """Muon for hidden weight matrices, and beside it AdamW for everything else: norms, biases, the
    first convolution and the classifier."""

    name: Literal["muon"]
    momentum: Fraction = 0.9
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    """Of the AdamW."""
    companion_lr: Positive = 1e-3
    """Rate of the AdamW."""


Optimizer = Annotated[Sgd | Adam | Muon, Field(discriminator="name"), named("sgd")]
"""How gradients become updates."""


class SequencePart(Named):
    """What all schedules have that may be parts of a sequence."""

    interval: Literal["step", "epoch"] = "step"
    """How often the rate changes: at each optimizer step, or with each epoch's first."""
    until: Count | None = None
    """Last epoch of a part, from 1; only the last part leaves it out and goes to the end."""

    def mistakes(self) -> Iterator[Mistake]:
        in_steps, length = getattr(self, "unit", "") == "steps", getattr(self, "length", None)
        warmup = getattr(self, "warmup_epochs", 0)
        if in_steps and self.interval == "epoch":
            yield Mistake(("unit",), "steps do not go with interval: epoch (use epochs)")
        if length is not None and warmup and in_steps:
            message = "a length in steps does not go with a warm-up (use epochs)"
            yield Mistake(("unit",), message)
        elif length is not None and 0 < length <= warmup:
            yield Mistake(("length",), f"{length:g} must be above warmup_epochs ({warmup:g})")


class WarmingUp(SequencePart):
    """What all schedules have that may begin with a linear warm-up."""

    warmup_epochs: NonNegative = 0
    warmup_start: NonNegative = 0.0
    """Factor of lr at the first step."""
    warmup_end: Positive = 1.0
    """Factor of lr to which the warm-up leads. Unless it is 1 the first step after it still has the
    warm-up's last rate, as where a scheduler is stepped after each batch."""


class Constant(WarmingUp):
    """The peak rate throughout."""

    name: Literal["constant"]


class Annealing(WarmingUp):
    """From the peak to the end, along half a cosine or a line."""

    name: Literal["cosine", "linear"] = "cosine"
    end: Fraction = 0.0
    """Factor of lr at the end."""
    length: Length | None = None
    """Epochs to the end (T_max), with the warm-up's, null for all there are. Beyond, a cosine rises
    again and falls, as torch's does; a line stays."""
    unit: Literal["epochs", "steps"] = "epochs"
    """Of length. Optimizer steps stay what they are when epochs are rescaled."""


class StepDecay(WarmingUp):
    """Multiplied by gamma at each milestone."""

    name: Literal["step"]
    milestones: Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Epochs."""
    gamma: Positive = 0.1

    def mistakes(self) -> Iterator[Mistake]:
        for index, epoch in enumerate(self.milestones):
            if epoch <= self.warmup_epochs:
                message = f"{epoch:g} must be above warmup_epochs ({self.warmup_epochs:g})"
                yield Mistake(("milestones", index), message)


class CosineRestarts(WarmingUp):
    """Half a cosine again and again: Loshchilov & Hutter, "SGDR" (2016)."""

    name: Literal["cosine_restarts"]
    end: Fraction = 0.0
    """Factor of lr at the end of each period."""
    period: Length
    """Epochs to the first restart (T_0)."""
    unit: Literal["epochs", "steps"] = "epochs"
    """Of period, as in `Annealing`."""
    period_factor: Annotated[float, Field(ge=1, allow_inf_nan=False), NUMBER] = 1.0
    """Each period is this many times as long as the one before (T_mult)."""


class OneCycle(SequencePart):
    """Up and down once: Smith & Topin, "Super-Convergence" (2017), as torch's OneCycleLR."""

    name: Literal["onecycle"]
    end: Fraction = 0.0
    """Factor of lr at the end."""
    length: Length | None = None
    """Epochs that it is made for, of which the training may have fewer; null for all there are."""
    unit: Literal["epochs", "steps"] = "epochs"
    """Of length, as in `Annealing`."""
    rise: Annotated[float, Field(gt=0, lt=1), NUMBER] = 0.3
    """Share of the steps in which the rate rises (torch: pct_start)."""
    start: Fraction = 0.04
    """Factor at the first step (torch: 1 / div_factor)."""
    cycle_momentum: bool = True
    """Momentum (Adam: beta1) goes from 0.95 down to 0.85 and back, as torch's does."""


class Plateau(Named):
    """torch's ReduceLROnPlateau on the accuracy that selects."""

    name: Literal["plateau"]
    end: Fraction = 0.0
    """Factor of lr below which the rate never falls."""
    gamma: Annotated[float, Field(gt=0, lt=1), NUMBER] = 0.1
    patience: Size = 10
    """Epochs without a better accuracy before the rate falls."""


Part = Constant | Annealing | StepDecay | CosineRestarts | OneCycle
"""A schedule that may be a part of a sequence."""


class Sequential(Named):
    """Schedules that follow each other, each over its own epochs."""

    name: Literal["sequence"]
    parts: Annotated[
        tuple[Annotated[Part, Field(discriminator="name"), named("cosine")], ...],
        Field(min_length=1),
    ]

    def mistakes(self) -> Iterator[Mistake]:
        before = 0
        for index, part in enumerate(self.parts):
            place = ("parts", index, "until")
            if (index == len(self.parts) - 1) != (part.until is None):
                message = "every part but the last one names the epoch at which it ends"
                yield Mistake(place, message)
            elif part.until is not None and part.until <= before:
                message = f"{part.until} must be above {before}, where the part before it ends"
                yield Mistake(place, message)
            before = part.until or before


Schedule = Annotated[Part | Plateau | Sequential, Field(discriminator="name"), named("cosine")]
"""The learning rate over the training, as a factor of the optimizer's lr."""


def spans(schedule: Schedule, epochs: int) -> Iterator[tuple[Part | Plateau, int, int]]:
    """Yield each part of a schedule with the epochs done before it and at its end."""
    if not isinstance(schedule, Sequential):
        yield schedule, 0, epochs
        return
    first = 0
    for part in schedule.parts:
        last = part.until or epochs
        yield part, first, last
        first = last
