"""The shape of a study file: pydantic models that know every key, its type and its bounds.

A *recipe* is everything that shapes one training. A *study* is a base recipe, the trials that
change it, and what was published about them. Unknown keys are errors everywhere.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    field_validator,
    model_validator,
)

from resray.errors import not_known
from resray.models.table import MODELS

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=0)]
ChannelValues = tuple[FiniteFloat, FiniteFloat, FiniteFloat]
ChannelScales = tuple[Positive, Positive, Positive]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Misplaced(ValueError):
    """A mistake that only the whole shows; ``path`` leads from there to the value at fault."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


class Strict(BaseModel):
    """Base of all parts of a study: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def name_shorthand(value: Any) -> Any:
    """Let ``model: resnet18`` stand for ``model: {name: resnet18}``."""
    return {"name": value} if isinstance(value, str) else value


class Model(Strict):
    """The network: an architecture's name and what may vary about it."""

    name: str
    stem: Literal["cifar", "imagenet"] = "cifar"
    """cifar: 3x3, stride 1, no pooling; imagenet: 7x7, stride 2, max-pooling."""
    norm: Literal["batch", "group"] = "batch"
    """group: GroupNorm with 32 groups, whose statistics do not depend on the batch."""
    zero_init_residual: bool = False
    """Each block begins as its shortcut: its last norm's scale is zero at first."""

    @field_validator("name")
    @classmethod
    def name_is_known(cls, name: str) -> str:
        if name not in MODELS:
            raise ValueError(not_known(name, MODELS))
        return name


class Data(Strict):
    """The images: which dataset, how it is split, and by how much it is reduced."""

    name: Literal["cifar10", "cifar100", "embedded", "folder"]
    classes: Count | None = None
    """embedded only: number of classes (default 10)."""
    images: Count | None = None
    """embedded only: training images before the split (default 5,000); a fifth as many for test."""
    image_size: Count | None = None
    """Images are resized to this many pixels a side; null keeps the dataset's own size."""
    validation_images: Size = 5000
    """Held out of train, class-balanced, for selection."""
    split_seed: int = 0
    limit_train: Count | None = None
    limit_eval: Count | None = None
    mean: ChannelValues | None = None
    std: ChannelScales | None = None
    """Normalisation of pixel values in [0, 1]; null takes the dataset's usual figures."""

    @model_validator(mode="after")
    def embedded_options_need_embedded(self) -> Self:
        for key in ("classes", "images"):
            if self.name != "embedded" and getattr(self, key) is not None:
                raise Misplaced((key,), f"only embedded images have it, not {self.name}")
        return self


class Optimizer(Strict):
    """How gradients become updates."""

    name: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: Positive = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegative = 5e-4
    decay_norm_and_bias: bool = True
    """False frees normalisation parameters and biases of weight decay."""


class Schedule(Strict):
    """The learning rate over the training, as a factor of the optimizer's lr, set at each step."""

    name: Literal["constant", "cosine", "linear", "step"] = "cosine"
    warmup_epochs: NonNegative = 0
    warmup_start: Fraction = 0.0
    """Factor of lr at the first step of a linear warm-up."""
    end: Fraction = 0.0
    """Factor of lr at the end of cosine and linear."""
    milestones: tuple[Positive, ...] = ()
    """step: the epochs at which the rate is multiplied by gamma."""
    gamma: Positive = 0.1

    @model_validator(mode="after")
    def step_needs_milestones(self) -> Self:
        if self.name == "step" and not self.milestones:
            raise Misplaced(("milestones",), "the step schedule needs at least one")
        if self.name != "step" and self.milestones:
            raise Misplaced(("milestones",), f"only the step schedule has them, not {self.name}")
        return self


class Augmentation(Strict):
    """What happens to training images, each drawing parameters of its own."""

    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    crop_padding: Size = 4
    """Zero padding, in pixels, around a random crop back to the image's size; 0 is off."""


