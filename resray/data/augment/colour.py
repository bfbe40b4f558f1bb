"""Changing pixel values: factors of brightness, contrast and saturation, and shifts in HSV.

`brightness`, `contrast`, `saturation` and `hue` are torchvision's ``adjust_...`` of uint8 tensors
(``torchvision.transforms.v2.functional``) for images that each have a magnitude of their own,
(n, 1, 1, 1): it adds to a factor of 1, or to a hue of which 1 is the whole circle.
"""

from functools import partial

import torch

from resray.data.augment.operation import (
    Change,
    change_groups,
    draw_between,
    draw_chances,
    to_uint8,
)
from resray.study import augmentation_spec


class BrightnessContrast:
    """See `augmentation_spec.BrightnessContrast`."""

    def __init__(self, spec: augmentation_spec.BrightnessContrast) -> None:
        self.spec = spec

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the factor and what is added, in grey levels."""
        chances = draw_chances(count, self.spec.probability, generator)
        drawn = draw_between(-1, 1, count, 2, generator)
        factor = 1 + self.spec.contrast * drawn[:, :1]
        return torch.cat([chances, factor, 255 * self.spec.brightness * drawn[:, 1:]], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        factor, added = numbers[:, :, None, None, None].unbind(dim=1)
        return to_uint8(images.mul(factor).add_(added).round_().clamp_(0, 255))


class HueSaturationValue:
    """See `augmentation_spec.HueSaturationValue`.

    Computed with fractions, where albumentations rounds to OpenCV's 180 hues and 256 levels in
    between. Grey pixels stay grey, as they do there.
    """

    def __init__(self, spec: augmentation_spec.HueSaturationValue) -> None:
        self.spec = spec

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the shifts of hue (in sixths of the circle), saturation and value."""
        chances = draw_chances(count, self.spec.probability, generator)
        limits = torch.tensor([self.spec.hue / 30, self.spec.saturation / 255, self.spec.value])
        return torch.cat([chances, limits * draw_between(-1, 1, count, 3, generator)], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        hue_shift, saturation_shift, value_shift = numbers[:, :, None, None].unbind(dim=1)
        hue, saturation, value = to_hsv(images)
        coloured = saturation.ceil()
        saturation.add_(saturation_shift).clamp_(0, 1).mul_(coloured)
        value = (value + value_shift).clamp_(0, 255)
        return to_uint8(from_hsv(hue.add_(hue_shift), saturation, value).round_())


def to_hsv(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return hue, saturation and value of uint8 images (n, 3, h, w), each float32 (n, h, w).

    Hue is in sixths of the colour circle, between -1 and 5; saturation between 0 and 1; value
    between 0 and 255. A grey pixel has hue and saturation 0. Source: Smith (1978).
    """
    red, green, blue = images.float().unbind(dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    # Where chroma is 0 all differences are 0 too, so any divisor will do.
    divisor = chroma.clamp(min=1)
    # Levels are whole numbers: a channel is 0 below the value if it is the largest, else 1 or more.
    # Picking by lerp with weights 0 and 1 is exact and 20 times as fast on a CPU as torch.where.
    not_red, not_green = (value - red).clamp_(max=1), (value - green).clamp_(max=1)
    hue = ((blue - red) / divisor).add_(2).lerp_(((red - green) / divisor).add_(4), not_green)
    hue = ((green - blue) / divisor).lerp_(hue, not_red)
    return hue, chroma / value.clamp(min=1), value


def from_hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the float images (n, 3, h, w) of what `to_hsv` gives; the hue may go round.

    A channel is the value less a share of the chroma. The share is 0 within one sixth of the
    channel's own hue, 1 beyond two sixths, and linear between.
    """
    around = hue - 6 * (hue / 6).floor()
    chroma = value * saturation
    red = (around - 3).abs_().neg_().add_(2)
    green, blue = ((around - peak).abs_().sub_(1) for peak in (2, 4))
    return torch.stack([value - s.clamp_(0, 1).mul_(chroma) for s in (red, green, blue)], dim=1)


def blend(images: torch.Tensor, others: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    """Go from ``others`` (magnitude -1) to ``images`` (0) and beyond."""
    blended = images.mul(1 + magnitudes).add_(others.mul(-magnitudes))
    return to_uint8(blended.clamp_(0, 255))


def grey(images: torch.Tensor) -> torch.Tensor:
    """Return the luma (n, 1, h, w) of uint8 images, float32 without fractions."""
    red, green, blue = images.unbind(dim=1)
    luma = red.mul(0.2989).add_(green.mul(0.587)).add_(blue.mul(0.114))
    return luma.floor_()[:, None]


def brightness(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    return to_uint8(images.mul(1 + magnitudes).clamp_(0, 255))


def contrast(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    return blend(images, grey(images).mean(dim=(1, 2, 3), keepdim=True), magnitudes)


def saturation(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    return blend(images, grey(images), magnitudes)


def hue(images: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    own, saturation, value = to_hsv(images)
    shifted = from_hsv(own.add_(6 * magnitudes[:, 0]), saturation, value)
    # torchvision's way from 0 ... 1 to levels.
    return to_uint8(shifted.mul_(255.999 / 255))


class ColorJitter:
    """See `augmentation_spec.ColorJitter`."""

    def __init__(self, spec: augmentation_spec.ColorJitter) -> None:
        strengths = {
            brightness: spec.brightness,
            contrast: spec.contrast,
            saturation: spec.saturation,
            hue: spec.hue,
        }
        self.probability = spec.probability
        self.strengths = {change: most for change, most in strengths.items() if most}
        self.changes = [
            partial(_change_by, change, column) for column, change in enumerate(self.strengths)
        ]

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then each change's magnitude, and the order in which they come."""
        chances = draw_chances(count, self.probability, generator)
        strengths = torch.tensor(list(self.strengths.values()))
        magnitudes = strengths * draw_between(-1, 1, count, len(strengths), generator)
        order = torch.rand(magnitudes.shape, generator=generator).argsort(dim=1)
        return torch.cat([chances, magnitudes, order], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        magnitudes, order = numbers.chunk(2, dim=1)
        for step in order.long().unbind(dim=1):
            images = change_groups(images, step + 1, self.changes, magnitudes)
        return images


def _change_by(
    change: Change, column: int, images: torch.Tensor, magnitudes: torch.Tensor
) -> torch.Tensor:
    """Change images (m, 3, h, w) by one of their magnitudes (m, changes)."""
    return change(images, magnitudes[:, column].view(-1, 1, 1, 1))
