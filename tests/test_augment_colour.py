"""Brightness and contrast, and shifts in HSV, against their formulas; jitter, torchvision's."""

import colorsys

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from resray.data.augment.colour import BrightnessContrast, ColorJitter, HueSaturationValue
from resray.study import augmentation_spec

GREYS = torch.arange(0, 256, 16, dtype=torch.uint8)


def colourful(count: int = 8) -> torch.Tensor:
    """Random images whose first rows are grey, black and white, pure and two-fold maximal."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, 8, 16), dtype=torch.uint8, generator=generator)
    images[:, :, 0] = GREYS
    corners = torch.tensor([[int(bit) * 255 for bit in f"{code:03b}"] for code in range(8)])
    images[:, :, 1, :8] = corners.T.to(torch.uint8)
    images[:, 0, 2] = images[:, 1, 2]
    images[:, 1, 3] = images[:, 2, 3]
    return images


def shifted_pixel(pixel: list[int], hue: float, saturation: float, value: float) -> list[float]:
    """Shift one pixel by albumentations' units, through Python's own colour conversions."""
    h, s, v = colorsys.rgb_to_hsv(*(level / 255 for level in pixel))
    s = min(max(s + saturation / 255, 0), 1) if s > 0 else 0
    v = min(max(v + value / 255, 0), 1)
    return [255 * level for level in colorsys.hsv_to_rgb((h + hue / 180) % 1, s, v)]


@pytest.mark.parametrize(
    "shifts", [(0, 0, 0), (20, 30, 20), (-20, -30, -20), (90, 0, 0), (-90, 255, 10), (3.3, -7, 255)]
)
def test_hue_saturation_value_is_its_formula(shifts: tuple[float, float, float]) -> None:
    images = colourful()
    hue, saturation, value = shifts
    numbers = torch.tensor([[hue / 30, saturation / 255, value]]).expand(len(images), 3)
    operation = HueSaturationValue(augmentation_spec.HueSaturationValue())
    results = operation.apply(images.clone(), numbers).permute(0, 2, 3, 1).reshape(-1, 3)
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).tolist()
    expected = np.array([shifted_pixel(pixel, *shifts) for pixel in pixels])
    assert np.abs(results.numpy() - expected).max() < 0.51


def test_no_shift_changes_nothing() -> None:
    images = colourful(64)
    operation = HueSaturationValue(augmentation_spec.HueSaturationValue())
    assert torch.equal(operation.apply(images.clone(), torch.zeros(64, 3)), images)


def test_brightness_contrast_is_its_formula() -> None:
    images = colourful(16)
    operation = BrightnessContrast(
        augmentation_spec.BrightnessContrast(brightness=0.4, contrast=0.5)
    )
    numbers = operation.draw(16, torch.Generator().manual_seed(0))[:, 1:]
    results = operation.apply(images.clone(), numbers)
    for image, result, (factor, added) in zip(images, results, numbers.tolist(), strict=True):
        expected = np.clip(factor * image.numpy().astype(float) + added, 0, 255)
        assert np.abs(result.numpy() - expected).max() < 0.51


def test_draws_fill_their_ranges() -> None:
    generator = torch.Generator().manual_seed(0)
    spec = augmentation_spec.BrightnessContrast(brightness=0.1, contrast=0.4)
    factor, added = BrightnessContrast(spec).draw(2000, generator)[:, 1:].T
    hsv = augmentation_spec.HueSaturationValue(hue=15, saturation=51, value=40)
    shifts = HueSaturationValue(hsv).draw(2000, generator)[:, 1:].T
    limits = [(0.6, 1.4), (-25.5, 25.5), (-0.5, 0.5), (-0.2, 0.2), (-40, 40)]
    for values, (low, high) in zip((factor, added, *shifts), limits, strict=True):
        margin = 0.05 * (high - low)
        assert low <= float(values.min()) < low + margin
        assert high - margin < float(values.max()) <= high


CHANGES = {
    "brightness": lambda image, by: reference.adjust_brightness(image, 1 + by),
    "contrast": lambda image, by: reference.adjust_contrast(image, 1 + by),
    "saturation": lambda image, by: reference.adjust_saturation(image, 1 + by),
    "hue": lambda image, by: reference.adjust_hue(image, by),
}
JITTERS = [{name: 0.5} for name in CHANGES]
JITTERS += [{"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.5}]
JITTERS += [{"hue": 0.2, "contrast": 0.9}]


@pytest.mark.parametrize("strengths", JITTERS, ids="-".join)
def test_color_jitter_is_torchvisions_step_by_step(strengths: dict[str, float]) -> None:
    images = colourful(64)
    operation = ColorJitter(augmentation_spec.ColorJitter(**strengths))
    numbers = operation.draw(64, torch.Generator().manual_seed(0))[:, 1:]
    results = operation.apply(images.clone(), numbers)
    used = [name for name in CHANGES if name in strengths]
    for image, result, row in zip(images, results, numbers.tolist(), strict=True):
        for step in map(int, row[len(used) :]):
            assert abs(row[step]) <= strengths[used[step]]
            image = CHANGES[used[step]](image, row[step])
        difference = (result.int() - image.int()).abs()
        # A value next to a whole one may fall to either side of it, and later steps enlarge that.
        assert int(difference.max()) <= 2
        assert float((difference > 0).float().mean()) < 0.01


def test_color_jitter_draws_every_order_and_its_ranges() -> None:
    spec = augmentation_spec.ColorJitter(brightness=0.1, contrast=0.2, saturation=0.3, hue=0.5)
    drawn = ColorJitter(spec).draw(4800, torch.Generator().manual_seed(0))[:, 1:]
    orders, counts = drawn[:, 4:].unique(dim=0, return_counts=True)
    assert len(orders) == 24
    assert int(counts.min()) > 140
    for values, most in zip(drawn[:, :4].T, (0.1, 0.2, 0.3, 0.5), strict=True):
        assert -most <= float(values.min()) < -0.95 * most
        assert 0.95 * most < float(values.max()) <= most


def test_color_jitter_without_strength_changes_nothing() -> None:
    images = colourful()
    operation = ColorJitter(augmentation_spec.ColorJitter())
    numbers = operation.draw(8, torch.Generator().manual_seed(0))[:, 1:]
    assert torch.equal(operation.apply(images.clone(), numbers), images)
