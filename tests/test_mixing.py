"""MixUp and CutMix as their papers write them, equal on all ranks."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from resray.study.augmentation_spec import Mixing
from resray.training.mixing import (
    UNMIXED,
    Mixed,
    draw_epoch,
    draw_mixing,
    draw_rectangle,
    mix,
    mixed_correct,
    mixed_loss,
    mixes,
    mixing_generator,
)

COUNT, SIZE = 12, 8
MIXUP, CUTMIX = Mixing(mixup_alpha=0.4), Mixing(cutmix_alpha=1.0)


def batch(count: int = COUNT) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose every pixel is the image's number, with that number as label."""
    labels = torch.arange(count)
    return labels.float().view(-1, 1, 1, 1).expand(-1, 3, SIZE, SIZE).contiguous(), labels


def mixed_at(mixing: Mixing, step: int, count: int = COUNT) -> Mixed:
    partners, numbers = draw_mixing(mixing, count, (SIZE, SIZE), mixing_generator(0, 1, step))
    return mix(*batch(count), torch.from_numpy(partners), torch.tensor(numbers))


@pytest.mark.parametrize("step", range(5))
def test_mixup_blends_all_pixels_by_the_share(step: int) -> None:
    mixed = mixed_at(MIXUP, step)
    expected = mixed.share * mixed.labels + (1 - mixed.share) * mixed.partners
    for image, value in zip(mixed.images, expected, strict=True):
        torch.testing.assert_close(image, value.expand(3, SIZE, SIZE))
    assert sorted(mixed.partners.tolist()) == list(range(COUNT))


@pytest.mark.parametrize("step", range(20))
def test_cutmix_share_is_the_exact_area(step: int) -> None:
    mixed = mixed_at(CUTMIX, step)
    cut = mixed.images != mixed.labels.view(-1, 1, 1, 1)
    for image, label, partner, pixels in zip(
        mixed.images, mixed.labels, mixed.partners, cut, strict=True
    ):
        assert set(image.unique().tolist()) <= {float(label), float(partner)}
        if label != partner:
            assert 1 - float(pixels.float().mean()) == pytest.approx(float(mixed.share))
            rows, columns = pixels[0].any(dim=1).sum(), pixels[0].any(dim=0).sum()
            assert int(rows * columns) == int(pixels[0].sum())


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_ranks_differ_in_the_partners_only(mixing: Mixing) -> None:
    for step in range(10):
        large, small = mixed_at(mixing, step, 12), mixed_at(mixing, step, 5)
        assert large.share == small.share
        assert set(small.partners.tolist()) == set(range(5))


def test_cutmix_cuts_one_rectangle_on_all_ranks() -> None:
    def rectangle(mixed: Mixed) -> torch.Tensor:
        index = int((mixed.labels != mixed.partners).nonzero()[0])
        return mixed.images[index, 0] == mixed.partners[index]

    for step in range(10):
        large, small = mixed_at(CUTMIX, step, 12), mixed_at(CUTMIX, step, 5)
        assert torch.equal(rectangle(large), rectangle(small))


def test_share_follows_the_beta_distribution() -> None:
    shares = np.array([mixed_at(MIXUP, step, 2).share for step in range(2000)])
    variance = 1 / (4 * (2 * 0.4 + 1))
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(variance, abs=0.01)


def test_rectangle_keeps_proportions_and_is_cut_at_the_edges() -> None:
    generator = mixing_generator(0, 1, 0)
    drawn = [draw_rectangle(16, 8, 0.25, generator) for _ in range(500)]
    heights = [rows.stop - rows.start for rows, _ in drawn]
    widths = [columns.stop - columns.start for _, columns in drawn]
    assert (max(heights), max(widths)) == (8, 4)
    assert min(heights) < 8
    assert min(widths) < 4
    assert all(0 <= rows.start <= rows.stop <= 16 for rows, _ in drawn)
    assert all(0 <= columns.start <= columns.stop <= 8 for _, columns in drawn)


