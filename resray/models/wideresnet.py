"""The wide residual network of Zagoruyko & Komodakis, "Wide Residual Networks" (2016).

As in the authors' code: norm and ReLU come before each convolution ("pre-activation"), a block that
changes the shape takes its shortcut after the first of them, and the classifier's bias starts at
zero. Dropout and stochastic depth begin switched off: see `resray.models.build`.
"""

from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from resray.models.blocks import convolution, keeps_shape

BASE_CHANNELS = (16, 32, 64)


class WideBlock(nn.Module):
    """Norm, ReLU and 3x3 convolution, twice, with dropout before the second convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = convolution(3, inputs, outputs, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(0.0)
        self.conv2 = convolution(3, outputs, outputs)
        same = keeps_shape(inputs, outputs, stride)
        self.shortcut = None if same else convolution(1, inputs, outputs, stride)
        self.skip = StochasticDepth(0.0, "row")

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        activated = self.relu(self.bn1(x))
        out = self.relu(self.bn2(self.conv1(activated)))
        out = self.skip(self.conv2(self.dropout(out)))
        return out + (x if self.shortcut is None else self.shortcut(activated))


class WideResNet(nn.Module):
    """WRN-d-k: a 3x3 stem, three stages of (d - 4) / 6 blocks, pooling and a linear classifier.

    ``width`` (k) multiplies the stages' 16, 32 and 64 channels; the second and the third stage
    halve the resolution. PyTorch's layers draw their own weights: see
    `resray.models.initialisation`.
    """

    def __init__(self, blocks: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = convolution(3, 3, BASE_CHANNELS[0])
        first, second, third = (channels * width for channels in BASE_CHANNELS)
        self.layer1 = make_stage(blocks, BASE_CHANNELS[0], first, 1)
        self.layer2 = make_stage(blocks, first, second, 2)
        self.layer3 = make_stage(blocks, second, third, 2)
        self.bn = nn.BatchNorm2d(third)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(third, num_classes)
        nn.init.zeros_(self.fc.bias)

    @property
    def stages(self) -> list[nn.Module]:
        """The stages in order."""
        return [self.layer1, self.layer2, self.layer3]

    def forward(self, images: Tensor) -> Tensor:
        """Map float images (n, 3, h, w) to logits (n, num_classes)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        x = self.avgpool(self.relu(self.bn(x)))
        return self.fc(self.flatten(x))


def make_stage(blocks: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return ``blocks`` blocks, of which the first one strides and changes the width."""
    layers = [WideBlock(inputs, outputs, stride)]
    layers += [WideBlock(outputs, outputs, 1) for _ in range(1, blocks)]
    return nn.Sequential(*layers)
