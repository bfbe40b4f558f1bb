"""The residual network, with torchvision's parameter names so that weights load both ways.

Sources: He et al., "Deep Residual Learning for Image Recognition" (2015). The bottleneck puts its
stride on the 3x3 convolution, as torchvision does ("v1.5"), where the paper has it on the 1x1. The
CIFAR stem (3x3, stride 1, no pooling) keeps the resolution that 32x32 images need.
"""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from resray.models.table import ResNetShape

Norm = Callable[[int], nn.Module]

NORMS: dict[str, Norm] = {"batch": nn.BatchNorm2d, "group": partial(nn.GroupNorm, 32)}


def convolution(size: int, inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """Return a ``size`` x ``size`` convolution that keeps the resolution (divided by stride)."""
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = convolution(3, inputs, channels, stride)
        self.bn1 = norm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = convolution(3, channels, channels)
        self.bn2 = norm(channels)
        self.downsample = projection(inputs, channels * self.expansion, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, channels, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the last one widens four times."""

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, channels: int, stride: int, norm: Norm) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.conv1 = convolution(1, inputs, channels)
        self.bn1 = norm(channels)
        self.conv2 = convolution(3, channels, channels, stride)
        self.bn2 = norm(channels)
        self.conv3 = convolution(1, channels, outputs)
        self.bn3 = norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(inputs, outputs, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, 4 * channels, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


def projection(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential | None:
    """Return the 1x1 shortcut where the block changes shape, else None (identity)."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(convolution(1, inputs, outputs, stride), norm(outputs))


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, average pooling and a linear classifier.

    Parameters are named as in torchvision (``conv1``, ``bn1``, ``layer1.0.conv1``, ``fc`` ...),
    also where the norm is GroupNorm. Initialised like torchvision's from torch's global generator.
    """

    def __init__(
        self,
        shape: ResNetShape,
        num_classes: int,
        *,
        stem: Literal["cifar", "imagenet"] = "cifar",
        norm: Literal["batch", "group"] = "batch",
        zero_init_residual: bool = False,
    ) -> None:
        super().__init__()
        block, make_norm = BLOCKS[shape.block], NORMS[norm]
        width = shape.channels[0]
        self.conv1 = convolution(7, 3, width, 2) if stem == "imagenet" else convolution(3, 3, width)
        self.bn1 = make_norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1) if stem == "imagenet" else nn.Identity()
        inputs = width
        for stage, (blocks, channels) in enumerate(zip(shape.blocks, shape.channels, strict=True)):
            stride = 1 if stage == 0 else 2
            layer = make_stage(block, blocks, inputs, channels, stride, make_norm)
            self.add_module(f"layer{stage + 1}", layer)
            inputs = channels * block.expansion
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, num_classes)
        self.apply(initialise)
        if zero_init_residual:
            self.apply(silence_residual)

    @property
    def first_stage(self) -> nn.Module:
        """The stage next to the stem (``layer1``)."""
        return self.get_submodule("layer1")

    @property
    def last_stage(self) -> nn.Module:
        """The stage next to the classifier (``layer4``)."""
        return self.get_submodule("layer4")

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (n, 3, h, w) to logits (n, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def make_stage(
    block: type[BasicBlock] | type[Bottleneck],
    blocks: int,
    inputs: int,
    channels: int,
    stride: int,
    norm: Norm,
) -> nn.Sequential:
    """Return ``blocks`` residual blocks, of which the first one strides and changes the width."""
    layers = [block(inputs, channels, stride, norm)]
    for _ in range(1, blocks):
        layers.append(block(channels * block.expansion, channels, 1, norm))
    return nn.Sequential(*layers)


def initialise(module: nn.Module) -> None:
    """Draw convolutions from He's normal distribution (fan-out), as torchvision does.

    Norms start at weight 1 and bias 0 and the linear layer keeps torch's default, so nothing is
    left to do for them.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def silence_residual(module: nn.Module) -> None:
    """Zero the scale of a block's last norm, so that each block begins as its shortcut.

    Source: Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 5.1; torchvision and
    mmpretrain offer the same under this name.
    """
    if isinstance(module, BasicBlock):
        nn.init.zeros_(module.get_parameter("bn2.weight"))
    elif isinstance(module, Bottleneck):
        nn.init.zeros_(module.get_parameter("bn3.weight"))
