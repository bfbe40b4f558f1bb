"""The shape of a recipe: everything that shapes one training, key by key. Imports no torch.

Unknown keys are errors everywhere, and so are keys that do not apply to what they stand beside.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from resray.errors import not_known
from resray.models.table import LARGEST_DEPTH, MODELS, is_known, is_outside, is_wide, wide_shape
from resray.study.applicable import OPTIMIZER_OPTIONS, SCHEDULE_OPTIONS
from resray.study.augmentation_spec import Augmentation, Mixing
from resray.study.phases import check_phases
from resray.study.strict import (
    NUMBER,
    ChannelScales,
    ChannelValues,
    Count,
    Fraction,
    Misplaced,
    NonNegative,
    Positive,
    Share,
    Size,
    Strict,
    name_shorthand,
)

# YAML reads the range of a single epoch as a number.
EpochRange = Annotated[str, BeforeValidator(lambda value: str(value))]

MODEL_FORMS = ("resnet", "wrn-DEPTH-WIDTH", "torchvision:NAME", "timm:NAME", "module:function")


Initialisation = Literal[
    "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform", "torch"
]


class Model(Strict):
    """The network: an architecture's name and what may vary about it."""

    name: str
    """One of `resray.models.table.MODELS`, ``resnet`` (with blocks and channels), ``wrn-28-10``
    (any depth 6n + 4 and width), ``torchvision:NAME``, ``timm:NAME``, or one's own
    ``package.module:function``, called with ``num_classes`` and ``arguments``, giving a module."""
    block: Literal["basic", "bottleneck"] = "basic"
    blocks: tuple[Annotated[int, Field(ge=1, le=LARGEST_DEPTH), NUMBER], ...] = ()
    """resnet only: residual blocks of each stage."""
    channels: tuple[Count, ...] = ()
    """resnet only: channels of each stage, before a bottleneck's expansion."""
    groups: Count = 1
    """resnet only: groups of a bottleneck's 3x3 convolution (the cardinality of ResNeXt)."""
    width_per_group: Count = 64
    """resnet only: width of the bottleneck's 3x3 convolution is channels * this / 64 * groups."""
    bottleneck_width: Count | None = None
    """resnet only: width of the bottleneck's 3x3 convolution in every stage, whatever its channels;
    null is what channels, groups and width_per_group make it."""
    stem: Literal["cifar", "imagenet"] = "cifar"
    """cifar: 3x3, stride 1, no pooling; imagenet: 7x7, stride 2, max-pooling."""
    norm: Literal["batch", "group"] = "batch"
    """group: GroupNorm with 32 groups, whose statistics do not depend on the batch."""
    zero_init_residual: bool = False
    """Each block begins as its shortcut: its last norm's scale is zero at first."""
    dropout: Share = 0.0
    """wrn: between a block's two convolutions; residual networks: before the classifier."""
    stochastic_depth: Share = 0.0
    """Probability that the last block is skipped for an image; falls linearly to 0 at the first."""
    shared_stages: tuple[Count, ...] = ()
    """Stages, from 1, in which the two convolutions of a basic block that have one shape are one
    module: one set of weights, used twice."""
    shortcut: Literal["projection", "none"] = "projection"
    """projection: the identity, or a 1x1 convolution where a block changes shape; none: blocks
    without a residual connection."""
    initialisation: Initialisation = "kaiming_normal"
    """Of the convolutions; kaiming (He) is fan-out, torch is what PyTorch's layers do."""
    classifier_initialisation: Initialisation = "torch"
    """Of the classifier's weight; its bias is 0 unless this is torch."""
    arguments: dict[str, Any] = {}
    """Keyword arguments for a model that is not resray's own."""

    @field_validator("name")
    @classmethod
    def name_is_known(cls, name: str) -> str:
        if not is_known(name):
            raise ValueError(not_known(name, [*MODELS, *MODEL_FORMS]))
        if is_wide(name):
            wide_shape(name)
        return name

    def mistakes(self) -> Iterator[Misplaced]:
        shape = ("block", "blocks", "channels", "groups", "width_per_group", "bottleneck_width")
        own = ("stem", "norm", "zero_init_residual", "dropout", "stochastic_depth", "shared_stages",
               "shortcut", "initialisation", "classifier_initialisation")  # fmt: skip
        elsewhere = "a network from elsewhere (torchvision:, timm:, module:)"
        if self.name != "resnet":
            yield from self.only_with(shape, "`resnet`")
        elif not self.blocks or len(self.blocks) != len(self.channels):
            yield Misplaced(("blocks",), "resnet needs as many blocks as channels, at least one")
        if is_outside(self.name):
            yield from self.only_with(own, "a network of resray's own")
        else:
            yield from self.only_with(["arguments"], elsewhere)
        if is_wide(self.name):
            only_resnet = ("stem", "norm", "zero_init_residual", "shared_stages", "shortcut")
            yield from self.only_with(only_resnet, "a resnet")


