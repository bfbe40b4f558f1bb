"""The classic loader: same images and labels as the device loader, whoever prepares them."""

import multiprocessing
from typing import Any

import pytest
import torch

from resray.data.dataset import Images
from resray.data.loader import TrainLoader
from resray.data.per_image import PerImageLoader
from resray.study.augmentation_spec import Augmentation
from tests.prepared_batches import prepared

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PLAIN = Augmentation(flip=0, crop_padding=0)


def some_images(count: int, size: int = 8) -> Images:
    """Random images without black, labelled by their number."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size, size)
    pixels = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(count))


def loading(**changes: Any) -> dict[str, Any]:
    keywords = {"batch_size": 4, "seed": 3, "device": "cpu", "augmentation": Augmentation()}
    return {**keywords, "mean": MEAN, "std": STD, **changes}


def epoch_images(loader: PerImageLoader, epoch: int = 1) -> torch.Tensor:
    return torch.cat([batch.images for batch in prepared(loader, epoch)])


def test_without_augmentation_it_gives_what_the_device_loader_gives() -> None:
    keywords = loading(augmentation=PLAIN, world_size=3, channels_last=True)
    for rank in range(3):
        pairs = zip(
            prepared(PerImageLoader(some_images(15), rank=rank, **keywords), 2),
            prepared(TrainLoader(some_images(15), rank=rank, **keywords), 2),
            strict=True,
        )
        for classic, batched in pairs:
            assert torch.equal(classic.labels, batched.labels)
            assert (classic.weight, classic.size) == (batched.weight, batched.size)
            torch.testing.assert_close(classic.images, batched.images, check_stride=True)


def test_images_do_not_depend_on_workers_and_none_of_these_stay() -> None:
    expected = epoch_images(PerImageLoader(some_images(10), **loading()))
    loader = PerImageLoader(some_images(10), **loading(workers=2, pinned_memory=True))
    assert torch.equal(epoch_images(loader), expected)
    broken_off = prepared(loader, 1)
    next(broken_off)
    assert len(multiprocessing.active_children()) == 2
    del broken_off
    assert multiprocessing.active_children() == []


def test_images_do_not_depend_on_ranks_but_on_seed_and_epoch() -> None:
    whole = PerImageLoader(some_images(8), **loading())
    ranks = [
        epoch_images(PerImageLoader(some_images(8), rank=rank, world_size=2, **loading()))
        for rank in range(2)
    ]
    together = torch.cat([part for pair in zip(ranks[0].split(2), ranks[1].split(2), strict=True)
                          for part in pair])  # fmt: skip
    assert torch.equal(together, epoch_images(whole))
    assert not torch.equal(epoch_images(whole, 2), epoch_images(whole, 1))
    other = PerImageLoader(some_images(8), **loading(seed=4))
    assert not torch.equal(epoch_images(other), epoch_images(whole))


def test_each_image_is_cropped_and_flipped_on_its_own() -> None:
    images = Images(some_images(1).images.expand(400, -1, -1, -1), torch.zeros(400).long())
    loader = PerImageLoader(images, **loading(augmentation=Augmentation(crop_padding=2)))
    found = epoch_images(loader).unique(dim=0)
    assert len(found) == 2 * 5 * 5, "all crops, plain and mirrored, were seen"


@pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
def test_flips_come_at_their_rate(flip: float) -> None:
    keywords = loading(augmentation=Augmentation(flip=flip, crop_probability=0.0))
    images = Images(some_images(1).images.expand(400, -1, -1, -1), torch.zeros(400).long())
    plain = epoch_images(PerImageLoader(images, **loading(augmentation=PLAIN)))
    drawn = epoch_images(PerImageLoader(images, **keywords))
    mirrored = (drawn == plain.flip(3)).flatten(1).all(1)
    assert bool((mirrored | (drawn == plain).flatten(1).all(1)).all())
    assert mirrored.float().mean().item() == pytest.approx(flip, abs=0.1 * (flip == 0.5))


def test_an_epochs_own_augmentation_and_the_trainings_random_numbers() -> None:
    loader = PerImageLoader(some_images(8), **loading())
    plain = PerImageLoader(some_images(8), **loading(augmentation=PLAIN))
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    loader.augment_by(PLAIN)
    changed = torch.cat([batch.images for batch in prepared(loader, 1)])
    assert torch.equal(torch.rand(3), expected), "dropout draws what it would have drawn"
    assert torch.equal(changed, epoch_images(plain))
    as_it_was = PerImageLoader(some_images(8), **loading())
    assert not torch.equal(changed, epoch_images(as_it_was))
