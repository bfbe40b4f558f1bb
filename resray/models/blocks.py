"""The parts of residual networks: norms, convolutions, and blocks with torchvision's names.

Sources: He et al., "Deep Residual Learning for Image Recognition" (2015); Xie et al., "Aggregated
Residual Transformations for Deep Neural Networks" (2016) for the groups; Huang et al., "Deep
Networks with Stochastic Depth" (2016). The bottleneck puts its stride on the 3x3 convolution, as
torchvision does ("v1.5"), where the paper has it on the 1x1.
"""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from resray.errors import InputError

Norm = Callable[[int], nn.Module]

NORM_GROUPS = 32


def group_norm(channels: int) -> nn.GroupNorm:
    """Return GroupNorm with 32 groups; raise InputError if they cannot be formed."""
    if channels % NORM_GROUPS:
        message = f"group needs channels in multiples of {NORM_GROUPS}, not {channels}; use batch"
        raise InputError(f"model.norm: {message}")
    return nn.GroupNorm(NORM_GROUPS, channels)


NORMS: dict[str, Norm] = {"batch": nn.BatchNorm2d, "group": group_norm}


def convolution(
    size: int, inputs: int, outputs: int, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Return a ``size`` x ``size`` convolution that keeps the resolution (divided by stride)."""
    padding = size // 2
    return nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut.

    ``shared`` makes them one module, if they have one shape and stride: the weights are used twice,
    and get the gradients of both uses. Their norms stay two. Without ``shortcut`` nothing is added
    to their result, and there is no projection.
    """

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        inputs: int,
        channels: int,
        stride: int,
        norm: Norm,
        *,
        shared: bool = False,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        same = shared and keeps_shape(inputs, channels, stride)
        self.conv1 = convolution(3, inputs, channels, stride)
        self.bn1 = norm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = self.conv1 if same else convolution(3, channels, channels)
        self.bn2 = norm(channels)
        self.downsample = projection(inputs, channels, stride, norm) if shortcut else None
        self.skip = StochasticDepth(0.0, "row") if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, channels, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(beside_shortcut(self, x, self.bn2(self.conv2(out))))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the last one widens four times.

    The 3x3 convolution has ``width`` channels in ``groups`` groups. Without ``shortcut`` nothing is
    added to their result, and there is no projection.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        inputs: int,
        channels: int,
        stride: int,
        norm: Norm,
        *,
        width: int,
        groups: int = 1,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        outputs = channels * self.expansion
        self.conv1 = convolution(1, inputs, width)
        self.bn1 = norm(width)
        self.conv2 = convolution(3, width, width, stride, groups)
        self.bn2 = norm(width)
        self.conv3 = convolution(1, width, outputs)
        self.bn3 = norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = projection(inputs, outputs, stride, norm) if shortcut else None
        self.skip = StochasticDepth(0.0, "row") if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, 4 * channels, h / stride, w / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(beside_shortcut(self, x, self.bn3(self.conv3(out))))


def beside_shortcut(block: BasicBlock | Bottleneck, x: Tensor, out: Tensor) -> Tensor:
    """Return what a block's convolutions give, plus ``x`` by its shortcut if it has one."""
    if block.skip is None:
        return out
    out = block.skip(out)
    out += x if block.downsample is None else block.downsample(x)
    return out


def keeps_shape(inputs: int, outputs: int, stride: int) -> bool:
    """Return whether a block's result has the shape of what goes in."""
    return stride == 1 and inputs == outputs


def projection(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential | None:
    """Return the 1x1 shortcut where the block changes shape, else None (identity)."""
    if keeps_shape(inputs, outputs, stride):
        return None
    return nn.Sequential(convolution(1, inputs, outputs, stride), norm(outputs))


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
}


def silence_residual(module: nn.Module) -> None:
    """Zero the scale of a block's last norm, so that each block begins as its shortcut.

    Source: Goyal et al., "Accurate, Large Minibatch SGD" (2017), section 5.1; torchvision and
    mmpretrain offer the same under this name.
    """
    if isinstance(module, BasicBlock):
        nn.init.zeros_(module.get_parameter("bn2.weight"))
    elif isinstance(module, Bottleneck):
        nn.init.zeros_(module.get_parameter("bn3.weight"))