class Data(Strict):
    """The images: which dataset, how it is split, and by how much it is reduced."""

    name: Literal["cifar10", "cifar100", "embedded", "folder"]
    folder: str | None = None
    """folder only: where the images are, from the study file's folder on: a folder or a Parquet
    file. Null: where ``--data-dir`` says."""
    classes: Annotated[int, Field(ge=1, le=1000), NUMBER] | None = None
    """embedded only: number of classes (default 10)."""
    images: Count | None = None
    """embedded only: training images before the split (default 5,000); a fifth as many for test."""
    image_size: Annotated[int, Field(ge=1, le=4096), NUMBER] | None = None
    """Images are resized to this many pixels a side; null keeps the dataset's own size."""
    validation_images: Size | None = 5000
    """Held out of train, class-balanced, for selection. Null, as with a ``folder`` if nothing else
    is said: the images in its val/ or validation/ beside test/, or else a tenth."""
    split_seed: Annotated[int, Field(ge=-(2**63), lt=2**64), NUMBER] = 0
    limit_train: Count | None = None
    limit_eval: Count | None = None
    mean: ChannelValues | None = None
    std: ChannelScales | None = None
    """Normalisation of pixel values in [0, 1]; null takes the dataset's usual figures."""

    @model_validator(mode="before")
    @classmethod
    def of_a_folder(cls, value: Any) -> Any:
        """Hold a share of a folder's images out where nothing else is said."""
        own = isinstance(value, dict) and value.get("folder") is not None
        return {"validation_images": None, **value} if own else value

    def mistakes(self) -> Iterator[Misplaced]:
        if self.name != "embedded":
            for key in self.differs(("classes", "images")):
                yield Misplaced((key,), f"only embedded images have it, not {self.name}")
        if self.name != "folder":
            yield from self.only_with(["folder"], "folder")
            if self.validation_images is None:
                yield Misplaced(("validation_images",), "null is for a folder; give a number")


class Loader(Strict):
    """How images come to the device."""

    name: Literal["device", "per-image"] = "device"
    """device: all images live there as uint8 and whole batches are augmented; per-image: PyTorch's
    DataLoader over torchvision's transforms, the classic way (flip and crop only)."""
    shuffle: bool = True
    """False: every epoch has the images in the dataset's own order."""
    workers: Size = 0
    """per-image only: processes that prepare batches; 0 does it between the training steps."""
    pinned_memory: bool = False
    """per-image only: batches are copied from page-locked memory; no effect without a GPU."""

    def mistakes(self) -> Iterator[Misplaced]:
        if self.name != "per-image":
            yield from self.only_with(("workers", "pinned_memory"), "the per-image loader")


