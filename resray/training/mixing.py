"""MixUp and CutMix: each image of a batch blended with another of the same batch.

MixUp: Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2017).
CutMix: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features" (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from resray.study.augmentation_spec import Mixing

UNMIXED = (1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
"""What `draw_mixing` gives for a batch that is left alone."""


@dataclass(frozen=True)
class Mixed:
    """A batch after mixing; of one that was left alone the share is 1."""

    images: torch.Tensor
    """float32 (n, 3, h, w)."""
    labels: torch.Tensor
    """int64 (n,): labels of the first images."""
    partners: torch.Tensor
    """int64 (n,): labels of the second images."""
    share: torch.Tensor
    """Weight of ``labels``, a float32 scalar from 0 to 1; the partners have the rest."""


def mixes(mixing: Mixing) -> bool:
    """Return whether any batch is mixed."""
    return mixing.probability > 0 and (mixing.mixup_alpha > 0 or mixing.cutmix_alpha > 0)


def mixing_generator(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the generator of one step's mixing, the same on every rank and after a resume."""
    return np.random.default_rng(np.random.SeedSequence(seed % 2**64, spawn_key=(epoch, step)))


def draw_epoch(
    mixing: Mixing, counts: Sequence[int], sides: tuple[int, int], seed: int, epoch: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the mixing of all batches of an epoch, of ``counts`` images each, on the CPU.

    Returns each image's partner, as its place within the batch (int64, one after the other for
    all batches), and a row of `draw_mixing`'s numbers for each batch (float32).
    """
    drawn = [
        draw_mixing(mixing, count, sides, mixing_generator(seed, epoch, step))
        for step, count in enumerate(counts)
    ]
    partners = torch.from_numpy(np.concatenate([partners for partners, _ in drawn]))
    return partners, torch.tensor([numbers for _, numbers in drawn], dtype=torch.float32)


def draw_mixing(
    mixing: Mixing, count: int, sides: tuple[int, int], generator: np.random.Generator
) -> tuple[np.ndarray, tuple[float, ...]]:
    """Draw a batch's partners, int64 (count,), and how it is mixed with them.

    That is the share of the labels, that of the pixels outside of the rectangle, and the
    rectangle's first row, its end, first column and its end: within, pixels are the partner's.

    Whether, how, by what share and in which rectangle is drawn first, then the partners: ranks
    with equal generators and unequal shares of a batch thus differ in the partners only, which
    come from each rank's own images.
    """
    alpha, cut = _draw_kind(mixing, generator)
    if alpha == 0:
        return np.arange(count), UNMIXED
    share = float(generator.beta(alpha, alpha))
    if not cut:
        return generator.permutation(count), (share, share, 0.0, 0.0, 0.0, 0.0)
    even = mixing.cutmix_sides == "even"
    rows, columns = draw_rectangle(*sides, 1 - share, generator, even=even)
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    kept = 1 - area / (sides[0] * sides[1])
    rectangle = (rows.start, rows.stop, columns.start, columns.stop)
    return generator.permutation(count), (kept, 1.0, *rectangle)


def _draw_kind(mixing: Mixing, generator: np.random.Generator) -> tuple[float, bool]:
    """Draw the alpha to mix with, 0 for not at all, and whether by CutMix."""
    mixed, kind = generator.random(2)
    if mixed >= mixing.probability:
        return 0.0, False
    both = mixing.mixup_alpha > 0 and mixing.cutmix_alpha > 0
    cut = kind < mixing.cutmix_chance if both else mixing.cutmix_alpha > 0
    return (mixing.cutmix_alpha if cut else mixing.mixup_alpha), bool(cut)


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


def mix(
    images: torch.Tensor, labels: torch.Tensor, partners: torch.Tensor, numbers: torch.Tensor
) -> Mixed:
    """Mix float32 images (n, 3, h, w) with int64 labels (n,) by what `draw_mixing` gave, which is
    on their device. ``images`` is not changed; of a share of 1 the result is exactly itself."""
    share, weight, top, bottom, left, right = numbers.unbind()
    rows, columns = (torch.arange(side, device=images.device) for side in images.shape[-2:])
    inside = ((rows >= top) & (rows < bottom))[:, None] & (columns >= left) & (columns < right)
    weights = weight.expand(inside.shape).masked_fill(inside, 0.0)
    mixed = torch.lerp(images[partners], images, weights)
    return Mixed(mixed, labels, labels[partners], share)


def mixed_loss(
    logits: torch.Tensor, mixed: Mixed | torch.Tensor, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Return the mean cross-entropy in nats, of both labels by their weights, as a scalar tensor.

    ``logits`` is float32 (n, classes); in place of a mixed batch labels (n,) of one that is not.
    """
    if isinstance(mixed, torch.Tensor):
        return cross_entropy(logits, mixed, label_smoothing=label_smoothing)
    loss = cross_entropy(logits, mixed.labels, label_smoothing=label_smoothing)
    partners = cross_entropy(logits, mixed.partners, label_smoothing=label_smoothing)
    return mixed.share * loss + (1 - mixed.share) * partners


def mixed_correct(logits: torch.Tensor, mixed: Mixed | torch.Tensor) -> torch.Tensor:
    """Return how many predictions are right, each by its label's weight, as a scalar tensor.

    Of an unmixed batch the plain count, of a mixed one the share-weighted count (float32), as in
    the MixUp authors' code.
    """
    predictions = logits.argmax(dim=1)
    if isinstance(mixed, torch.Tensor):
        return (predictions == mixed).sum()
    right = (predictions == mixed.labels).sum()
    partners = (predictions == mixed.partners).sum()
    return mixed.share * right.float() + (1 - mixed.share) * partners.float()
