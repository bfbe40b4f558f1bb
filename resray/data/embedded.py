"""Images generated on the spot: no file, no download, yet something to learn.

A class is a seeded arrangement of oriented gratings: a wide one and one in a soft window. An image
shows its class's arrangement turned, scaled and shifted a little, blended with that of another
class, in two random colours, under noise. So neither colour nor any single pixel tells the class: a
network has to find orientations, frequencies and their places. The other class is usually faint
and sometimes as strong as the image's own, so no network gets everything right.
"""

import math

import torch

from resray.data.dataset import Dataset, Images, checksum
from resray.data.table import embedded_size
from resray.errors import DataError
from resray.limits import require_size
from resray.study.data_spec import Embedded

PATTERN_SEED, TRAIN_SEED, TEST_SEED = 1000, 1001, 1002
GRATINGS = 2
GOLDEN_RATIO = 0.6180339887

# How much images of one class differ: found by trial, so that a resnet18 beats chance within 32
# steps (32 % of 10 classes at 16x16) and is right in about nine of ten after five epochs of 2,000.
TURN, ZOOM, SHIFT = 0.15, 0.1, 0.15
"""Largest rotation in radians, logarithm of the scale, and shift in half sides."""
OTHER_CLASS = 1.25
"""Largest strength of the other class's arrangement; the cube of a uniform number scales it."""
FIELD_NOISE, PIXEL_NOISE = 0.1, 0.04
"""Standard deviation of the noise under the blend of colours, and over it in each channel."""
CONTRAST = 3.0

CHUNK_PIXELS = 2**20
"""Pixels rendered at a time: bounds the memory and keeps intermediate results in the cache."""


def embedded_dataset(spec: Embedded) -> Dataset:
    """Return the generated train and test images for ``spec``; equal specs give equal images.

    Raises:
        DataError: fewer than two classes, fewer images than classes, or images below 8 pixels.
    """
    size = embedded_size(spec)
    _check("data.classes", size.classes, 2, 1000)
    _check("data.images", size.train, size.classes, 10_000_000)
    _check("data.image_size", size.side, 8, 1024)
    require_size(size.side**2 * 3 * (size.train + size.test), "data.images")
    train = generate(size.train, size.classes, size.side, TRAIN_SEED)
    test = generate(size.test, size.classes, size.side, TEST_SEED)
    names = tuple(f"pattern {label}" for label in range(size.classes))
    return Dataset("embedded", "embedded images", train, test, names, checksum(train, test))


def _check(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise DataError(f"{key}: {value:,} is out of range for embedded images ({low:,}-{high:,})")


def generate(count: int, classes: int, size: int, seed: int) -> Images:
    """Return ``count`` images of ``size`` x ``size`` pixels, their classes equally frequent."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) % classes)[torch.randperm(count, generator=generator)]
    others = (labels + torch.randint(1, classes, (count,), generator=generator)) % classes
    patterns = class_patterns(classes)
    chunk = max(1, CHUNK_PIXELS // size**2)
    parts = [
        render(patterns[mine], patterns[other], size, generator)
        for mine, other in zip(labels.split(chunk), others.split(chunk), strict=True)
    ]
    return Images(torch.cat(parts), labels)


def class_patterns(classes: int) -> torch.Tensor:
    """Return every class's gratings, float32 (classes, GRATINGS, 5), as `gratings` takes them.

    A grating is x, y, orientation in radians, waves per side, and the width of its window, in half
    sides. A class keeps its gratings whatever the number of classes.
    """
    low = torch.tensor([-0.55, -0.55, 0.0, 1.5, 0.25])
    high = torch.tensor([0.55, 0.55, math.pi, 3.5, 0.45])
    generator = torch.Generator().manual_seed(PATTERN_SEED)
    drawn = torch.rand(1000, GRATINGS, 5, generator=generator)[:classes]
    patterns = low + drawn * (high - low)
    # The first one covers the image, and its orientations spread over any number of classes.
    patterns[:, 0, 2] = torch.arange(classes) * GOLDEN_RATIO % 1 * math.pi
    patterns[:, 0, 4] *= 6
    return patterns


def render(
    patterns: torch.Tensor, others: torch.Tensor, size: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw uint8 images (n, 3, size, size).

    Both arrangements are float32 (n, GRATINGS, 5): each image's own class, and the one blended in.
    """
    count = len(patterns)
    axis = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = axis.repeat(size)[None], axis.repeat_interleave(size)[None]
    field = gratings(*move(x, y, count, generator), patterns)
    strength = OTHER_CLASS * torch.rand(count, 1, generator=generator) ** 3
    field += strength * gratings(*move(x, y, count, generator), others)
    field += FIELD_NOISE * torch.randn(count, size * size, generator=generator)
    return colour(field, generator).view(count, 3, size, size)


def move(
    x: torch.Tensor, y: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return coordinates (count, pixels), each image's turned, scaled and shifted at random."""
    angle, zoom, right, down = (2 * torch.rand(4, count, 1, generator=generator) - 1).unbind()
    angle, zoom = TURN * angle, torch.exp(ZOOM * zoom)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    return cos * x - sin * y + SHIFT * right, sin * x + cos * y + SHIFT * down


def gratings(x: torch.Tensor, y: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
    """Sum the gratings (n, k, 5) at coordinates in -1 ... 1, float32 (n or 1, pixels)."""
    total = torch.zeros(len(parameters), x.shape[1])
    for grating in parameters.unbind(1):
        right, down, orientation, waves, window = grating[:, :, None].unbind(1)
        u, v = x - right, y - down
        along = torch.cos(orientation) * u + torch.sin(orientation) * v
        envelope = torch.exp((u.square() + v.square()) / (-2 * window.square()))
        total += envelope * torch.cos(math.pi * waves * along)
    return total


def colour(field: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blend two random colours by a field (n, pixels), and add noise: uint8 (n, 3, pixels)."""
    first, second = torch.rand(2, len(field), 3, 1, generator=generator).unbind()
    # Either colour may be the bright one, which a linear classifier cannot cope with.
    sign = torch.randint(0, 2, (len(field), 1), generator=generator) * 2 - 1
    share = torch.sigmoid(CONTRAST * sign * field)[:, None]
    image = 0.5 * first + (0.25 + 0.25 * second) * share
    image += PIXEL_NOISE * torch.randn(image.shape, generator=generator)
    return (255 * image).round_().clamp_(0, 255).to(torch.uint8)
