"""Moving pixels: shift, zoom, rotation, shear and crop, each image by a matrix of its own.

A matrix, float32 (6,) row by row, leads from a pixel of the result to the place in the image that
it shows: x' = a x + b y + c and y' = d x + e y + f, in pixels from the image's centre.
"""

import math
from typing import Literal

import torch
from torch.nn import functional as F

from resray.data.augment.operation import both_ends, draw_between, draw_chances, to_uint8
from resray.study import augmentation_spec

Outside = Literal["zeros", "reflection", "edge"]

CROP_TRIES = 10
"""How often torchvision's RandomResizedCrop draws a part before it takes the middle."""


def inverse_matrices(
    degrees: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    shear: torch.Tensor | None = None,
    centre: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    """Return the matrices (n, 6) that undo a shear, a zoom, a rotation and then a shift.

    ``degrees`` (n,) counts clockwise; ``shift`` (n, 2) is in pixels, right and down; ``scale``
    above 1 enlarges, (n,) both axes alike or (n, 2) x and y by factors of their own, before the
    rotation; ``shear`` (n, 2) is in degrees, along x and along y, none by default; all about
    ``centre``. The same as torchvision's `functional.affine`. Computed in float64.
    """
    angle = degrees.double().deg2rad()
    shear_x, shear_y = torch.zeros(2, 1) if shear is None else shear.double().deg2rad().T
    tilted = angle - shear_y
    a = tilted.cos() / shear_y.cos()
    b = -a * shear_x.tan() - angle.sin()
    c = tilted.sin() / shear_y.cos()
    d = -c * shear_x.tan() + angle.cos()
    # The determinant before the zoom is 1, so the inverse needs no division by it.
    rotated = torch.stack([d, -b, -c, a], dim=1).view(-1, 2, 2)
    inverse = rotated / scale.double().view(len(scale), -1, 1)
    middle = torch.tensor(centre, dtype=torch.float64)
    offset = middle - (inverse * (middle + shift.double())[:, None, :]).sum(dim=2)
    return torch.cat([inverse, offset[:, :, None]], dim=2).view(-1, 6).float()


def resample(
    images: torch.Tensor,
    matrices: torch.Tensor,
    mode: Literal["nearest", "bilinear"],
    outside: Outside,
) -> torch.Tensor:
    """Show uint8 images (n, 3, h, w) through matrices (n, 6), which lie on the same device.

    ``outside`` says what lies around an image: black (zeros), or its mirror image, in which the
    edge pixels do not come twice (OpenCV's BORDER_REFLECT_101). ``edge`` is for matrices that show
    a part of the image, upright: its own outermost pixels lie around it.
    """
    height, width = images.shape[-2:]
    mirrored = outside == "reflection"
    # grid_sample's -1 ... 1 spans the image from the first pixel's centre, or from its edge.
    inset = 1 if mirrored else 0
    across, down = matrices.view(-1, 2, 3).unbind(dim=1)
    across, down = across / (max(width - inset, 1) / 2), down / (max(height - inset, 1) / 2)
    x = torch.arange(width, device=images.device) - (width - 1) / 2
    y = torch.arange(height, device=images.device) - (height - 1) / 2
    if outside == "edge":
        x, y = _within_part(x, matrices[:, 0]), _within_part(y, matrices[:, 4])
    scaled = torch.stack([across, down], dim=1)
    along_x = scaled[:, :, 0, None] * x
    along_y = scaled[:, :, 1, None] * y + scaled[:, :, 2, None]
    grid = (along_y[:, :, :, None] + along_x[:, :, None, :]).permute(0, 2, 3, 1)
    padding = "reflection" if mirrored else "zeros"
    moved = F.grid_sample(images.float(), grid, mode, padding, align_corners=mirrored)
    return to_uint8(moved.round_())


def _within_part(places: torch.Tensor, pitch: torch.Tensor) -> torch.Tensor:
    """Return a side's pixel centres (side,), from the image's centre, as (n, 1, side).

    A result's pixel is ``pitch`` (n,) of the image's pixels wide; none is to show what lies beyond
    the centre of the part's outermost pixel.
    """
    reach = (len(places) - 1 / pitch.view(-1, 1, 1)) / 2
    return places.clamp(-reach, reach)


class ShiftScaleRotate:
    """See `augmentation_spec.ShiftScaleRotate`."""

    def __init__(self, spec: augmentation_spec.ShiftScaleRotate, height: int, width: int) -> None:
        self.spec, self.sides = spec, torch.tensor([width, height])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then shift along x and y, zoom (of both axes, or of x) and angle.

        The zoom of y, where it is another, is drawn last, so that all else is as without it.
        """
        chances = draw_chances(count, self.spec.probability, generator)
        drawn = draw_between(-1, 1, count, 4, generator)
        low, high = both_ends(self.spec.shift, signed=True)
        shift = (high - low) / 2 * self.sides * drawn[:, :2] + (high + low) / 2 * self.sides
        shift = shift.trunc() if self.spec.whole_pixels else shift
        zoom, degrees = drawn[:, 2:3], self.spec.degrees * drawn[:, 3]
        if self.spec.scale_by_axis:
            zoom = torch.cat([zoom, draw_between(-1, 1, count, 1, generator)], dim=1)
        matrices = inverse_matrices(degrees, shift, 1 + self.spec.scale * zoom)
        return torch.cat([chances, matrices], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        outside: Outside = "zeros" if self.spec.border == "black" else "reflection"
        return resample(images, numbers, "bilinear", outside)


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
        return resample(images, numbers, "nearest", "zeros")


class ResizedCrop:
    """See `augmentation_spec.ResizedCrop`; bilinear, from within the part alone."""

    def __init__(self, spec: augmentation_spec.ResizedCrop, height: int, width: int) -> None:
        self.spec, self.sides = spec, torch.tensor([width, height])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the matrices that show a part at its whole pixels.

        A part is the first of 10 tries that fits into the image, at a place that is drawn, or else
        the middle of the image.
        """
        chances = draw_chances(count, self.spec.probability, generator)
        tries = self._tries(count, generator)
        places = torch.rand(count, 2, generator=generator)
        fitting = ((tries > 0) & (tries <= self.sides)).all(dim=2)
        fits = fitting.any(dim=1, keepdim=True)
        first = tries[torch.arange(count), fitting.int().argmax(dim=1)]
        parts = torch.where(fits, first, self._largest())
        room = self.sides - parts
        corners = torch.where(fits, places * (room + 1), room / 2).floor()
        matrices = torch.zeros(count, 6)
        matrices[:, [0, 4]] = parts / self.sides
        matrices[:, [2, 5]] = corners - room / 2
        return torch.cat([chances, matrices], dim=1)

    def _tries(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw widths and heights, (count, 10, 2) in whole pixels, also of parts too large."""
        area = draw_between(*self.spec.scale, count, CROP_TRIES, generator) * self.sides.prod()
        low, high = map(math.log, self.spec.ratio)
        ratio = draw_between(low, high, count, CROP_TRIES, generator).exp()
        return torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=2).round()

    def _largest(self) -> torch.Tensor:
        """Return width and height of the largest part whose ratio is allowed."""
        width, height = self.sides.tolist()
        low, high = self.spec.ratio
        ratio = min(max(width / height, low), high)
        largest = [min(width, height * ratio), min(height, width / ratio)]
        return torch.tensor(largest).round().clamp(min=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return resample(images, numbers, "bilinear", "edge")
