"""Thirty conditions, harder step by step, the same each time, and what their authors say."""

import hashlib

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from resray.data.corruptions import (
    CONDITIONS,
    SEVERITIES,
    STRENGTHS,
    blur,
    brightness,
    contrast,
    corrupt,
)
from resray.data.embedded import generate

IMAGES = generate(24, 4, 32, seed=7).images


def as_float(images: torch.Tensor) -> torch.Tensor:
    return images.double() / 255


def test_six_kinds_and_five_severities() -> None:
    assert len(CONDITIONS) == len(set(CONDITIONS)) == 30
    assert all(len(strengths) == len(SEVERITIES) for strengths in STRENGTHS.values())


@pytest.mark.parametrize("kind", STRENGTHS)
def test_each_severity_changes_more_than_the_one_before(kind: str) -> None:
    before = IMAGES.clone()
    found = [corrupt(IMAGES, kind, severity) for severity in SEVERITIES]
    changes = [(image.int() - IMAGES.int()).abs().double().mean().item() for image in found]
    assert 0 < changes[0] < changes[1] < changes[2] < changes[3] < changes[4]
    assert all(image.dtype == torch.uint8 and image.shape == IMAGES.shape for image in found)
    assert torch.equal(IMAGES, before), "the images themselves stay as they were"


@pytest.mark.parametrize("kind", STRENGTHS)
def test_repeats_exactly_and_image_by_image(kind: str) -> None:
    torch.manual_seed(1)
    first = corrupt(IMAGES, kind, 3)
    torch.manual_seed(2)
    np.random.seed(3)
    assert torch.equal(corrupt(IMAGES, kind, 3), first)
    assert torch.equal(corrupt(IMAGES[:5], kind, 3), first[:5])


def test_every_image_has_noise_of_its_own_of_the_stated_strength() -> None:
    grey = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = as_float(corrupt(grey, "noise", 5))
    assert not torch.equal(noisy[0], noisy[1])
    assert noisy.std().item() == pytest.approx(0.10, rel=0.03)
    assert noisy.mean().item() == pytest.approx(128 / 255, abs=0.003)


def test_the_same_pixels_on_any_machine() -> None:
    """Recorded on an AMD EPYC; JPEG is left out, as it follows the library's version."""
    drawn = np.random.Generator(np.random.PCG64(0)).integers(0, 256, (24, 3, 32, 32), np.uint8)
    digest = hashlib.sha256()
    for kind, severity in CONDITIONS:
        if kind != "jpeg":
            digest.update(corrupt(torch.from_numpy(drawn), kind, severity).numpy().data)
    assert digest.hexdigest()[:16] == "4bcb21f684de172d"


def test_blur_is_torchvisions_within_the_image() -> None:
    ours = blur(as_float(IMAGES), 0.8)
    theirs = reference.gaussian_blur(as_float(IMAGES), [9, 9], [0.8, 0.8])
    torch.testing.assert_close(ours[..., 4:-4, 4:-4], theirs[..., 4:-4, 4:-4])
    flat = torch.full((1, 3, 8, 8), 0.3, dtype=torch.float64)
    torch.testing.assert_close(blur(flat, 1.0), flat)


def test_brightness_keeps_hue_and_saturation() -> None:
    colours = torch.tensor([[0.2, 0.1, 0.0], [0.0, 0.0, 0.0], [0.4, 0.8, 0.9]])
    brighter = brightness(colours.double()[:, :, None, None], 0.2)[:, :, 0, 0]
    expected = [[0.4, 0.2, 0.0], [0.2, 0.2, 0.2], [0.4 / 0.9, 0.8 / 0.9, 1.0]]
    torch.testing.assert_close(brighter, torch.tensor(expected, dtype=torch.float64))


def test_contrast_draws_towards_the_channels_mean() -> None:
    image = torch.tensor([0, 255, 255, 0]).view(1, 1, 2, 2).expand(1, 3, 2, 2).double() / 255
    values = contrast(image, 0.5).unique().tolist()
    assert values == [0.25, 0.75]


def test_pixelate_leaves_blocks() -> None:
    fine = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    fine[..., ::2] = 200
    coarse = corrupt(fine, "pixelate", 5)
    repeated = (coarse[..., 1:, :] == coarse[..., :-1, :]).all()
    assert bool(repeated), "rows were equal and stay so"
    assert len(coarse[0, 0, 0].unique()) < 4
    columns = coarse[0, 0, 0]
    assert bool((columns[1:] == columns[:-1]).any()), "neighbours have become one block"