class Optimizer(Strict):
    """How gradients become updates."""

    name: Literal["sgd", "adam", "adamw", "muon"] = "sgd"
    lr: Positive = 0.1
    momentum: Fraction = 0.9
    """sgd and muon."""
    nesterov: bool = False
    """sgd and muon."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    """adam, adamw, and the AdamW beside muon."""
    weight_decay: NonNegative = 5e-4
    decay_norm_and_bias: bool = True
    """False frees normalisation parameters and biases of weight decay."""
    companion_lr: Positive = 1e-3
    """muon only: rate of the AdamW that updates what is no hidden weight matrix (norms, biases,
    the first convolution and the classifier)."""

    def mistakes(self) -> Iterator[Misplaced]:
        yield from self.only_those_of(OPTIMIZER_OPTIONS)
        if self.name == "sgd" and self.nesterov and not self.momentum:
            yield Misplaced(("nesterov",), "needs a momentum above 0")


class SchedulePart(Strict):
    """The learning rate over some epochs, as a factor of the optimizer's lr, set at each step."""

    name: Literal[
        "constant", "cosine", "linear", "step", "cosine_restarts", "onecycle", "plateau", "sequence"
    ] = "cosine"
    warmup_epochs: NonNegative = 0
    warmup_start: NonNegative = 0.0
    """Factor of lr at the first step of a linear warm-up."""
    warmup_end: Positive = 1.0
    """Factor of lr to which the warm-up leads. Unless it is 1 the first step after it still has the
    warm-up's last rate, as where a scheduler is stepped after each batch."""
    interval: Literal["step", "epoch"] = "step"
    """How often the rate changes: at each optimizer step, or with each epoch's first."""
    end: Fraction = 0.0
    """Factor of lr at the end of cosine, linear, onecycle and of each cosine_restarts period;
    plateau never goes below it."""
    milestones: tuple[Positive, ...] = ()
    """step: the epochs at which the rate is multiplied by gamma."""
    gamma: Positive = 0.1
    """step and plateau: what the rate is multiplied by."""
    period: Annotated[float, Field(ge=0.01, allow_inf_nan=False), NUMBER] | None = None
    """cosine_restarts: epochs (see ``unit``) to the first restart (T_0)."""
    length: Annotated[float, Field(ge=0.01, allow_inf_nan=False), NUMBER] | None = None
    """cosine and linear: epochs until the rate is at its end (T_max), after which a cosine rises
    again and falls, as torch's does; onecycle: epochs that it is made for, of which the training
    may have fewer. Null: all there are."""
    unit: Literal["epochs", "steps"] = "epochs"
    """Of period and length. Optimizer steps stay what they are when epochs are rescaled."""
    period_factor: Annotated[float, Field(ge=1, allow_inf_nan=False), NUMBER] = 1.0
    """cosine_restarts: each period is this many times as long as the one before (T_mult)."""
    rise: Annotated[float, Field(gt=0, lt=1), NUMBER] = 0.3
    """onecycle: share of the steps in which the rate rises (torch: pct_start)."""
    start: Fraction = 0.04
    """onecycle: factor at the first step (torch: 1 / div_factor)."""
    cycle_momentum: bool = True
    """onecycle: momentum (Adam: beta1) goes from 0.95 down to 0.85 and back, as torch's does."""
    patience: Size = 10
    """plateau: epochs without a better validation accuracy before the rate falls."""

    def mistakes(self) -> Iterator[Misplaced]:
        if self.name == "step" and not self.milestones:
            yield Misplaced(("milestones",), "the step schedule needs at least one")
        if self.name == "cosine_restarts" and self.period is None:
            yield Misplaced(("period",), "cosine_restarts needs the epochs to the first restart")
        yield from self.only_those_of(SCHEDULE_OPTIONS)
        if self.name == "plateau" and self.gamma >= 1:
            yield Misplaced(("gamma",), f"{self.gamma:g} must be below 1, or the rate never falls")


class SequencePart(SchedulePart):
    """One of several schedules that follow each other."""

    until: Count | None = None
    """Last epoch of this part, from 1; only the last part leaves it out and goes to the end."""


