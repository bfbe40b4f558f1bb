"""Which architectures there are, as plain data: this file imports no torch.

Depths and widths follow He et al., "Deep Residual Learning for Image Recognition" (2015), Xie et
al., "Aggregated Residual Transformations for Deep Neural Networks" (2016), and Zagoruyko &
Komodakis, "Wide Residual Networks" (2016); those ending in -b are study 5's, just under five
million parameters each.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from resray.errors import InputError


@dataclass(frozen=True)
class ResNetShape:
    """What distinguishes one residual network from another."""

    block: Literal["basic", "bottleneck"]
    blocks: tuple[int, ...]
    channels: tuple[int, ...] = (64, 128, 256, 512)
    groups: int = 1
    width_per_group: int = 64
    bottleneck_width: int | None = None


MODELS: dict[str, ResNetShape] = {
    "resnet10": ResNetShape("basic", (1, 1, 1, 1)),
    "resnet18": ResNetShape("basic", (2, 2, 2, 2)),
    "resnet34": ResNetShape("basic", (3, 4, 6, 3)),
    "resnet50": ResNetShape("bottleneck", (3, 4, 6, 3)),
    "resnet101": ResNetShape("bottleneck", (3, 4, 23, 3)),
    "resnet152": ResNetShape("bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d": ResNetShape("bottleneck", (3, 4, 6, 3), groups=32, width_per_group=4),
    "resnet10-b": ResNetShape("basic", (1, 1, 1, 1)),
    "resnet40-b": ResNetShape("basic", (5, 7, 4, 3), (32, 64, 128, 256)),
    "resnet102-b": ResNetShape("basic", (8, 13, 17, 12), (16, 32, 64, 128)),
}

LARGEST_DEPTH = 1000
"""Of the blocks of a stage: more would only be built for hours."""
_WIDE = re.compile(r"wrn-(\d+)-(\d+)")
_OUTSIDE = re.compile(r"(torchvision|timm):\w[\w.]*|[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_wide(name: str) -> bool:
    """Return whether ``name`` is that of a WideResNet, such as ``wrn-28-10``."""
    return _WIDE.fullmatch(name) is not None


def wide_shape(name: str) -> tuple[int, int]:
    """Return blocks per stage and widening factor of ``wrn-28-10``: (4, 10).

    Raises ValueError if the depth is not 6n + 4 or the width is 0.
    """
    match = _WIDE.fullmatch(name)
    assert match is not None, f"{name} is no WideResNet"
    depth, width = int(match[1]), int(match[2])
    blocks, rest = divmod(depth - 4, 6)
    if rest or blocks < 1:
        below = 6 * max(1, blocks) + 4
        raise ValueError(f"{name}: the depth must be 6n + 4, such as {below} or {below + 6}")
    if not 1 <= width <= LARGEST_DEPTH or blocks > LARGEST_DEPTH:
        raise ValueError(f"{name}: width and depth must be 1 to {LARGEST_DEPTH}")
    return blocks, width


def is_known(name: str) -> bool:
    """Return whether ``name`` is that of a network, as far as can be told without building it."""
    return name in MODELS or name == "resnet" or is_wide(name) or is_outside(name)


def runs_own_code(name: str) -> bool:
    """Return whether a model's name is ``module:function``, which may be any code."""
    return is_outside(name) and not name.startswith(("torchvision:", "timm:"))


def require_trust(name: str, trusted: bool, place: str, folder: Path = Path()) -> None:
    """Raise InputError if ``place`` names a function of one's own that nobody has said to trust.

    One that is trusted may lie in ``folder``, a study's or the working one, from which Python then
    imports too, after all other places. Ray's workers do as this process does.
    """
    if not runs_own_code(name):
        return
    if not trusted:
        raise InputError(
            f"{place}: {name!r} runs that function; if you trust its author, type --trust "
            "(in Python: trust=True)"
        )
    if (importable := str(folder.absolute())) not in sys.path:
        sys.path.append(importable)


def is_outside(name: str) -> bool:
    """Return whether ``name`` leads out of resray: ``torchvision:NAME`` or ``module:function``."""
    return _OUTSIDE.fullmatch(name) is not None