def test_even_sides_are_those_of_the_authors_code() -> None:
    """Sides of 2 * (floor(side * sqrt(area)) // 2), as Yun et al.'s rand_bbox has them."""
    generator = np.random.default_rng(0)
    for share in (0.05, 0.2, 0.5, 0.9):
        half = int(32 * share**0.5) // 2
        drawn = [draw_rectangle(32, 32, share, generator, even=True) for _ in range(200)]
        assert max(rows.stop - rows.start for rows, _ in drawn) == 2 * half
        inside = [rows for rows, _ in drawn if rows.start > 0 and rows.stop < 32]
        assert all((rows.stop - rows.start) == 2 * half for rows in inside)


def test_probability_and_chance_are_honoured() -> None:
    mixing = Mixing(mixup_alpha=1, cutmix_alpha=1, probability=0.6, cutmix_chance=0.25)
    kinds = []
    for step in range(1000):
        mixed = mixed_at(mixing, step, 3)
        whole = bool((mixed.images % 1 == 0).all())
        kinds.append("none" if mixed.share == 1 else "cutmix" if whole else "mixup")
    # An empty rectangle, or partners that are the images themselves, look like the rarer kinds.
    assert kinds.count("mixup") / 1000 == pytest.approx(0.45 * 5 / 6, abs=0.05)
    assert kinds.count("none") / 1000 == pytest.approx(0.4, abs=0.05)


def test_nothing_on_leaves_the_batch_alone() -> None:
    assert not mixes(Mixing())
    assert mixes(MIXUP)
    images, labels = torch.randn(COUNT, 3, SIZE, SIZE), torch.arange(COUNT)
    mixed = mix(images, labels, labels.flip(0), torch.tensor(UNMIXED))
    assert torch.equal(mixed.images, images)
    assert mixed.share == 1.0
    logits = torch.randn(COUNT, COUNT)
    assert mixed_loss(logits, mixed) == mixed_loss(logits, labels)
    assert mixed_correct(logits, mixed) == mixed_correct(logits, labels)


def test_an_epoch_is_drawn_batch_by_batch() -> None:
    partners, numbers = draw_epoch(CUTMIX, [12, 5], (SIZE, SIZE), 0, 1)
    for step, own in enumerate(partners.split([12, 5])):
        expected = draw_mixing(CUTMIX, len(own), (SIZE, SIZE), mixing_generator(0, 1, step))
        assert own.tolist() == expected[0].tolist()
        assert torch.equal(numbers[step], torch.tensor(expected[1]))


@pytest.mark.parametrize("mixing", [MIXUP, CUTMIX], ids=["mixup", "cutmix"])
def test_the_given_images_and_their_layout_stay(mixing: Mixing) -> None:
    images, labels = batch()
    images = images.contiguous(memory_format=torch.channels_last)
    before = images.clone()
    partners, numbers = draw_mixing(mixing, COUNT, (SIZE, SIZE), mixing_generator(0, 1, 3))
    mixed = mix(images, labels, torch.from_numpy(partners), torch.tensor(numbers))
    assert torch.equal(images, before)
    assert mixed.images.is_contiguous(memory_format=torch.channels_last)


def test_steps_epochs_and_seeds_differ() -> None:
    keys = [(seed, epoch, step) for seed in (0, 1) for epoch in (0, 1) for step in (0, 1)]
    assert len({mixing_generator(*key).random() for key in keys}) == len(keys)
    assert mixing_generator(-1, 1, 0).random() == mixing_generator(-1, 1, 0).random()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_that_of_the_blended_targets(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 5)
    labels, partners = torch.tensor([0, 1, 2, 3]), torch.tensor([4, 1, 0, 2])
    mixed = Mixed(torch.empty(0), labels, partners, torch.tensor(0.7))
    targets = 0.7 * functional.one_hot(labels, 5) + 0.3 * functional.one_hot(partners, 5)
    expected = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(mixed_loss(logits, mixed, smoothing), expected)


def test_correct_counts_by_weight() -> None:
    logits = torch.eye(4)
    labels, partners = torch.tensor([0, 1, 0, 0]), torch.tensor([3, 1, 2, 1])
    mixed = Mixed(torch.empty(0), labels, partners, torch.tensor(0.75))
    assert float(mixed_correct(logits, mixed)) == pytest.approx(0.75 * 2 + 0.25 * 2)
