"""Shift, zoom, rotation, shear, crop and cutout against torchvision and against their formulas."""

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as reference

from resray.data.augment.cutout import Cutout
from resray.data.augment.geometry import (
    Affine,
    Outside,
    ResizedCrop,
    ShiftScaleRotate,
    inverse_matrices,
    resample,
)
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


def squares(count: int, holes: int, size: int, side: int) -> torch.Tensor:
    """Return which pixels lie in a hole, bool (n, 1, side, side), hole by hole.

    Drawn as every version of resray has drawn them, so that its trials stay what they are.
    """
    generator = torch.Generator().manual_seed(0)
    done = torch.rand(count, 1, generator=generator) < 0.5
    rows, columns = (
        torch.randint(0, side, (count, holes), generator=generator) - size // 2 for _ in range(2)
    )
    inside = torch.zeros(count, 1, side, side, dtype=torch.bool)
    for image, hole in np.ndindex(count, holes):
        top, left = int(rows[image, hole]), int(columns[image, hole])
        area = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
        inside[image, 0][area] |= bool(done[image])
    return inside


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("size", "count"), [(8, 1), (5, 1), (4, 3), (1, 1), (40, 1)])
def test_cutout_is_its_formula(size: int, count: int, layout: torch.memory_format) -> None:
    cutout = Cutout(augmentation_spec.Cutout(size=size, holes=count), 16, 16)
    numbers = cutout.draw(64, torch.Generator().manual_seed(0))
    images = torch.rand(64, 3, 16, 16).add_(1).contiguous(memory_format=layout)
    expected = images.masked_fill(squares(64, count, size, 16), 0.0)
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


COARSE = augmentation_spec.Cutout(probability=1, size=(3.2, 6.4), holes=(1, 2), inside=True, fill=0)


def coarse_holes(count: int = 20_000, height: int = 20, width: int = 32) -> list[torch.Tensor]:
    """Return first rows, first columns, last rows and last columns, each (count, 2)."""
    generator = torch.Generator().manual_seed(0)
    drawn = Cutout(COARSE, height, width).draw(count, generator)
    return list(drawn[:, 1:].chunk(4, dim=1))


def test_coarse_dropouts_holes_are_as_large_as_albumentations_draws_them() -> None:
    """A share of 0.1 to 0.2 of 32 pixels, rounded down; one hole or two, which are as likely."""
    top, left, bottom, right = coarse_holes()
    for sizes in (bottom - top + 1, right - left + 1):
        shares = [float((sizes == size).float().mean()) for size in (3, 4, 5, 6)]
        assert shares == pytest.approx([0.25, 0.3125, 0.3125, 0.125], abs=0.01)
    alike = (top[:, 0] == top[:, 1]) & (left[:, 0] == left[:, 1])
    assert float(alike.float().mean()) == pytest.approx(0.5, abs=0.02)


def test_coarse_dropouts_holes_lie_within_the_image_and_reach_its_corners() -> None:
    top, left, bottom, right = coarse_holes()
    assert {float(top.min()), float(left.min())} == {0}
    assert (float(bottom.max()), float(right.max())) == (19, 31)
    # The place is even among those that a hole of this height has.
    tops = top[bottom - top == 2].int().bincount(minlength=18) / (bottom - top == 2).sum()
    assert float((tops - 1 / 18).abs().max()) < 0.01


def test_a_fill_is_a_pixel_value() -> None:
    cutout = Cutout(COARSE.model_copy(update={"fill": 128}), 16, 24)
    numbers = cutout.draw(50, torch.Generator().manual_seed(0))[:, 1:]
    images = some_images(50, 16, 24)
    results = cutout.apply(images.clone(), numbers)
    for image, result, box in zip(images, results, numbers.int().view(50, 4, 2), strict=True):
        for top, left, bottom, right in box.T.tolist():
            image[:, top : bottom + 1, left : right + 1] = 128
        assert torch.equal(result, image)


def test_a_hole_inside_is_never_larger_than_the_image() -> None:
    cutout = Cutout(augmentation_spec.Cutout(size=40, inside=True, fill=7, probability=1), 8, 12)
    numbers = cutout.draw(5, torch.Generator().manual_seed(0))[:, 1:]
    assert bool((cutout.apply(some_images(5, 8, 12), numbers) == 7).all())


def test_a_fixed_shift_moves_pixels_by_exactly_two() -> None:
    spec = augmentation_spec.ShiftScaleRotate(
        probability=1, shift=(0.0625, 0.0625), scale=0, degrees=0, border="black"
    )
    images = some_images(8)
    operation = ShiftScaleRotate(spec, 32, 32)
    numbers = operation.draw(8, torch.Generator().manual_seed(0))[:, 1:]
    results = operation.apply(images.clone(), numbers)
    assert torch.equal(results[:, :, 2:, 2:], images[:, :, :-2, :-2])
    assert bool((results[:, :, :2] == 0).all())
    assert bool((results[:, :, :, :2] == 0).all())


def test_a_range_of_shifts_is_signed() -> None:
    spec = augmentation_spec.ShiftScaleRotate(shift=(-0.1, 0.3), scale=0, degrees=0)
    drawn = ShiftScaleRotate(spec, 20, 40).draw(2000, torch.Generator().manual_seed(0))
    _, shift, _, _ = undone(drawn[:, 1:])
    assert fills(shift[:, 0], -4, 12)
    assert fills(shift[:, 1], -2, 6)


def test_shifts_of_whole_pixels_are_as_albumentations_draws_them() -> None:
    """Up to 2 of 32 pixels without the fraction: -1, 0 and 1, and 0 half of the time."""
    spec = augmentation_spec.ShiftScaleRotate(scale=0, degrees=0, whole_pixels=True)
    drawn = ShiftScaleRotate(spec, 32, 32).draw(20_000, torch.Generator().manual_seed(0))
    _, shift, _, _ = undone(drawn[:, 1:])
    for axis in (0, 1):
        shares = [float((shift[:, axis] == pixels).float().mean()) for pixels in (-1, 0, 1)]
        assert shares == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


