"""From a dataset to what one trial trains, selects and tests on."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from resray.data.dataset import Dataset, Images
from resray.errors import DataError
from resray.limits import require_size
from resray.study.data_spec import Data

Channels = tuple[float, float, float]

USUAL_STATISTICS: dict[str, tuple[Channels, Channels]] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}

CHUNK = 1024
"""Images converted to float at a time, so that a dataset is never held as float."""


@dataclass(frozen=True)
class Splits:
    """Three disjoint sets of images of one size, and how to normalise them."""

    train: Images
    validation: Images
    test: Images
    class_names: tuple[str, ...]
    mean: Channels
    std: Channels
    image_size: int


def prepare(dataset: Dataset, spec: Data, trial_seed: int = 0) -> Splits:
    """Hold validation out of train, take the limited subsets, and resize.

    Selections are class-balanced (proportional to the classes where these are unequal), depend on
    ``spec.split_seed`` alone (where that is ``trial``, on ``trial_seed``, but for those of test),
    and a smaller limit's images are among a larger one's. A limit above what there is takes all.

    Raises:
        DataError: validation leaves nothing to train on, or std is not positive.
    """
    held_out, available = held_out_images(dataset, spec), len(dataset.train)
    if held_out >= available:
        raise DataError(
            f"data.validation_images: {held_out:,} leaves nothing to train on; {dataset.source} "
            f"has {available:,} training images (choose 0 to {available - 1:,})"
        )
    train = trained_images(dataset, spec, spec.limit_train, trial_seed)
    mean, std = statistics(train, spec)
    return Splits(
        train=train,
        validation=_validation_images(dataset, spec, trial_seed),
        test=tested_images(dataset, spec, spec.limit_eval),
        class_names=dataset.class_names,
        mean=mean,
        std=std,
        image_size=train.images.shape[-1],
    )


def trained_images(dataset: Dataset, spec: Data, limit: int | None, trial_seed: int) -> Images:
    """Return the images that a trial trains on, or the first ``limit`` of them in their
    class-balanced order."""
    order = balanced_order(dataset.train.labels, spec.train_seed(trial_seed))
    return take(dataset.train, order[held_out_images(dataset, spec) :], limit, spec.image_size)


def _validation_images(dataset: Dataset, spec: Data, trial_seed: int) -> Images:
    images, held_out = dataset.train, held_out_images(dataset, spec)
    if dataset.validation is not None:
        images, held_out = dataset.validation, len(dataset.validation)
    order = balanced_order(images.labels, spec.train_seed(trial_seed))[:held_out]
    return take(images, order, spec.limit_eval, spec.image_size)


def tested_images(dataset: Dataset, spec: Data, limit: int | None) -> Images:
    """Return the images that every trial of ``spec`` is tested on, or the first ``limit`` of them
    in their class-balanced order."""
    return resize(limited_test(dataset, spec, limit), spec.image_size)


def limited_test(dataset: Dataset, spec: Data, limit: int | None) -> Images:
    """Return the same as `tested_images`, before they are resized."""
    return take(dataset.test, balanced_order(dataset.test.labels, spec.test_seed), limit)


def held_out_images(dataset: Dataset, spec: Data) -> int:
    """Return how many training images are for validation: as many as ``spec`` says, or a tenth.

    It is 0 where the dataset has a part of its own for that.
    """
    if dataset.validation is not None:
        return 0
    if spec.validation_images is None:
        return _share(dataset.train.labels, 10)
    return spec.validation_images


def hold_out_test(images: Images, seed: int) -> tuple[Images, Images]:
    """Split images into train and test, a sixth, as class-balanced as `prepare` selects."""
    order = balanced_order(images.labels, seed)
    count = _share(images.labels, 6)
    train, test = (images.select(part.sort().values) for part in (order[count:], order[:count]))
    return train, test


def _share(labels: torch.Tensor, parts: int) -> int:
    """Return one of so many parts of the images, at least one of each class."""
    return max(len(labels) // parts, len(labels.unique()))


def balanced_order(labels: torch.Tensor, seed: int) -> torch.Tensor:
    """Return a seeded permutation of the indices of ``labels``, int64 (n,), balanced throughout.

    Every prefix holds each class in proportion to its share of ``labels``, to within an image or
    so: a class's k-th image stands at the fraction (k + 1/2) / size of the order.
    """
    generator = torch.Generator().manual_seed(seed % 2**63)
    shuffled = torch.randperm(len(labels), generator=generator)
    sizes = torch.bincount(labels)
    by_class = shuffled[torch.argsort(labels[shuffled], stable=True)]
    first_of_class = sizes.cumsum(0) - sizes
    classes = labels[by_class]
    rank = torch.arange(len(labels)) - first_of_class[classes]
    # Ties, which equal classes always have, fall in a random order of the classes.
    tie_break = torch.randperm(len(sizes), generator=generator)[classes]
    by_class = by_class[torch.argsort(tie_break, stable=True)]
    fraction = ((rank + 0.5) / sizes[classes])[torch.argsort(tie_break, stable=True)]
    return by_class[torch.argsort(fraction, stable=True)]


def take(images: Images, order: torch.Tensor, limit: int | None, size: int | None = None) -> Images:
    """Return the first ``limit`` images of ``order`` (all if None), in the dataset's own order and
    at ``size`` pixels."""
    return resize(images.select(order[:limit].sort().values), size)


def resize(images: Images, size: int | None) -> Images:
    """Return the images at ``size`` x ``size`` pixels (None: unchanged).

    A whole factor averages areas; any other uses antialiased bilinear interpolation. Raises
    DataError if that takes more than `resray.limits` allows.
    """
    height, width = images.images.shape[-2:]
    if size is None or (height, width) == (size, size):
        return images
    require_size(3 * len(images) * size**2, f"{len(images):,} images of {size}x{size} pixels")
    whole = height % size == 0 and width % size == 0
    chunks = [_resize_chunk(chunk, size, whole) for chunk in images.images.split(CHUNK)]
    return Images(torch.cat(chunks), images.labels)


def _resize_chunk(images: torch.Tensor, size: int, whole: bool) -> torch.Tensor:
    if not len(images):
        return images.new_zeros(0, 3, size, size)
    pixels = images.float()
    if whole:
        pixels = F.interpolate(pixels, (size, size), mode="area")
    else:
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", antialias=True)
    return pixels.round_().clamp_(0, 255).to(torch.uint8)


def statistics(train: Images, spec: Data) -> tuple[Channels, Channels]:
    """Return mean and std per channel of pixels in [0, 1]: the recipe's, the usual, or measured."""
    mean, std = USUAL_STATISTICS.get(spec.name) or measure(train.images)
    mean, std = spec.mean or mean, spec.std or std
    if min(std) <= 0:
        raise DataError(f"data.std: {std} must be positive in every channel")
    return mean, std


def measure(images: torch.Tensor) -> tuple[Channels, Channels]:
    """Return mean and std per channel over all pixels of uint8 images (n, 3, h, w), in [0, 1].

    A channel that never varies gets the std 1, so that it can be normalised.
    """
    histogram = torch.stack(
        [torch.bincount(images[:, channel].flatten(), minlength=256) for channel in range(3)]
    ).double()
    share = histogram / histogram.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ values
    std = (share @ values.square() - mean.square()).clamp_min(0).sqrt()
    std[std < 1e-6] = 1.0
    return _three(mean), _three(std)


def _three(values: torch.Tensor) -> Channels:
    first, second, third = values.tolist()
    return first, second, third
