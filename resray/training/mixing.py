"""MixUp and CutMix: each image of a batch blended with another of the same batch.

MixUp: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2017).
CutMix: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features" (2019).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from resray.study.augmentation_spec import Mixing


@dataclass(frozen=True)
class Mixed:
    """A batch after mixing; one that was left alone has share 1.0."""

    images: torch.Tensor
    """float32 (n, 3, h, w)."""
    labels: torch.Tensor
    """int64 (n,): labels of the first images."""
    partners: torch.Tensor
    """int64 (n,): labels of the second images."""
    share: float
    """Weight of ``labels``, 0 to 1; the partners have the rest."""


def mixing_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one step's mixing, the same on every rank and after a resume."""
    return np.random.default_rng(np.random.SeedSequence(seed % 2**64, spawn_key=(epoch, step)))


def mix(
    images: torch.Tensor, labels: torch.Tensor, mixing: Mixing, generator: np.random.Generator
) -> Mixed:
    """Mix float32 images (n, 3, h, w) with int64 labels (n,), or leave both as they are.

    Whether, how, by what share and in which rectangle is drawn first, then the partners: ranks
    with equal generators and unequal shares of a batch thus differ in the partners only, which
    come from each rank's own images. ``images`` is not changed.
    """
    alpha, cut = _draw_kind(mixing, generator)
    if alpha == 0:
        return Mixed(images, labels, labels, 1.0)
    share = float(generator.beta(alpha, alpha))
    if not cut:
        return _mixup(images, labels, share, generator)
    return _cutmix(images, labels, share, generator, even=mixing.cutmix_sides == "even")


def _draw_kind(mixing: Mixing, generator: np.random.Generator) -> tuple[float, bool]:
    """Draw the alpha to mix with, 0 for not at all, and whether by CutMix."""
    mixed, kind = generator.random(2)
    if mixed >= mixing.probability:
        return 0.0, False
    both = mixing.mixup_alpha > 0 and mixing.cutmix_alpha > 0
    cut = kind < mixing.cutmix_chance if both else mixing.cutmix_alpha > 0
    return (mixing.cutmix_alpha if cut else mixing.mixup_alpha), bool(cut)


def _mixup(
    images: torch.Tensor, labels: torch.Tensor, share: float, generator: np.random.Generator
) -> Mixed:
    order = _partners(images, generator)
    return Mixed(torch.lerp(images[order], images, share), labels, labels[order], share)


def _cutmix(
    images: torch.Tensor,
    labels: torch.Tensor,
    share: float,
    generator: np.random.Generator,
    *,
    even: bool,
) -> Mixed:
    """Take a rectangle from the partner; the share is that of the pixels really kept."""
    height, width = images.shape[-2:]
    rows, columns = draw_rectangle(height, width, 1 - share, generator, even=even)
    order = _partners(images, generator)
    mixed = images.clone()
    mixed[..., rows, columns] = images[..., rows, columns][order]
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixed(mixed, labels, labels[order], 1 - area / (height * width))


def draw_rectangle(
    height: int, width: int, area: float, generator: np.random.Generator, *, even: bool = False
) -> tuple[slice, slice]:
    """Draw a rectangle with the image's proportions and a centre anywhere, cut at the edges.

    Before the cut its sides are sqrt(``area``) of the image's, in whole pixels, rounded down;
    ``even`` rounds half of a side down.
    """
    centres = generator.random(2)
    spans = []
    for side, centre in zip((height, width), centres, strict=True):
        length, middle = int(side * area**0.5), int(side * centre)
        length -= length % 2 if even else 0
        first, last = middle - length // 2, middle - length // 2 + length
        spans.append(slice(max(first, 0), min(last, side)))
    return spans[0], spans[1]


def _partners(images: torch.Tensor, generator: np.random.Generator) -> torch.Tensor:
    """Draw a permutation of the images as int64 (n,) on their device."""
    return torch.from_numpy(generator.permutation(len(images))).to(images.device)


def mixed_loss(logits: torch.Tensor, mixed: Mixed, label_smoothing: float = 0.0) -> torch.Tensor:
    """Return the mean cross-entropy in nats, of both labels by their weights, as a scalar tensor.

    ``logits`` is float32 (n, classes).
    """
    loss = cross_entropy(logits, mixed.labels, label_smoothing=label_smoothing)
    if mixed.share == 1.0:
        return loss
    partners = cross_entropy(logits, mixed.partners, label_smoothing=label_smoothing)
    return mixed.share * loss + (1 - mixed.share) * partners


def mixed_correct(logits: torch.Tensor, mixed: Mixed) -> torch.Tensor:
    """Return how many predictions are right, each by its label's weight, as a scalar tensor.

    float32; of an unmixed batch the plain count, of a mixed one the share-weighted count, as in
    the MixUp authors' code.
    """
    predictions = logits.argmax(dim=1)
    right = (predictions == mixed.labels).sum()
    partners = (predictions == mixed.partners).sum()
    return mixed.share * right.float() + (1 - mixed.share) * partners.float()
