"""Shift, zoom, rotation, shear and cutout against torchvision and against their formulas."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from resray.data.augment.cutout import Cutout
from resray.data.augment.geometry import Affine, ShiftScaleRotate, inverse_matrices, resample
from resray.study import augmentation_spec

SIZES = [(32, 32), (24, 36)]


def some_images(count: int, height: int = 32, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)


def mirrored_bilinear(
    image: np.ndarray, degrees: float, shift: tuple[float, float], scale: float
) -> np.ndarray:
    """Shift, zoom and rotate (h, w) about the centre, straight from the definition."""
    height, width = image.shape
    margin = 40
    padded = np.pad(image.astype(float), margin, mode="reflect")
    y, x = np.mgrid[:height, :width]
    x, y = x - (width - 1) / 2 - shift[0], y - (height - 1) / 2 - shift[1]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    from_x = (cosine * x + sine * y) / scale + (width - 1) / 2 + margin
    from_y = (-sine * x + cosine * y) / scale + (height - 1) / 2 + margin
    left, top = np.floor(from_x).astype(int), np.floor(from_y).astype(int)
    right_share, low_share = from_x - left, from_y - top
    upper = padded[top, left] * (1 - right_share) + padded[top, left + 1] * right_share
    lower = padded[top + 1, left] * (1 - right_share) + padded[top + 1, left + 1] * right_share
    return np.asarray(upper * (1 - low_share) + lower * low_share)


def undone(matrices: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return degrees, shift (n, 2), scale and shear along x that lead to the matrices."""
    inverse = matrices.double().view(-1, 2, 3)
    forward = torch.linalg.inv(inverse[:, :, :2])
    shift = -(forward @ inverse[:, :, 2:]).flatten(1)
    (a, b), (c, d) = forward[:, 0].T, forward[:, 1].T
    scale = torch.hypot(a, c)
    shear = torch.atan(-(a * b + c * d) / scale**2)
    return torch.atan2(c, a).rad2deg(), shift, scale, shear.rad2deg()


def fills(values: torch.Tensor, low: float, high: float) -> bool:
    """Whether many values lie within two limits and come near both."""
    margin = 0.05 * (high - low)
    lowest, highest = float(values.min()), float(values.max())
    return low - 1e-3 <= lowest < low + margin and high - margin < highest <= high + 1e-3


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_affine_is_torchvisions(height: int, width: int) -> None:
    images = some_images(6, height, width)
    degrees = torch.tensor([0.0, 10.0, -7.5, 0.0, 3.0, 90.0])
    shift = torch.tensor([[3, -2], [0, 0], [1, 3], [-3, 0], [2, 2], [0, 1]]).float()
    scale = torch.tensor([1.0, 1.0, 0.9, 1.1, 1.05, 0.93])
    shear = torch.tensor([[0, 0], [0, 0], [10, 0], [-9, 0], [5, 4], [0, -3]]).float()
    matrices = inverse_matrices(degrees, shift, scale, shear)
    results = resample(images, matrices, "nearest", "zeros")
    for index, (image, result) in enumerate(zip(images, results, strict=True)):
        expected = reference.affine(
            image,
            angle=float(degrees[index]),
            translate=shift[index].tolist(),
            scale=float(scale[index]),
            shear=shear[index].tolist(),
        )
        # A place half-way between two pixels may be rounded to either.
        assert float((result != expected).float().mean()) < 0.002


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_shift_scale_rotate_is_its_formula(height: int, width: int) -> None:
    images = some_images(4, height, width)
    degrees = torch.tensor([45.0, -30.0, 0.0, 10.0])
    shift = torch.tensor([[0.0, 0.0], [1.5, -2.0], [0.3, 0.7], [-2, 2]])
    scale = torch.tensor([1.0, 0.9, 1.1, 1.04])
    matrices = inverse_matrices(degrees, shift, scale)
    results = resample(images, matrices, "bilinear", "reflection")
    for index, result in enumerate(results):
        move = (float(shift[index, 0]), float(shift[index, 1]))
        for channel in range(3):
            expected = mirrored_bilinear(
                images[index, channel].numpy(), float(degrees[index]), move, float(scale[index])
            )
            assert np.abs(result[channel].numpy() - expected).max() < 0.51


