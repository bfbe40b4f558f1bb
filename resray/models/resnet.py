"""The residual network, with torchvision's parameter names so that weights load both ways.

The CIFAR stem (3x3, stride 1, no pooling) keeps the resolution that 32x32 images need. Dropout and
stochastic depth are built in and begin switched off, because a recipe may change them by epoch: see
`resray.models.build`.
"""

from collections.abc import Collection
from typing import Literal

from torch import Tensor, nn

from resray.errors import InputError
from resray.models.blocks import (
    BLOCKS,
    NORMS,
    BasicBlock,
    Bottleneck,
    Norm,
    convolution,
    silence_residual,
)
from resray.models.table import ResNetShape


class ResNet(nn.Module):
    """A stem, stages of residual blocks, average pooling, dropout and a linear classifier.

    Every stage but the first halves the resolution. Parameters are named as in torchvision
    (``conv1``, ``bn1``, ``layer1.0.conv1``, ``fc`` ...), also where the norm is GroupNorm.
    Without ``shortcut`` its blocks are not residual. PyTorch's layers draw their own weights: see
    `resray.models.initialisation`.

    Raises InputError for groups or a width in basic blocks, groups that do not divide the width,
    ``zero_init_residual`` without shortcut, and for ``shared_stages`` (from 1) that do not exist or
    have no two convolutions to share.
    """

    def __init__(
        self,
        shape: ResNetShape,
        num_classes: int,
        *,
        stem: Literal["cifar", "imagenet"] = "cifar",
        norm: Literal["batch", "group"] = "batch",
        zero_init_residual: bool = False,
        shared_stages: Collection[int] = (),
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        check_widths(shape)
        if zero_init_residual and not shortcut:
            message = "true would make blocks of zeros with model.shortcut: none; use projection"
            raise InputError(f"model.zero_init_residual: {message}")
        make_norm, width = NORMS[norm], shape.channels[0]
        self.conv1 = convolution(7, 3, width, 2) if stem == "imagenet" else convolution(3, 3, width)
        self.bn1 = make_norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "imagenet" else nn.Identity()
        self.stage_names = tuple(f"layer{stage + 1}" for stage in range(len(shape.blocks)))
        for stage, name in enumerate(self.stage_names):
            shared = stage + 1 in shared_stages
            layer = make_stage(shape, stage, make_norm, shared=shared, shortcut=shortcut)
            self.add_module(name, layer)
        check_sharing(self.stages, shared_stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.0)
        self.fc = nn.Linear(stage_inputs(shape, len(shape.blocks)), num_classes)
        if zero_init_residual:
            self.apply(silence_residual)

    @property
    def stages(self) -> list[nn.Module]:
        """The stages in order (``layer1`` ...)."""
        return [self.get_submodule(name) for name in self.stage_names]

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (n, 3, h, w) to logits (n, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in self.stages:
            x = stage(x)
        return self.fc(self.dropout(self.flatten(self.avgpool(x))))


def stage_inputs(shape: ResNetShape, stage: int) -> int:
    """Return the channels that go into ``stage`` (from 0); after the last, the classifier's."""
    if stage == 0:
        return shape.channels[0]
    return shape.channels[stage - 1] * BLOCKS[shape.block].expansion


def make_stage(
    shape: ResNetShape, stage: int, norm: Norm, *, shared: bool, shortcut: bool
) -> nn.Sequential:
    """Return a stage's blocks (``stage`` from 0): the first one strides and changes the width."""
    channels, inputs = shape.channels[stage], stage_inputs(shape, stage)
    outputs = stage_inputs(shape, stage + 1)
    layers: list[nn.Module] = []
    for index in range(shape.blocks[stage]):
        stride = 2 if index == 0 and stage > 0 else 1
        width = inputs if index == 0 else outputs
        block = make_block(shape, width, channels, stride, norm, shared=shared, shortcut=shortcut)
        layers.append(block)
    return nn.Sequential(*layers)


def make_block(
    shape: ResNetShape,
    inputs: int,
    channels: int,
    stride: int,
    norm: Norm,
    *,
    shared: bool,
    shortcut: bool,
) -> BasicBlock | Bottleneck:
    """Return one block of the network's kind."""
    if shape.block == "basic":
        return BasicBlock(inputs, channels, stride, norm, shared=shared, shortcut=shortcut)
    width, groups = inner_width(shape, channels), shape.groups
    return Bottleneck(inputs, channels, stride, norm, width=width, groups=groups, shortcut=shortcut)


def inner_width(shape: ResNetShape, channels: int) -> int:
    """Return the channels of a bottleneck's 3x3 convolution; raise InputError if there are none."""
    if shape.bottleneck_width is not None:
        return shape.bottleneck_width
    width = int(channels * shape.width_per_group / 64) * shape.groups
    if width < 1:
        message = f"{shape.width_per_group} leaves a stage of {channels} channels without any"
        raise InputError(f"model.width_per_group: {message}")
    return width


def check_widths(shape: ResNetShape) -> None:
    """Raise InputError for groups or widths in basic blocks, and for a width that contradicts."""
    for key, plain in (("groups", 1), ("width_per_group", 64), ("bottleneck_width", None)):
        if shape.block == "basic" and getattr(shape, key) != plain:
            value = getattr(shape, key)
            raise InputError(f"model.{key}: {value} needs bottleneck blocks, these are basic")
    width, groups = shape.bottleneck_width, shape.groups
    if width is not None and width % groups:
        message = f"{width} cannot be divided into {groups} groups; take a multiple of {groups}"
        raise InputError(f"model.bottleneck_width: {message}")
    if width is not None and shape.width_per_group != 64:
        message = f"{width} leaves model.width_per_group ({shape.width_per_group}) no say; drop one"
        raise InputError(f"model.bottleneck_width: {message}")


def check_sharing(stages: list[nn.Module], shared_stages: Collection[int]) -> None:
    """Raise InputError if a shared stage (from 1) does not exist or shares nothing."""
    for number in shared_stages:
        if number > len(stages):
            known = ", ".join(str(stage + 1) for stage in range(len(stages)))
            raise InputError(f"model.shared_stages: there is no stage {number} ({known})")
        if not any(shares_weights(block) for block in stages[number - 1].children()):
            message = f"stage {number} has no basic block with two convolutions of one shape"
            raise InputError(f"model.shared_stages: {message}")


def shares_weights(block: nn.Module) -> bool:
    """Return whether a block's two convolutions are one module."""
    return isinstance(block, BasicBlock) and block.conv2 is block.conv1
