"""A fixed, seeded set of corrupted images: six kinds, five severities, the same on any machine.

How a network holds up off its own test set. Kinds and strengths are those of CIFAR-10-C:
Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (ICLR 2019), script ``make_cifar_c.py``. Of their 19 kinds these six need neither
other images (frost) nor ImageMagick. Two things differ: values are rounded rather than cut off, and
the images are those that the network is tested on, at its own size.

All arithmetic is on the CPU, elementwise in float64, and the noise is NumPy's; only JPEG depends
on a library's version.
"""

import io
import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

STRENGTHS: dict[str, tuple[float, ...]] = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),
    "pixelate": (0.95, 0.9, 0.85, 0.75, 0.65),
    "jpeg": (80, 65, 58, 50, 40),
}
"""Severities 1 to 5. noise: standard deviation, of pixels in [0, 1]; blur: standard deviation of
the Gaussian in pixels; contrast: factor of the distance from the image's mean; brightness: added to
the value of HSV; pixelate: share of the side that is left; jpeg: quality."""

SEVERITIES = (1, 2, 3, 4, 5)
CONDITIONS = tuple((kind, severity) for kind in STRENGTHS for severity in SEVERITIES)
SEED = 2019

CHUNK = 1000
"""Images held as float64 at a time."""

Pixels = torch.Tensor
"""float64 (n, 3, h, w), from 0 to 1."""


def corrupt(images: torch.Tensor, kind: str, severity: int) -> torch.Tensor:
    """Return a corrupted copy of uint8 images (n, 3, h, w), on the CPU.

    ``kind`` is a key of `STRENGTHS` and ``severity`` counts from 1. The first images of a longer
    sequence are corrupted as they are alone.
    """
    strength = STRENGTHS[kind][severity - 1]
    generator = np.random.Generator(np.random.PCG64([SEED, severity]))
    chunks = images.cpu().split(CHUNK)
    if kind in _OF_PICTURES:
        return torch.cat([_each(chunk, _OF_PICTURES[kind], strength) for chunk in chunks])
    if kind == "noise":
        return torch.cat([_round(noise(_float(chunk), strength, generator)) for chunk in chunks])
    return torch.cat([_round(_OF_PIXELS[kind](_float(chunk), strength)) for chunk in chunks])


def _float(images: torch.Tensor) -> Pixels:
    return images.double() / 255


def _round(pixels: Pixels) -> torch.Tensor:
    return (pixels.clamp(0, 1) * 255).round().to(torch.uint8)


def noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    """Add Gaussian noise of its own to every value."""
    return pixels + deviation * torch.from_numpy(generator.standard_normal(pixels.shape))


def blur(pixels: Pixels, deviation: float) -> Pixels:
    """Convolve with a Gaussian, cut off at four deviations; beyond the edge its pixels go on."""
    radius = math.ceil(4 * deviation)
    weights = [math.exp(-0.5 * (offset / deviation) ** 2) for offset in range(-radius, radius + 1)]
    for side in (2, 3):
        length = pixels.shape[side]
        summed = torch.zeros_like(pixels)
        # Tap by tap: the order in which a convolution sums depends on the processor.
        for offset, weight in zip(range(-radius, radius + 1), weights, strict=True):
            places = (torch.arange(length) + offset).clamp(0, length - 1)
            summed += pixels.index_select(side, places) * (weight / sum(weights))
        pixels = summed
    return pixels


def contrast(pixels: Pixels, factor: float) -> Pixels:
    """Draw every value towards its channel's mean over the image."""
    # Whole numbers sum up to the same in any order.
    counts = (pixels * 255).round().long()
    mean = counts.sum((2, 3), keepdim=True).double() / (255 * counts[0, 0].numel())
    return (pixels - mean) * factor + mean


def brightness(pixels: Pixels, added: float) -> Pixels:
    """Add to the value in HSV, hue and saturation kept: colours grow in proportion, black to grey.

    With V the largest channel, (H, S, V') is the colour times V' / V.
    """
    value = pixels.amax(1, keepdim=True)
    raised = (value + added).clamp(max=1)
    return torch.where(value > 0, pixels * raised / value.clamp_min(1 / 255), raised)


def pixelate(picture: Image.Image, share: float) -> Image.Image:
    """Shrink by averaging boxes, and enlarge again by repeating pixels."""
    small = (int(picture.width * share), int(picture.height * share))
    return picture.resize(small, Image.Resampling.BOX).resize(picture.size, Image.Resampling.BOX)


def jpeg(picture: Image.Image, quality: float) -> Image.Image:
    """Store as JPEG and read again, with the colour resolution that Pillow gives by default."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(quality))
    return Image.open(buffer)


_OF_PIXELS: dict[str, Callable[[Pixels, float], Pixels]] = {
    "blur": blur,
    "contrast": contrast,
    "brightness": brightness,
}
_OF_PICTURES: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "pixelate": pixelate,
    "jpeg": jpeg,
}


def _each(
    images: torch.Tensor, change: Callable[[Image.Image, float], Image.Image], strength: float
) -> torch.Tensor:
    """Change images one by one as Pillow images."""
    pictures = images.permute(0, 2, 3, 1).contiguous().numpy()
    changed = [np.asarray(change(Image.fromarray(picture), strength)) for picture in pictures]
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()
