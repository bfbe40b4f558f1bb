"""Changing pixel values: brightness and contrast, and shifts in HSV."""

import torch

from resray.data.augment.operation import draw_between, draw_chances, move, to_uint8
from resray.study import recipe_spec


class BrightnessContrast:
    """See `resray.study.recipe_spec.BrightnessContrast`."""

    def __init__(self, spec: recipe_spec.BrightnessContrast) -> None:
        self.spec = spec

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the factor and what is added, in grey levels."""
        chances = draw_chances(count, self.spec.probability, generator)
        drawn = draw_between(-1, 1, count, 2, generator)
        factor = 1 + self.spec.contrast * drawn[:, :1]
        return torch.cat([chances, factor, 255 * self.spec.brightness * drawn[:, 1:]], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        factor, added = move(numbers, images.device)[:, :, None, None, None].unbind(dim=1)
        return to_uint8(images.mul(factor).add_(added).round_().clamp_(0, 255))


class HueSaturationValue:
    """See `resray.study.recipe_spec.HueSaturationValue`.

    Computed with fractions, where albumentations rounds to OpenCV's 180 hues and 256 levels in
    between. Grey pixels stay grey, as they do there.
    """

    def __init__(self, spec: recipe_spec.HueSaturationValue) -> None:
        self.spec = spec

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the shifts of hue (in sixths of the circle), saturation and value."""
        chances = draw_chances(count, self.spec.probability, generator)
        limits = torch.tensor([self.spec.hue / 30, self.spec.saturation / 255, self.spec.value])
        return torch.cat([chances, limits * draw_between(-1, 1, count, 3, generator)], dim=1)

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        hue_shift, saturation_shift, value_shift = move(numbers, images.device)[
            :, :, None, None
        ].unbind(dim=1)
        hue, saturation, value = to_hsv(images.float())
        shifted = (saturation + saturation_shift).clamp_(0, 1)
        saturation = torch.where(saturation > 0, shifted, saturation)
        value = (value + value_shift).clamp_(0, 255)
        return to_uint8(from_hsv(hue + hue_shift, saturation, value).round_())


def to_hsv(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return hue, saturation and value (n, h, w) of float images (n, 3, h, w).

    Hue is in sixths of the colour circle, between -1 and 5; saturation between 0 and 1; value in
    the images' unit. A grey pixel has hue and saturation 0. Source: Smith (1978).
    """
    red, green, blue = images.unbind(dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    # Where chroma is 0 the differences are too, so any divisor will do.
    divisor = chroma.clamp(min=1e-6)
    in_blue = (red - green) / divisor + 4
    in_green = (blue - red) / divisor + 2
    hue = torch.where(value == green, in_green, in_blue)
    hue = torch.where(value == red, (green - blue) / divisor, hue)
    return hue, chroma / value.clamp(min=1e-6), value


def from_hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return the float images (n, 3, h, w) of what `to_hsv` gives; the hue may go round.

    A channel is value * (1 - saturation * min(k, 4 - k, 1)), that no less than 0, where k is the
    hue's distance in sixths from the place where the channel begins to fall: 5, 3 and 1.
    """
    starts = torch.tensor([5.0, 3.0, 1.0]).to(hue.device).view(1, 3, 1, 1)
    k = (hue[:, None] + starts).remainder_(6)
    share = torch.minimum(k, 4 - k).clamp_(0, 1)
    return value[:, None] * (1 - saturation[:, None] * share)
