"""Moving pixels: shift, zoom, rotation and shear, each image by a matrix of its own.

A matrix, float32 (6,) row by row, leads from a pixel of the result to the place in the image that
it shows: x' = a x + b y + c and y' = d x + e y + f, in pixels from the image's centre.
"""

from typing import Literal

import torch
from torch.nn import functional as F

from resray.data.augment.operation import draw_between, draw_chances, move, to_uint8
from resray.study import augmentation_spec


def inverse_matrices(
    degrees: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    shear: torch.Tensor | None = None,
    centre: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    """Return the matrices (n, 6) that undo a shear, a zoom, a rotation and then a shift.

    ``degrees`` (n,) counts clockwise; ``shift`` (n, 2) is in pixels, right and down; ``scale`` (n,)
    above 1 enlarges; ``shear`` (n, 2) is in degrees, along x and along y, none by default; all
    about ``centre``. The same as torchvision's `functional.affine`. Computed in float64.
    """
    angle = degrees.double().deg2rad()
    shear_x, shear_y = torch.zeros(2, 1) if shear is None else shear.double().deg2rad().T
    tilted = angle - shear_y
    a = tilted.cos() / shear_y.cos()
    b = -a * shear_x.tan() - angle.sin()
    c = tilted.sin() / shear_y.cos()
    d = -c * shear_x.tan() + angle.cos()
    # The determinant before the zoom is 1, so the inverse needs no division by it.
    inverse = torch.stack([d, -b, -c, a], dim=1).view(-1, 2, 2) / scale.double().view(-1, 1, 1)
    middle = torch.tensor(centre, dtype=torch.float64)
    offset = middle - (inverse * (middle + shift.double())[:, None, :]).sum(dim=2)
    return torch.cat([inverse, offset[:, :, None]], dim=2).view(-1, 6).float()


def resample(
    images: torch.Tensor,
    matrices: torch.Tensor,
    mode: Literal["nearest", "bilinear"],
    outside: Literal["zeros", "reflection"],
) -> torch.Tensor:
    """Show uint8 images (n, 3, h, w) through matrices (n, 6), which lie on the same device.

    ``outside`` says what lies around an image: black (zeros), or its mirror image, in which the
    edge pixels do not come twice (OpenCV's BORDER_REFLECT_101).
    """
    height, width = images.shape[-2:]
    mirrored = outside == "reflection"
    # grid_sample's -1 ... 1 spans the image from the first pixel's centre, or from its edge.
    inset = 1 if mirrored else 0
    sides = torch.tensor([max(width - inset, 1), max(height - inset, 1)], dtype=torch.float32)
    scaled = matrices.view(-1, 2, 3) / move(sides / 2, images.device)[:, None]
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    along_x = scaled[:, :, 0, None] * x
    along_y = scaled[:, :, 1, None] * y + scaled[:, :, 2, None]
    grid = (along_y[:, :, :, None] + along_x[:, :, None, :]).permute(0, 2, 3, 1)
    moved = F.grid_sample(images.float(), grid, mode, outside, align_corners=mirrored)
    return to_uint8(moved.round_())


class ShiftScaleRotate:
    """See `augmentation_spec.ShiftScaleRotate`; bilinear, the surroundings mirrored."""

    def __init__(self, spec: augmentation_spec.ShiftScaleRotate, height: int, width: int) -> None:
        self.spec, self.sides = spec, torch.tensor([width, height])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then shift along x and y, zoom and angle."""
        chances = draw_chances(count, self.spec.probability, generator)
        drawn = draw_between(-1, 1, count, 4, generator)
        shift = self.spec.shift * self.sides * drawn[:, :2]
        scale, degrees = 1 + self.spec.scale * drawn[:, 2], self.spec.degrees * drawn[:, 3]
        return torch.cat([chances, inverse_matrices(degrees, shift, scale)], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return resample(images, move(numbers, images.device), "bilinear", "reflection")


class Affine:
    """See `augmentation_spec.Affine`; nearest pixel, black around, as in torchvision."""

    def __init__(self, spec: augmentation_spec.Affine, height: int, width: int) -> None:
        self.spec, self.sides = spec, torch.tensor([width, height])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then angle, shift along x and y in whole pixels, zoom and shear."""
        chances = draw_chances(count, self.spec.probability, generator)
        drawn = draw_between(-1, 1, count, 4, generator)
        degrees = self.spec.degrees * drawn[:, 0]
        shift = (self.spec.translate * self.sides * drawn[:, 1:3]).round()
        shear = torch.stack([self.spec.shear * drawn[:, 3], torch.zeros(count)], dim=1)
        scale = draw_between(*self.spec.scale, count, 1, generator).flatten()
        return torch.cat([chances, inverse_matrices(degrees, shift, scale, shear)], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return resample(images, move(numbers, images.device), "nearest", "zeros")
