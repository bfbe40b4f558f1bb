"""The shape of a recipe: everything that shapes one training, key by key. Imports no torch.

Unknown keys are errors everywhere, and so are keys that do not apply to what they stand beside: the
network, the data, the loader, the optimizer and the schedule are unions, each member of which has
its own keys alone.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from resray.study.augmentation_spec import Augmentation, Mixing
from resray.study.data_spec import Data, DeviceLoader, Loader
from resray.study.model_spec import Model
from resray.study.optimizer_spec import Annealing, Optimizer, Schedule, Sequential, Sgd, spans
from resray.study.phases import mistakes_of_phases
from resray.study.strict import (
    NUMBER,
    Count,
    Mistake,
    NonNegative,
    Percent,
    Positive,
    Share,
    Strict,
)
from resray.study.unions import of_this_version

# YAML reads the range of a single epoch as a number.
EpochRange = Annotated[str, BeforeValidator(str)]


class EarlyStopping(Strict):
    """The training ends when the accuracy that selects has not risen for long, or is there."""

    patience: Count | None = None
    """Epochs without a rise of more than ``min_delta`` points."""
    min_delta: NonNegative = 0.0
    after_restart: bool = False
    """The patience counts from the last restart of the learning rate where that is later than the
    best epoch."""
    target: Percent | None = None
    """Accuracy in percent at which the training ends."""

    def mistakes(self) -> Iterator[Mistake]:
        if self.patience is None and self.target is None:
            yield Mistake((), "needs `patience`, `target` or both")


class Recipe(Strict):
    """Everything that shapes one training."""

    model: Model
    data: Data
    epochs: Count
    batch_size: Count = 128
    """Images per forward and backward pass, over all ranks."""
    accumulation: Count = 1
    """Batches whose gradients are averaged into one optimizer step."""
    eval_batch_size: Literal["auto"] | Count = "auto"
    """Images of validation and test at once, on each rank; auto: 500 on a CPU, 2,500 on a GPU with
    the memory for it."""
    loader: Loader = DeviceLoader()
    optimizer: Optimizer = Sgd()
    schedule: Schedule = Annealing()
    augmentation: Augmentation = Augmentation()
    mixing: Mixing = Mixing()
    label_smoothing: Share = 0.0
    clip_gradient_norm: Positive | None = None
    ema_decay: Annotated[float, Field(gt=0, lt=1), NUMBER] | None = None
    """Evaluate an exponential moving average of the weights, updated after each optimizer step."""
    early_stopping: EarlyStopping | None = None
    selection: Literal["validation", "test"] = "validation"
    """The split whose accuracy chooses the best epoch and which the plateau schedule and early
    stopping watch. ``test`` is for trials of a study's ``as_run`` alone."""
    eval_precision: Literal["training", "fp32"] = "training"
    """fp32: evaluated without autocast."""
    evaluate_every: Count = 1
    """Epochs from one evaluation to the next. Also evaluated: the last one, a search's rungs, and
    where ``--stop-after`` ends."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """auto: bf16 autocast where the device computes bf16 in hardware, else fp32; tf32: float32 with
    products that an NVIDIA GPU rounds to 10 bits; fp16 scales gradients."""
    channels_last: Literal["auto"] | bool = "auto"
    step: Literal["auto", "eager", "compiled", "captured"] = "auto"
    """How the device is told what to do, which changes results within rounding: compiled by
    torch.compile, captured as a CUDA graph. auto: what pays, see `resray.training.step_form`."""
    deterministic: bool = False
    """The same numbers whatever runs beside it: on one thread, or by deterministic GPU kernels."""
    sync_batchnorm: bool = False
    """BatchNorm over all ranks' images; GPU only."""
    phases: dict[str, dict[EpochRange, Any]] = {}
    """Settings that change by epoch: for each (``label_smoothing``, ``model.dropout``,
    ``augmentation`` ...) its value over ranges of epochs such as ``1-40``, which together cover the
    training. See `resray.study.phases`."""

    @classmethod
    def stored(cls, text: str) -> Self:
        """Return a recipe from the JSON that this version or an older one stored.

        Raises ValidationError where it is none.
        """
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        return cls.model_validate(of_this_version(content))

    def mistakes(self) -> Iterator[Mistake]:
        of_schedule = list(self._mistakes_of_schedule())
        yield from of_schedule
        if self.loader.name == "per-image":
            able = {"flip", "crop_padding", "crop_probability"}
            for key in self.augmentation.model_dump(exclude_defaults=True).keys() - able:
                message = "the per-image loader does flip and crop only"
                yield Mistake(("augmentation", key), message)
        watched = {"schedule": self.schedule.name == "plateau",
                   "early_stopping": self.early_stopping is not None}  # fmt: skip
        if self.selection == "validation" and self.data.validation_images == 0:
            for key in (key for key, needs in watched.items() if needs):
                yield Mistake((key,), "needs a validation split; data.validation_images is 0")
        if self.schedule.name == "plateau" and self.evaluate_every > 1:
            message = f"{self.evaluate_every}: a plateau schedule looks at every epoch (1)"
            yield Mistake(("evaluate_every",), message)
        # Each phase's recipe has the schedule's mistakes too.
        yield from [] if of_schedule else mistakes_of_phases(self)

    def _mistakes_of_schedule(self) -> Iterator[Mistake]:
        """Yield the epochs that the training, or a part of its schedule, does not reach."""
        in_sequence = isinstance(self.schedule, Sequential)
        below = f"must be below epochs ({self.epochs})"
        for index, (part, first, last) in enumerate(spans(self.schedule, self.epochs)):
            place = ("schedule", "parts", index) if in_sequence else ("schedule",)
            until, warmup = getattr(part, "until", None), getattr(part, "warmup_epochs", 0)
            if until is not None and not in_sequence:
                yield Mistake((*place, "until"), "only a part of a sequence has it")
            elif until is not None and last >= self.epochs:
                yield Mistake((*place, "until"), f"{last} {below}")
            if warmup >= last - first:
                length = f"must be below the part's {last - first} epochs" if in_sequence else below
                yield Mistake((*place, "warmup_epochs"), f"{warmup:g} {length}")
            for number, epoch in enumerate(() if in_sequence else getattr(part, "milestones", ())):
                if epoch >= self.epochs:
                    yield Mistake((*place, "milestones", number), f"{epoch:g} {below}")
