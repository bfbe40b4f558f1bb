"""The residual network, with torchvision's parameter names so that weights load both ways.

The CIFAR stem (3x3, stride 1, no pooling) keeps the resolution that 32x32 images need. Dropout and
stochastic depth are built in and begin switched off, because a recipe may change them by epoch: see
`resray.models.build`.
"""

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn

from resray.errors import InputError
from resray.models.blocks import (
    BLOCKS,
    NORMS,
    BasicBlock,
    Bottleneck,
    Norm,
    convolution,
    initialise,
    silence_residual,
)
from resray.models.table import ResNetShape


class ResNet(nn.Module):
    """A stem, stages of residual blocks, average pooling, dropout and a linear classifier.

    Every stage but the first halves the resolution. Parameters are named as in torchvision
    (``conv1``, ``bn1``, ``layer1.0.conv1``, ``fc`` ...), also where the norm is GroupNorm.
    Initialised like torchvision's from torch's global generator.

    Raises InputError for groups in basic blocks, and for ``shared_stages`` (from 1) that do not
    exist or have no two convolutions to share.
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
    ) -> None:
        super().__init__()
        check_groups(shape)
        make_norm, width = NORMS[norm], shape.channels[0]
        self.conv1 = convolution(7, 3, width, 2) if stem == "imagenet" else convolution(3, 3, width)
        self.bn1 = make_norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "imagenet" else nn.Identity()
        self.stage_names = tuple(f"layer{stage + 1}" for stage in range(len(shape.blocks)))
        for stage, name in enumerate(self.stage_names):
            layer = make_stage(shape, stage, make_norm, shared=stage + 1 in shared_stages)
            self.add_module(name, layer)
        check_sharing(self.stages, shared_stages)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.0)
        self.fc = nn.Linear(stage_inputs(shape, len(shape.blocks)), num_classes)
        self.apply(initialise)
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
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))


def stage_inputs(shape: ResNetShape, stage: int) -> int:
    """Return the channels that go into ``stage`` (from 0); after the last, the classifier's."""
    if stage == 0:
        return shape.channels[0]
    return shape.channels[stage - 1] * BLOCKS[shape.block].expansion


def make_stage(shape: ResNetShape, stage: int, norm: Norm, *, shared: bool) -> nn.Sequential:
    """Return a stage's blocks (``stage`` from 0): the first one strides and changes the width."""
    channels, inputs = shape.channels[stage], stage_inputs(shape, stage)
    outputs = stage_inputs(shape, stage + 1)
    layers: list[nn.Module] = []
    for index in range(shape.blocks[stage]):
        stride = 2 if index == 0 and stage > 0 else 1
        width = inputs if index == 0 else outputs
        layers.append(make_block(shape, width, channels, stride, norm, shared=shared))
    return nn.Sequential(*layers)


def make_block(
    shape: ResNetShape, inputs: int, channels: int, stride: int, norm: Norm, *, shared: bool
) -> BasicBlock | Bottleneck:
    """Return one residual block of the network's kind."""
    if shape.block == "basic":
        return BasicBlock(inputs, channels, stride, norm, shared=shared)
    groups, width_per_group = shape.groups, shape.width_per_group
    return Bottleneck(
        inputs, channels, stride, norm, groups=groups, width_per_group=width_per_group
    )


def check_groups(shape: ResNetShape) -> None:
    """Raise InputError if basic blocks are asked for groups."""
    for key, plain in (("groups", 1), ("width_per_group", 64)):
        if shape.block == "basic" and getattr(shape, key) != plain:
            value = getattr(shape, key)
            raise InputError(f"model.{key}: {value} needs bottleneck blocks, these are basic")


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
