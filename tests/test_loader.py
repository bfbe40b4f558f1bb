"""Every image once per epoch, on exactly one rank, and the same whoever asks."""

import itertools
import time

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from resray.data.augment.crop_flip import crop_and_flip, draw_parameters
from resray.data.dataset import Images
from resray.data.loader import (
    EvalLoader,
    TrainLoader,
    rank_share,
    require_shares,
    smallest_share,
)
from resray.errors import InputError
from resray.study.augmentation_spec import Augmentation
from tests.prepared_batches import Prepared, prepared

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
PLAIN = Augmentation(flip=0, crop_padding=0)


def some_images(count: int, size: int = 8) -> Images:
    """Random images whose labels number them, so that each can be recognised."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, size, size)
    pixels = torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)
    return Images(pixels, torch.arange(count))


def loader(
    images: Images,
    batch_size: int = 8,
    *,
    seed: int = 0,
    augmentation: Augmentation | None = None,
    rank: int = 0,
    world_size: int = 1,
    channels_last: bool = False,
) -> TrainLoader:
    return TrainLoader(
        images,
        batch_size=batch_size,
        seed=seed,
        device="cpu",
        augmentation=Augmentation() if augmentation is None else augmentation,
        mean=MEAN,
        std=STD,
        rank=rank,
        world_size=world_size,
        channels_last=channels_last,
    )


def epoch_images(batches: TrainLoader, epoch: int) -> torch.Tensor:
    return torch.cat([batch.images for batch in prepared(batches, epoch)])


def labels_of(batches: list[Prepared]) -> list[int]:
    return [label for batch in batches for label in batch.labels.tolist()]


@pytest.mark.parametrize("padding", [0, 2, 4])
def test_crop_and_flip_are_torchvisions(padding: int) -> None:
    images = some_images(16).images
    augmentation = Augmentation(flip=0.5, crop_padding=padding)
    parameters = draw_parameters(16, augmentation, torch.Generator().manual_seed(1))
    assert {0, 1} == set(parameters[:, 2].tolist())
    augmented = crop_and_flip(images, parameters, padding)
    for image, result, (top, left, flip) in zip(
        images, augmented, parameters.tolist(), strict=True
    ):
        expected = reference.crop(reference.pad(image, [padding]), top, left, 8, 8)
        if flip:
            expected = reference.horizontal_flip(expected)
        assert torch.equal(result, expected)


def test_rectangles_are_cropped_too() -> None:
    images = torch.randint(0, 256, (1, 3, 6, 10), dtype=torch.uint8)
    result = crop_and_flip(images, torch.tensor([[3, 1, 1]]), 2)
    expected = reference.crop(reference.pad(images, [2]), 3, 1, 6, 10)
    assert torch.equal(result, reference.horizontal_flip(expected))


def test_parameters_differ_within_a_batch_and_cover_their_range() -> None:
    parameters = draw_parameters(
        2000, Augmentation(flip=0.25, crop_padding=4), torch.Generator().manual_seed(0)
    )
    for edge in (0, 1):
        assert set(parameters[:, edge].tolist()) == set(range(9))
    assert float(parameters[:, 2].float().mean()) == pytest.approx(0.25, abs=0.04)
    assert len({tuple(row) for row in parameters[:64].tolist()}) > 32


def test_same_image_differs_within_one_batch() -> None:
    one = some_images(1)
    same = Images(one.images.expand(64, -1, -1, -1), torch.zeros(64, dtype=torch.int64))
    (batch,) = prepared(loader(same, 64), 1)
    assert len(batch.images.unique(dim=0)) > 32


def test_normalisation() -> None:
    images = some_images(5)
    (batch,) = prepared(loader(images, 5, augmentation=PLAIN), 1)
    scaled = images.images[batch.labels].double() / 255
    expected = (scaled - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    torch.testing.assert_close(batch.images, expected.float(), rtol=1e-5, atol=1e-5)
    assert batch.images.dtype == torch.float32


def test_padding_is_black_before_normalisation() -> None:
    images = some_images(32)
    shown = epoch_images(loader(images, 32), 1)
    black = -torch.tensor(MEAN) / torch.tensor(STD)
    lowest = shown.amin(dim=(0, 2, 3))
    torch.testing.assert_close(lowest, black, rtol=1e-5, atol=1e-5)


def test_channels_last_changes_the_layout_only() -> None:
    images = some_images(10)
    batches = loader(images, 4), loader(images, 4, channels_last=True)
    for plain, last in zip(*(prepared(b, 1) for b in batches), strict=True):
        assert last.images.is_contiguous(memory_format=torch.channels_last)
        assert plain.images.is_contiguous()
        assert torch.equal(plain.images, last.images)


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(("count", "batch_size"), [(16, 8), (19, 8), (7, 16), (3, 4), (25, 5)])
def test_every_image_once_on_one_rank(count: int, batch_size: int, world_size: int) -> None:
    images = some_images(count)
    ranks = [
        loader(images, batch_size, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    shares = [list(prepared(r, 1)) for r in ranks]
    assert sorted(label for share in shares for label in labels_of(share)) == list(range(count))
    for step in zip(*shares, strict=True):
        sizes = [len(batch.labels) for batch in step]
        assert sum(sizes) == step[0].size
        assert sizes == sorted(sizes, reverse=True)
        assert max(sizes) - min(sizes) <= 1
        assert [batch.weight for batch in step] == [size / step[0].size for size in sizes]
        assert all(len(batch.images) >= 1 for batch in step)


@pytest.mark.parametrize(
    ("count", "batch_size", "world_size", "advice"),
    [(17, 8, 2, "batch_size: 7"), (1, 4, 2, "fewer ranks"), (45_000, 64, 9, "batch_size: 63")],
)
def test_no_rank_goes_without_images(
    count: int, batch_size: int, world_size: int, advice: str
) -> None:
    last = count % batch_size
    says = f"the last batch of {count:,} training images has {last} for {world_size} ranks"
    with pytest.raises(InputError, match=f"^batch_size {batch_size}: {says}.* choose {advice}$"):
        require_shares(count, batch_size, world_size)
    if count < 100:
        with pytest.raises(InputError, match=says):
            loader(some_images(count), batch_size, world_size=world_size)


def test_the_smallest_share_is_that_of_some_rank() -> None:
    for count in range(1, 30):
        for batch_size in range(1, 12):
            for ranks in (1, 2, 3):
                sizes = [min(batch_size, count - first) for first in range(0, count, batch_size)]
                shares = [len(rank_share(size, ranks - 1, ranks)) for size in sizes]
                assert smallest_share(count, batch_size, ranks) == min(shares)


def test_an_epoch_has_as_many_batches_on_each_rank() -> None:
    ranks = [loader(some_images(19), rank=rank, world_size=3) for rank in range(3)]
    shares = [list(prepared(rank, 1)) for rank in ranks]
    assert [len(share) for share in shares] == [len(ranks[0].sizes)] * 3


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_together_see_the_one_ranks_batches(world_size: int) -> None:
    images = some_images(29)
    alone = list(prepared(loader(images), 3))
    shares = [
        list(prepared(loader(images, rank=rank, world_size=world_size), 3))
        for rank in range(world_size)
    ]
    for whole, *parts in zip(alone, *shares, strict=True):
        assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
        assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


def test_an_epoch_does_not_depend_on_those_before() -> None:
    images = some_images(20)
    unbroken = loader(images)
    for epoch in (1, 2):
        list(prepared(unbroken, epoch))
    assert torch.equal(epoch_images(unbroken, 3), epoch_images(loader(images), 3))


def test_epochs_and_seeds_differ() -> None:
    images = some_images(20)
    orders = [
        tuple(labels_of(list(prepared(loader(images, seed=seed), epoch))))
        for seed, epoch in itertools.product((0, 1, 2), (1, 2, 3))
    ]
    assert len(set(orders)) == len(orders)


def test_the_dataset_is_left_alone() -> None:
    images = some_images(12)
    before = images.images.clone()
    for _ in prepared(loader(images, augmentation=PLAIN), 1):
        pass
    assert torch.equal(images.images, before)


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 10, 11])
def test_evaluation_sees_every_image_once_unchanged(count: int, world_size: int) -> None:
    images = some_images(count)
    seen, pixels = [], []
    for rank in range(world_size):
        batches = EvalLoader(
            images,
            batch_size=4,
            device="cpu",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            rank=rank,
            world_size=world_size,
        )
        shown = list(batches)
        assert len(shown) == len(batches)
        seen += [label for _, labels in shown for label in labels.tolist()]
        pixels += [image for batch, _ in shown for image in batch]
    assert seen == list(range(count))
    for image, original in zip(pixels, images.images, strict=True):
        assert torch.equal((image * 255).round().to(torch.uint8), original)


def test_shares_cover_without_overlap() -> None:
    for size, world_size in itertools.product(range(12), range(1, 6)):
        shares = [rank_share(size, rank, world_size) for rank in range(world_size)]
        assert [position for share in shares for position in share] == list(range(size))


def test_loading_is_far_faster_than_training() -> None:
    """Above 10,000 images/s here (20,000 and more alone), where a CPU trains some hundred."""
    batches = loader(some_images(8192, 32), 128, channels_last=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        list(itertools.islice(prepared(batches, 1), 4))
        started = time.process_time()
        count = sum(len(batch.labels) for batch in prepared(batches, 2))
        seconds = time.process_time() - started
    finally:
        torch.set_num_threads(threads)
    assert count / seconds > 10_000