class Schedule(SchedulePart):
    """The learning rate over the training: one schedule, or a sequence of them."""

    parts: tuple[SequencePart, ...] = ()
    """sequence: each part's schedule spans its own epochs."""

    def mistakes(self) -> Iterator[Misplaced]:
        yield from super().mistakes()
        if self.name == "sequence" and not self.parts:
            yield Misplaced(("parts",), "a sequence has at least one")
        before = 0
        for index, part in enumerate(self.parts):
            place = ("parts", index, "until")
            last = index == len(self.parts) - 1
            if part.name in ("plateau", "sequence"):
                message = f"{part.name} cannot be part of a sequence"
                yield Misplaced(("parts", index, "name"), message)
            if last != (part.until is None):
                yield Misplaced(
                    place, "every part but the last one names the epoch at which it ends"
                )
            if part.until is not None and part.until <= before:
                message = f"{part.until} must be above {before}, where the part before it ends"
                yield Misplaced(place, message)
            before = part.until or before


class EarlyStopping(Strict):
    """The training ends when the accuracy that selects has not risen for long, or is there."""

    patience: Count | None = None
    """Epochs without a rise of more than ``min_delta`` points."""
    min_delta: NonNegative = 0.0
    after_restart: bool = False
    """The patience counts from the last restart of the learning rate where that is later than the
    best epoch."""
    target: Annotated[float, Field(gt=0, le=100), NUMBER] | None = None
    """Accuracy in percent at which the training ends."""

    def mistakes(self) -> Iterator[Misplaced]:
        if self.patience is None and self.target is None:
            yield Misplaced((), "needs `patience`, `target` or both")


class Recipe(Strict):
    """Everything that shapes one training."""

    model: Annotated[Model, BeforeValidator(name_shorthand)]
    data: Annotated[Data, BeforeValidator(name_shorthand)]
    epochs: Count
    batch_size: Count = 128
    """Images per forward and backward pass, over all ranks."""
    accumulation: Count = 1
    """Batches whose gradients are averaged into one optimizer step."""
    eval_batch_size: Count = 500
    loader: Annotated[Loader, BeforeValidator(name_shorthand)] = Loader()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
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
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 autocast where the device computes bf16 in hardware; fp16 scales gradients."""
    channels_last: Literal["auto"] | bool = "auto"
    sync_batchnorm: bool = False
    """BatchNorm over all ranks' images; GPU only."""
    phases: dict[str, dict[EpochRange, Any]] = {}
    """Settings that change by epoch: for each (``label_smoothing``, ``model.dropout``,
    ``augmentation`` ...) its value over ranges of epochs such as ``1-40``, which together cover the
    training. See `resray.study.phases`."""

    def mistakes(self) -> Iterator[Misplaced]:
        yield from self._mistakes_of_schedule()
        if self.loader.name == "per-image":
            able = ("flip", "crop_padding", "crop_probability")
            others = [key for key in type(self.augmentation).model_fields if key not in able]
            for key in self.augmentation.differs(others):
                message = "the per-image loader does flip and crop only"
                yield Misplaced(("augmentation", key), message)
        for key, needs in (("schedule", self.schedule.name == "plateau"),
                           ("early_stopping", self.early_stopping is not None)):  # fmt: skip
            if needs and self.selection == "validation" and self.data.validation_images == 0:
                yield Misplaced((key,), "needs a validation split; data.validation_images is 0")
        check_phases(self)

    def _mistakes_of_schedule(self) -> Iterator[Misplaced]:
        """Yield the epochs that the training does not reach."""
        schedule, below = self.schedule, f"must be below epochs ({self.epochs})"
        if schedule.warmup_epochs >= self.epochs:
            place = ("schedule", "warmup_epochs")
            yield Misplaced(place, f"{schedule.warmup_epochs:g} {below}")
        for index, epoch in enumerate(schedule.milestones):
            if epoch >= self.epochs:
                yield Misplaced(("schedule", "milestones", index), f"{epoch:g} {below}")
        before = 0
        for index, part in enumerate(schedule.parts):
            of_part, end = ("schedule", "parts", index), part.until or self.epochs
            if part.until is not None and end >= self.epochs:
                yield Misplaced((*of_part, "until"), f"{end} {below}")
            if part.warmup_epochs >= end - before:
                message = f"{part.warmup_epochs:g} must be below the part's {end - before} epochs"
                yield Misplaced((*of_part, "warmup_epochs"), message)
            before = end
