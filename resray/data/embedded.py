"""Images generated on the spot: no file, no download, yet something to learn.

A class is a seeded arrangement of three oriented gratings, each in a soft window. An image shows
its class's arrangement shifted, turned and scaled a little, in two random colours of which either
may be the bright one, among gratings that belong to no class, under noise. So neither colour nor
any single pixel tells the class: a network has to find orientations, frequencies and their places.
"""

import math

import torch

from resray.data.dataset import Dataset, Images, checksum
from resray.errors import DataError
from resray.study.spec import Data

CLASSES, TRAIN_IMAGES, IMAGE_SIZE = 10, 5000, 32
GRATINGS = 3
GOLDEN_RATIO = 0.6180339887
DISTRACTORS = 2
PATTERN_SEED, TRAIN_SEED, TEST_SEED = 1000, 1001, 1002
CHUNK_PIXELS = 2**20
"""Pixels rendered at a time: bounds the memory and keeps intermediate results in the cache."""


def embedded_dataset(spec: Data) -> Dataset:
    """Return the generated train and test images for ``spec``; equal specs give equal images.

    Raises:
        DataError: fewer than two classes, fewer images than classes, or images below 8 pixels.
    """
    classes = CLASSES if spec.classes is None else spec.classes
    count = TRAIN_IMAGES if spec.images is None else spec.images
    size = IMAGE_SIZE if spec.image_size is None else spec.image_size
    _check("data.classes", classes, 2, 1000)
    _check("data.images", count, classes, 10_000_000)
    _check("data.image_size", size, 8, 1024)
    train = generate(count, classes, size, TRAIN_SEED)
    test = generate(max(count // 5, 1), classes, size, TEST_SEED)
    names = tuple(f"pattern {label}" for label in range(classes))
    return Dataset("embedded", "embedded images", train, test, names, checksum(train, test))


def _check(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise DataError(f"{key}: {value:,} is out of range for embedded images ({low:,}-{high:,})")


def generate(count: int, classes: int, size: int, seed: int) -> Images:
    """Return ``count`` images of ``size`` x ``size`` pixels, their classes equally frequent."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) % classes)[torch.randperm(count, generator=generator)]
    patterns = class_patterns(classes)
    chunk = max(1, CHUNK_PIXELS // size**2)
    parts = [render(patterns[part], size, generator) for part in labels.split(chunk)]
    return Images(torch.cat(parts), labels)


def class_patterns(classes: int) -> torch.Tensor:
    """Return the gratings of every class, float32 (classes, GRATINGS, 5), as in `gratings`."""
    generator = torch.Generator().manual_seed(PATTERN_SEED)
    patterns = random_gratings(classes, GRATINGS, generator)
    # The first grating is wide, and its orientations spread over the classes by the golden ratio.
    orientation = (torch.arange(classes) * GOLDEN_RATIO) % 1 * math.pi
    patterns[:, 0, 2] = orientation
    patterns[:, 0, 4] *= 2
    return patterns


def random_gratings(count: int, each: int, generator: torch.Generator) -> torch.Tensor:
    """Draw ``count`` sets of ``each`` gratings: x, y, orientation, waves per side, window."""
    drawn = torch.rand(count, each, 5, generator=generator)
    low = torch.tensor([-0.55, -0.55, 0.0, 1.5, 0.25])
    high = torch.tensor([0.55, 0.55, math.pi, 3.5, 0.45])
    return low + drawn * (high - low)


def render(patterns: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Draw an image for each arrangement of gratings (n, GRATINGS, 5): uint8 (n, 3, size, size)."""
    count = len(patterns)
    axis = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = axis.repeat(size)[None], axis.repeat_interleave(size)[None]
    field = gratings(*move(x, y, count, generator), patterns)
    strength = 0.6 * torch.rand(count, 1, generator=generator)
    field += strength * gratings(x, y, random_gratings(count, DISTRACTORS, generator))
    field += 0.15 * torch.randn(count, size * size, generator=generator)
    return colour(field, generator).view(count, 3, size, size)


def move(
    x: torch.Tensor, y: torch.Tensor, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return coordinates (count, pixels), each image's turned, scaled and shifted at random."""
    angle, zoom, right, down = (2 * torch.rand(4, count, 1, generator=generator) - 1).unbind()
    angle, zoom = 0.25 * angle, torch.exp(0.15 * zoom)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    return cos * x - sin * y + 0.25 * right, sin * x + cos * y + 0.25 * down


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
    share = torch.sigmoid(3 * field)[:, None]
    # Opposite halves of each channel's range, so that every image has contrast.
    second = (first + 0.35 + 0.3 * second) % 1
    image = 0.1 + 0.8 * (first + (second - first) * share)
    image += 0.04 * torch.randn(image.shape, generator=generator)
    return (255 * image).round_().clamp_(0, 255).to(torch.uint8)
