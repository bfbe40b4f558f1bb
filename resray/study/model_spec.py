"""The shape of a recipe's network: a union, told apart by the name. Imports no torch."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from resray.errors import not_known
from resray.models.table import LARGEST_DEPTH, MODELS, is_outside, is_wide, wide_shape
from resray.study.strict import NUMBER, Count, Mistake, Named, Share, named

MODEL_FORMS = ("resnet", "wrn-DEPTH-WIDTH", "torchvision:NAME", "timm:NAME", "module:function")

Initialisation = Literal[
    "kaiming_normal", "kaiming_uniform", "xavier_normal", "xavier_uniform", "torch"
]


class OwnModel(Named):
    """What all networks of resray's own have."""

    dropout: Share = 0.0
    """wrn: between a block's two convolutions; residual networks: before the classifier."""
    stochastic_depth: Share = 0.0
    """Probability that the last block is skipped for an image; falls linearly to 0 at the first."""
    initialisation: Initialisation = "kaiming_normal"
    """Of the convolutions; kaiming (He) is fan-out, torch is what PyTorch's layers do."""
    classifier_initialisation: Initialisation = "torch"
    """Of the classifier's weight; its bias is 0 unless this is torch."""


class WideModel(OwnModel):
    """``wrn-28-10``: any depth 6n + 4 and width."""

    @field_validator("name")
    @classmethod
    def has_a_shape(cls, name: str) -> str:
        wide_shape(name)
        return name


class ResNetModel(OwnModel):
    """One of `resray.models.table.MODELS`."""

    stem: Literal["cifar", "imagenet"] = "cifar"
    """cifar: 3x3, stride 1, no pooling; imagenet: 7x7, stride 2, max-pooling."""
    norm: Literal["batch", "group"] = "batch"
    """group: GroupNorm with 32 groups, whose statistics do not depend on the batch."""
    zero_init_residual: bool = False
    """Each block begins as its shortcut: its last norm's scale is zero at first."""
    shortcut: Literal["projection", "none"] = "projection"
    """projection: the identity, or a 1x1 convolution where a block changes shape; none: blocks
    without a residual connection."""
    shared_stages: tuple[Count, ...] = ()
    """Stages, from 1, in which the two convolutions of a basic block that have one shape are one
    module: one set of weights, used twice."""

    @field_validator("name")
    @classmethod
    def name_is_known(cls, name: str) -> str:
        if name not in (*MODELS, "resnet"):
            raise ValueError(not_known(name, [*MODELS, *MODEL_FORMS]))
        return name


class CustomModel(ResNetModel):
    """``resnet``: a residual network of any blocks and channels."""

    block: Literal["basic", "bottleneck"] = "basic"
    blocks: tuple[Annotated[int, Field(ge=1, le=LARGEST_DEPTH), NUMBER], ...] = ()
    """Residual blocks of each stage."""
    channels: tuple[Count, ...] = ()
    """Channels of each stage, before a bottleneck's expansion."""
    groups: Count = 1
    """Groups of a bottleneck's 3x3 convolution (the cardinality of ResNeXt)."""
    width_per_group: Count = 64
    """Width of the bottleneck's 3x3 convolution is channels * this / 64 * groups."""
    bottleneck_width: Count | None = None
    """The same width in every stage instead, whatever its channels."""

    def mistakes(self) -> Iterator[Mistake]:
        if not self.blocks or len(self.blocks) != len(self.channels):
            yield Mistake(("blocks",), "resnet needs as many blocks as channels, at least one")


class OutsideModel(Named):
    """``torchvision:NAME``, ``timm:NAME``, or one's own ``package.module:function``, called with
    ``num_classes`` and ``arguments``, giving a module."""

    arguments: dict[str, Any] = {}
    """Keyword arguments."""


_NAMED, _WIDE = "a named resnet", "a wrn"
_OUTSIDE = "a network from elsewhere (torchvision:, timm:, module:)"


def kind_of_model(value: Any) -> str:
    """Return the tag of the union's member that a value is for, by its name."""
    name = value.get("name") if isinstance(value, Mapping) else getattr(value, "name", None)
    if not isinstance(name, str) or name in MODELS:
        return _NAMED
    if name == "resnet":
        return name
    return _WIDE if is_wide(name) else _OUTSIDE if is_outside(name) else _NAMED


Model = Annotated[
    Annotated[ResNetModel, Tag(_NAMED)]
    | Annotated[CustomModel, Tag("resnet")]
    | Annotated[WideModel, Tag(_WIDE)]
    | Annotated[OutsideModel, Tag(_OUTSIDE)],
    Discriminator(kind_of_model),
    named(),
]
"""The network: an architecture's name and what may vary about it."""
