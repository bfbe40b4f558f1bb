"""The operations that AutoAugment and RandAugment choose from, each image its own.

They are torchvision's (``torchvision.transforms.v2``, uint8 tensors, nearest pixel, black around),
which apply one operation to all images they are given; here images with the same operation are
taken together, each with its own magnitude.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as torchvision

from resray.data.augment.colour import blend, brightness, contrast, saturation
from resray.data.augment.geometry import inverse_matrices, resample
from resray.data.augment.operation import Change, change_groups

SIGNED = (
    "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate",
    "Brightness", "Color", "Contrast", "Sharpness",
)  # fmt: skip
"""Operations whose magnitude is as often negative as positive."""


@dataclass(frozen=True)
class Choice:
    """One operation, by torchvision's name, at one magnitude (of no meaning for some)."""

    name: str
    magnitude: float = 0.0


def magnitude_at(name: str, level: int, levels: int, height: int, width: int) -> float:
    """Return the magnitude of ``level`` out of 0 ... ``levels`` - 1 for images of a size.

    Shears are slopes, translations whole pixels, rotations degrees; the four enhancements add
    to a factor of 1; Posterize has the bits that are kept, Solarize a threshold out of 1.
    """
    strength = level / (levels - 1)
    sides = {"TranslateX": width, "TranslateY": height}
    if name in sides:
        return float(int(150 / 331 * sides[name] * strength))
    if name == "Posterize":
        return 8 - round(4 * strength)
    if name == "Solarize":
        return 1 - strength
    full = {"ShearX": 0.3, "ShearY": 0.3, "Rotate": 30.0}
    return full.get(name, 0.9) * strength if name in SIGNED else 0.0


class Choices:
    """A list of choices, set up for images of one size, to be applied by their number."""

    def __init__(
        self,
        choices: Sequence[Choice],
        height: int,
        width: int,
        device: torch.device | str = "cpu",
    ) -> None:
        kinds = ["Move" if choice.name in _MOVES else choice.name for choice in choices]
        used = sorted(set(kinds) - {"Identity"})
        groups = {"Identity": 0, **{kind: group for group, kind in enumerate(used, start=1)}}
        self.changes = [partial(_apply, kind) for kind in used]
        self.groups = torch.tensor([groups[kind] for kind in kinds]).to(device)
        numbers = [_numbers(choice, height, width) for choice in choices]
        self.numbers = torch.stack(numbers).to(device)

    def apply(self, images: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return uint8 images (n, 3, h, w) changed by ``chosen``, int64 (n,)."""
        return change_groups(images, self.groups[chosen], self.changes, self.numbers[chosen])


def _numbers(choice: Choice, height: int, width: int) -> torch.Tensor:
    """Return a matrix (6,) for an operation that moves pixels, else (6,) times the magnitude."""
    if choice.name not in _MOVES:
        return torch.full((6,), choice.magnitude)
    angle, shift, shear, scale = torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1)
    axis = int(choice.name.endswith("Y"))
    if choice.name == "Rotate":
        # torchvision's rotate turns against the clock, its affine with it.
        return inverse_matrices(-torch.tensor([choice.magnitude]), shift, scale)[0]
    if choice.name.startswith("Translate"):
        shift[0, axis] = choice.magnitude
        return inverse_matrices(angle, shift, scale)[0]
    shear[0, axis] = math.degrees(math.atan(choice.magnitude))
    corner = (-width / 2, -height / 2)
    return inverse_matrices(angle, shift, scale, shear, corner)[0]


def _apply(name: str, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Apply one operation to uint8 images (m, 3, h, w), with numbers (m, 6)."""
    if name == "Move":
        return resample(images, numbers, "nearest", "zeros")
    magnitudes = numbers[:, 0].view(-1, 1, 1, 1)
    return _FUNCTIONS[name](images, magnitudes)


def _sharpness(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    """Blend with the image smoothed by a 3x3 kernel of weight 5 in the middle and 1 around.

    The outermost pixels stay as they are.
    """
    if min(images.shape[-2:]) < 3:
        return images
    inner = images[..., 1:-1, 1:-1]
    smooth = F.avg_pool2d(images.float(), 3, stride=1, divisor_override=1)
    smooth.add_(inner, alpha=4).div_(13).round_()
    sharpened = images.clone()
    sharpened[..., 1:-1, 1:-1] = blend(inner, smooth, magnitudes)
    return sharpened


def _posterize(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    # An image of another operation has a magnitude that is no number of bits.
    dropped = (8 - magnitudes).clamp(0, 8).to(torch.int32)
    return images & torch.bitwise_left_shift(255, dropped).to(torch.uint8)


def _solarize(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    return torch.where(images >= 255 * magnitudes, ~images, images)


_MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")

_FUNCTIONS: dict[str, Change] = {
    "Brightness": brightness,
    "Color": saturation,
    "Contrast": contrast,
    "Sharpness": _sharpness,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "AutoContrast": lambda images, _: torchvision.autocontrast(images),
    "Equalize": lambda images, _: torchvision.equalize(images),
    "Invert": lambda images, _: ~images,
}