class Recipe(Strict):
    """Everything that shapes one training."""

    model: Annotated[Model, BeforeValidator(name_shorthand)]
    data: Annotated[Data, BeforeValidator(name_shorthand)]
    epochs: Count
    batch_size: Count = 128
    """Images per optimizer step, over all ranks."""
    eval_batch_size: Count = 500
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip_gradient_norm: Positive | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 autocast where the device computes bf16 in hardware."""
    channels_last: Literal["auto"] | bool = "auto"
    sync_batchnorm: bool = False
    """BatchNorm over all ranks' images; GPU only."""

    @model_validator(mode="after")
    def warmup_fits(self) -> Self:
        if self.schedule.warmup_epochs >= self.epochs and self.schedule.warmup_epochs > 0:
            raise Misplaced(
                ("schedule", "warmup_epochs"),
                f"{self.schedule.warmup_epochs:g} must be below epochs ({self.epochs})",
            )
        return self


class TrialEntry(Strict):
    """One line of a study's list: a name, and what it changes in the base recipe."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
    recipe: dict[str, Any] = {}


class Variant(Strict):
    """The same trials under another recipe: changes for all of them, then for single ones."""

    description: str
    recipe: dict[str, Any] = {}
    trials: dict[str, dict[str, Any]] = {}


class Quick(Strict):
    """What ``--quick`` changes, so that a study ends within minutes on two CPU cores."""

    recipe: dict[str, Any] = {}
    """Applied always."""
    embedded: dict[str, Any] = {}
    """Keys of ``data``, applied when embedded images stand in for the dataset."""
    real: dict[str, Any] = {}
    """Keys of ``data``, applied when ``--data-dir`` was given."""


METRICS = (
    "test_accuracy",
    "test_accuracy_best",
    "test_accuracy_last",
    "validation_accuracy",
    "seconds_training",
    "images_per_second",
    "peak_memory_bytes",
    "gpu_hours",
    "parameters",
    "multiply_adds",
)
"""Columns of the trials table that a published figure can stand beside."""


class Published(Strict):
    """One figure that somebody published, with how it came about."""

    trial: str
    metric: str
    value: float
    unit: str = ""
    epochs: Count | None = None
    protocol: str
    device: str
    source: str

    @field_validator("metric")
    @classmethod
    def metric_is_known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise ValueError(not_known(metric, METRICS))
        return metric


class Claim(Strict):
    """A statement of the study's author, to be tested."""

    id: str
    text: str


class Study(Strict):
    """One study file."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    title: str
    question: str
    description: str = ""
    recipe: dict[str, Any]
    """The base recipe; each trial's complete recipe is validated as a `Recipe`."""
    trials: Annotated[list[TrialEntry], Field(min_length=1)]
    default_variant: str = "standard"
    """The name of the base recipe among the variants."""
    default_description: str = ""
    variants: dict[str, Variant] = {}
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]
    quick: Quick = Quick()
    published: list[Published] = []
    claims: list[Claim] = []
    assumed: dict[str, str] = {}
    """Recipe keys that the source leaves unstated, each with the reason for our choice."""

    @model_validator(mode="after")
    def trial_names_differ(self) -> Self:
        names = [entry.name for entry in self.trials]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise Misplaced(("trials", index, "name"), f"{name!r} stands there twice")
        return self

    @model_validator(mode="after")
    def trial_names_are_known(self) -> Self:
        names = [entry.name for entry in self.trials]
        for variant_name, variant in self.variants.items():
            for trial in variant.trials:
                if trial not in names:
                    path = ("variants", variant_name, "trials", trial)
                    raise Misplaced(path, not_known(trial, names))
        for index, figure in enumerate(self.published):
            if figure.trial not in names:
                raise Misplaced(("published", index, "trial"), not_known(figure.trial, names))
        return self

    @model_validator(mode="after")
    def seeds_differ(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise Misplaced(("seeds",), f"{self.seeds} holds a seed twice")
        return self

    @model_validator(mode="after")
    def default_variant_is_the_base(self) -> Self:
        if self.default_variant in self.variants:
            message = f"{self.default_variant!r} names the base recipe and a variant"
            raise Misplaced(("default_variant",), message)
        return self