def test_zoom_by_axis_leaves_all_else_as_it_is() -> None:
    """Also x is zoomed as both were; y by a factor of its own."""
    spec = augmentation_spec.ShiftScaleRotate(probability=1, shift=0.1, scale=0.2, degrees=0)
    both, apart = (
        ShiftScaleRotate(each, 32, 32).draw(2000, torch.Generator().manual_seed(0))[:, 1:]
        for each in (spec, spec.model_copy(update={"scale_by_axis": True}))
    )
    assert torch.equal(both[:, :3], apart[:, :3])
    zoom = 1 / apart[:, [0, 4]]
    assert fills(zoom[:, 1], 0.8, 1.2)
    assert abs(float(torch.corrcoef(zoom.T)[0, 1])) < 0.06
    _, shift, _, _ = undone(both)
    torch.testing.assert_close(-zoom * apart[:, [2, 5]], shift.float(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("border", ["mirror", "black"])
def test_zoom_by_axis_then_rotation_is_its_formula(border: str) -> None:
    """By torchvision's grid of single steps: the image is zoomed by axis before it is turned."""
    image = some_images(1, 33, 33)
    matrix = inverse_matrices(torch.tensor([90.0]), torch.zeros(1, 2), torch.tensor([[2.0, 0.5]]))
    outside: Outside = "zeros" if border == "black" else "reflection"
    (result,) = resample(image, matrix, "nearest", outside)
    zoom = inverse_matrices(torch.zeros(1), torch.zeros(1, 2), torch.tensor([[2.0, 0.5]]))
    (zoomed,) = resample(image, zoom, "nearest", outside)
    # A quarter turn with the clock is exact.
    assert torch.equal(result, zoomed.rot90(-1, (1, 2)))
    covered = (zoomed[0] > 0).any(dim=1)
    assert int(covered.sum()) == (17 if border == "black" else 33)


PARTS = [(0, 0, 28, 28), (4, 4, 28, 28), (3, 1, 13, 27), (0, 0, 32, 32), (31, 5, 1, 9)]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 36)])
def test_resized_crop_is_torchvisions(height: int, width: int) -> None:
    images = some_images(len(PARTS), height, width)
    matrices = []
    for top, left, rows, columns in PARTS:
        middle = left + (columns - width) / 2, top + (rows - height) / 2
        matrices.append([columns / width, 0, middle[0], 0, rows / height, middle[1]])
    results = resample(images, torch.tensor(matrices), "bilinear", "edge")
    for image, result, part in zip(images, results, PARTS, strict=True):
        # Of floats: of uint8 images its fastest kernel rounds between the two axes too.
        size = [height, width]
        expected = reference.resized_crop(image.float(), *part, size=size, antialias=False)
        assert float((result - expected).abs().max()) < 0.51


def parts(numbers: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return left, top, width and height of what the numbers of a `ResizedCrop` show."""
    sides = torch.tensor([width, height])
    shown = numbers[:, [1, 5]] * sides
    corners = numbers[:, [3, 6]] - (shown - sides) / 2
    return torch.cat([corners, shown], dim=1)


def test_resized_crops_are_drawn_as_torchvision_draws_them() -> None:
    """By the averages and the extremes of both, on wide images where few tries fit."""
    scale, ratio = (0.2, 0.9), (0.75, 4 / 3)
    spec = augmentation_spec.ResizedCrop(scale=scale, ratio=ratio)
    crop = ResizedCrop(spec, 32, 48)
    drawn = parts(crop.draw(6000, torch.Generator().manual_seed(0)), 32, 48)
    torch.testing.assert_close(drawn, drawn.round(), atol=1e-4, rtol=0)
    torch.manual_seed(0)
    image = torch.zeros(3, 32, 48)
    others = torch.tensor(
        [RandomResizedCrop.get_params(image, list(scale), list(ratio)) for _ in range(6000)]
    )[:, [1, 0, 3, 2]].float()
    assert float((drawn.mean(dim=0) - others.mean(dim=0)).abs().max()) < 0.5
    assert float((drawn.std(dim=0) - others.std(dim=0)).abs().max()) < 0.5
    for extreme in (torch.Tensor.amin, torch.Tensor.amax):
        assert float((extreme(drawn, 0) - extreme(others, 0)).abs().max()) <= 1


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [((5, 6), [0, 13, 32, 6]), ((0.1, 0.2), [13, 0, 6, 32]), ((0.5, 2), [0, 0, 32, 32])],
)
def test_a_part_that_never_fits_is_the_middle(
    ratio: tuple[float, float], expected: list[int]
) -> None:
    spec = augmentation_spec.ResizedCrop(scale=(4, 4), ratio=ratio)
    drawn = parts(ResizedCrop(spec, 32, 32).draw(9, torch.Generator().manual_seed(0)), 32, 32)
    assert drawn.round().unique(dim=0).tolist() == [expected]


def test_equal_ends_are_a_fixed_size() -> None:
    """28 of 32 pixels, at all of the 25 places."""
    spec = augmentation_spec.ResizedCrop(scale=(0.765625, 0.765625), ratio=(1, 1))
    drawn = parts(ResizedCrop(spec, 32, 32).draw(2000, torch.Generator().manual_seed(0)), 32, 32)
    assert bool((drawn[:, 2:] == 28).all())
    assert len(drawn.unique(dim=0)) == 25
    assert drawn[:, :2].unique().tolist() == [0, 1, 2, 3, 4]