def test_surroundings_are_mirrored_without_the_edge_twice() -> None:
    images = some_images(1)
    matrices = inverse_matrices(torch.zeros(1), torch.tensor([[5.0, -3.0]]), torch.ones(1))
    (result,) = resample(images, matrices, "bilinear", "reflection")
    padded = np.pad(images[0].numpy(), ((0, 0), (0, 3), (5, 0)), mode="reflect")
    assert np.array_equal(result.numpy(), padded[:, 3:, :32])


def test_shift_scale_rotate_fills_its_ranges() -> None:
    spec = augmentation_spec.ShiftScaleRotate(shift=0.1, scale=0.2, degrees=30)
    drawn = ShiftScaleRotate(spec, 20, 40).draw(2000, torch.Generator().manual_seed(0))
    degrees, shift, scale, shear = undone(drawn[:, 1:])
    assert fills(degrees, -30, 30)
    assert fills(shift[:, 0], -4, 4)
    assert fills(shift[:, 1], -2, 2)
    assert fills(scale, 0.8, 1.2)
    assert float(shear.abs().max()) < 1e-3


def test_affine_fills_its_ranges_in_whole_pixels() -> None:
    spec = augmentation_spec.Affine(degrees=10, translate=0.1, scale=(0.9, 1.3), shear=15)
    drawn = Affine(spec, 32, 64).draw(2000, torch.Generator().manual_seed(0))
    degrees, shift, scale, shear = undone(drawn[:, 1:])
    assert fills(degrees, -10, 10)
    assert fills(scale, 0.9, 1.3)
    assert fills(shear, -15, 15)
    for axis, largest in ((0, 6), (1, 3)):
        assert set(shift[:, axis].round().tolist()) == set(range(-largest, largest + 1))
        torch.testing.assert_close(shift[:, axis], shift[:, axis].round(), atol=1e-3, rtol=0)


def holes(numbers: torch.Tensor, size: int, side: int) -> torch.Tensor:
    """Return which pixels lie in a hole, bool (n, 1, side, side), hole by hole."""
    inside = torch.zeros(len(numbers), 1, side, side, dtype=torch.bool)
    for image, (done, *centres) in enumerate(numbers.int().tolist()):
        middle = len(centres) // 2
        for row, column in zip(centres[:middle], centres[middle:], strict=True):
            top, left = row - size // 2, column - size // 2
            rows, columns = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
            inside[image, 0, rows, columns] |= bool(done)
    return inside


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "count"), [(8, 1), (5, 1), (4, 3), (1, 1), (40, 1)])
def test_cutout_is_its_formula(size: int, count: int, layout: torch.memory_format) -> None:
    cutout = Cutout(augmentation_spec.Cutout(size=size, holes=count), 16, 16)
    numbers = cutout.draw(64, torch.Generator().manual_seed(0))
    images = torch.rand(64, 3, 16, 16).add_(1).contiguous(memory_format=layout)
    expected = images.masked_fill(holes(numbers, size, 16), 0.0)
    cutout.cut(images, numbers)
    assert torch.equal(images, expected)


def test_cutout_honours_its_probability_and_reaches_every_pixel() -> None:
    cutout = Cutout(augmentation_spec.Cutout(size=2, probability=0.3), 8, 8)
    numbers = cutout.draw(4000, torch.Generator().manual_seed(0))
    images = torch.ones(4000, 3, 8, 8)
    cutout.cut(images, numbers)
    cut = (images == 0).any(dim=1)
    assert float(cut.any(dim=(1, 2)).float().mean()) == pytest.approx(0.3, abs=0.03)
    # A pixel is covered by 4 of 64 centres, less at the left and upper edge.
    frequency = cut.float().mean(dim=0)
    inner = frequency[:-1, :-1]
    assert float(inner.min()) > 0.5 * 0.3 * 4 / 64
    assert float(inner.mean()) == pytest.approx(0.3 * 4 / 64, rel=0.1)
    assert float(frequency[-1, -1]) == pytest.approx(0.3 / 64, abs=0.005)
