"""RandAugment and AutoAugment against torchvision's, operation by operation and as a whole."""

import math

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as reference

from resray.data.augment.choices import SIGNED, Choice, Choices, magnitude_at
from resray.data.augment.policies import (
    AUTO_AUGMENT_LEVELS,
    CIFAR10_POLICY,
    RAND_AUGMENT_LEVELS,
    RAND_AUGMENT_OPERATIONS,
    AutoAugment,
    RandAugment,
)
from resray.study import augmentation_spec

MOVES = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
LEVELS = (0, 4, 9, 15, 30)
TORCHVISIONS_AUTO_AUGMENT = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)


def some_images(count: int, height: int = 32, width: int = 32) -> torch.Tensor:
    """Smooth random images of unequal contrast, as operations on histograms need."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    limits = torch.rand(2, count, 3, 1, 1, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp_(0, 1)
    return (255 * (0.3 * limits[0] + smooth * (0.3 + 0.4 * limits[1]))).to(torch.uint8)


def torchvisions(image: torch.Tensor, name: str, magnitude: float) -> torch.Tensor:
    """Apply an operation to one image by torchvision's functions, as its AutoAugment calls them."""
    slope = math.degrees(math.atan(magnitude))
    shears = {"ShearX": [slope, 0.0], "ShearY": [0.0, slope]}
    shifts = {"TranslateX": [int(magnitude), 0], "TranslateY": [0, int(magnitude)]}
    if name in shears:
        return reference.affine(image, 0.0, [0, 0], 1.0, shears[name], center=[0, 0])
    if name in shifts:
        return reference.affine(image, 0.0, shifts[name], 1.0, [0.0, 0.0])
    functions = {
        "Identity": lambda: image,
        "Rotate": lambda: reference.rotate(image, magnitude),
        "Brightness": lambda: reference.adjust_brightness(image, 1 + magnitude),
        "Color": lambda: reference.adjust_saturation(image, 1 + magnitude),
        "Contrast": lambda: reference.adjust_contrast(image, 1 + magnitude),
        "Sharpness": lambda: reference.adjust_sharpness(image, 1 + magnitude),
        "Posterize": lambda: reference.posterize(image, int(magnitude)),
        "Solarize": lambda: reference.solarize(image, 255 * magnitude),
        "AutoContrast": lambda: reference.autocontrast(image),
        "Equalize": lambda: reference.equalize(image),
        "Invert": lambda: reference.invert(image),
    }
    return functions[name]()


def levels_apart(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first.int() - second.int()).abs()


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 28)])
@pytest.mark.parametrize("name", [*RAND_AUGMENT_OPERATIONS, "Invert"])
def test_operation_is_torchvisions_at_any_magnitude(name: str, height: int, width: int) -> None:
    """Images of one batch, each with a magnitude of its own, against single ones."""
    magnitudes = [
        sign * magnitude_at(name, level, RAND_AUGMENT_LEVELS, height, width)
        for level in LEVELS
        for sign in ((1, -1) if name in SIGNED else (1,))
    ]
    images = some_images(len(magnitudes), height, width)
    choices = Choices([Choice(name, m) for m in magnitudes], height, width)
    results = choices.apply(images.clone(), torch.arange(len(magnitudes)))
    for image, result, magnitude in zip(images, results, magnitudes, strict=True):
        apart = levels_apart(result, torchvisions(image, name, magnitude))
        if name in MOVES:  # a place half-way between two pixels may be rounded to either
            assert float((apart > 0).float().mean()) < 0.005
        elif name in SIGNED:  # fractions are dropped, just below and just above a whole number
            assert int(apart.max()) <= 1
        else:
            assert int(apart.max()) == 0


@pytest.mark.parametrize("levels", [RAND_AUGMENT_LEVELS, AUTO_AUGMENT_LEVELS])
def test_magnitudes_are_torchvisions(levels: int) -> None:
    space = TORCHVISIONS_AUTO_AUGMENT._AUGMENTATION_SPACE
    for name, (magnitudes, signed) in space.items():
        expected = magnitudes(levels, 32, 48)
        assert signed == (name in SIGNED)
        for level in range(levels):
            ours = magnitude_at(name, level, levels, 32, 48)
            if expected is None:
                assert ours == 0
            elif name.startswith("Translate"):
                assert ours == int(expected[level])
            else:
                assert ours == pytest.approx(float(expected[level]), rel=1e-6, abs=1e-6)


def test_operations_and_policy_are_torchvisions() -> None:
    assert list(RAND_AUGMENT_OPERATIONS) == list(v2.RandAugment._AUGMENTATION_SPACE)
    ours = [tuple((name, chance) for name, chance, _ in pair) for pair in CIFAR10_POLICY]
    theirs = TORCHVISIONS_AUTO_AUGMENT._policies
    assert ours == [tuple((name, chance) for name, chance, _ in pair) for pair in theirs]
    for pair, other in zip(CIFAR10_POLICY, theirs, strict=True):
        for (name, _, level), (_, _, expected) in zip(pair, other, strict=True):
            assert level == (expected or 0), name


def alike(image: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether one of the others is the image, up to roundings of levels and places."""
    different = levels_apart(image, others) > 2
    return bool((different.float().mean(dim=(1, 2, 3)) < 0.02).any())


@pytest.mark.parametrize("name", ["rand_augment", "auto_augment"])
def test_torchvision_makes_nothing_that_we_do_not(name: str) -> None:
    """All that torchvision makes of one image is among what we make of it."""
    spec: RandAugment | AutoAugment
    if name == "rand_augment":
        spec = RandAugment(augmentation_spec.RandAugment(operations=1, magnitude=14), 16, 16)
        theirs: v2.Transform = v2.RandAugment(num_ops=1, magnitude=14)
    else:
        spec, theirs = (
            AutoAugment(augmentation_spec.AutoAugment(), 16, 16),
            TORCHVISIONS_AUTO_AUGMENT,
        )
    image = some_images(1, 16, 16)
    numbers = spec.draw(4000, torch.Generator().manual_seed(0))[:, 1:]
    ours = spec.apply(image.repeat(4000, 1, 1, 1), numbers).unique(dim=0)
    torch.manual_seed(0)
    made = torch.stack([theirs(image[0]) for _ in range(150)]).unique(dim=0)
    assert len(made) > 15
    assert all(alike(result, ours) for result in made)


def test_rand_augment_draws_all_operations_and_signs_alike() -> None:
    operation = RandAugment(augmentation_spec.RandAugment(operations=3, probability=0.4), 32, 32)
    numbers = operation.draw(9000, torch.Generator().manual_seed(0))
    assert float(numbers[:, 0].mean()) == pytest.approx(0.4, abs=0.02)
    for step in (1, 2, 3):
        counts = numbers[:, step].long().bincount(minlength=28)
        assert len(counts) == 28
        assert float((counts / 9000 - 1 / 28).abs().max()) < 0.008


def test_auto_augment_draws_pairs_alike_and_honours_their_probabilities() -> None:
    operation = AutoAugment(augmentation_spec.AutoAugment(), 32, 32)
    drawn = operation.draw(40_000, torch.Generator().manual_seed(0))[:, 1:].long()
    for place, pair in enumerate(CIFAR10_POLICY):
        for step in (0, 1):
            for sign in (0, 1):
                share = float((drawn[:, step] == 4 * place + 2 * step + sign).float().mean())
                assert share == pytest.approx(pair[step][1] / 50, abs=0.003)
