"""Which architectures there are, as plain data: this file imports no torch.

Depths and widths follow He et al., "Deep Residual Learning for Image Recognition" (2015).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ResNetShape:
    """What distinguishes one residual network from another."""

    block: Literal["basic", "bottleneck"]
    blocks: tuple[int, int, int, int]
    channels: tuple[int, int, int, int] = (64, 128, 256, 512)


MODELS: dict[str, ResNetShape] = {
    "resnet18": ResNetShape("basic", (2, 2, 2, 2)),
    "resnet34": ResNetShape("basic", (3, 4, 6, 3)),
    "resnet50": ResNetShape("bottleneck", (3, 4, 6, 3)),
    "resnet101": ResNetShape("bottleneck", (3, 4, 23, 3)),
    "resnet152": ResNetShape("bottleneck", (3, 8, 36, 3)),
}
