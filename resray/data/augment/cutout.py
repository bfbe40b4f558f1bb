"""Cutout: DeVries & Taylor, "Improved Regularization of CNNs with Cutout" (2017)."""

import torch

from resray.data.augment.operation import draw_chances, move
from resray.study import augmentation_spec


class Cutout:
    """See `augmentation_spec.Cutout`.

    It comes after the normalisation, where the dataset's mean is exactly 0.
    """

    def __init__(self, spec: augmentation_spec.Cutout, height: int, width: int) -> None:
        self.spec, self.height, self.width = spec, height, width

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then the row and the column of each hole's centre: float32 (count, k)."""
        chances = draw_chances(count, self.spec.probability, generator)
        shape = (count, self.spec.holes)
        rows = torch.randint(0, self.height, shape, generator=generator)
        columns = torch.randint(0, self.width, shape, generator=generator)
        return torch.cat([chances, rows, columns], dim=1)

    def cut(self, images: torch.Tensor, numbers: torch.Tensor) -> None:
        """Set holes in normalised images (n, 3, h, w) to 0, in place, by their rows of `draw`."""
        chosen = numbers[:, 0].nonzero()
        rows, columns = numbers[chosen[:, 0], 1:].long().chunk(2, dim=1)
        # A coordinate beyond the edge becomes the edge's, which lies in the hole in any case.
        offsets = torch.arange(self.spec.size) - self.spec.size // 2
        rows = (rows[:, :, None] + offsets).clamp_(0, self.height - 1)
        columns = (columns[:, :, None] + offsets).clamp_(0, self.width - 1)
        pixels = (rows[:, :, :, None] * self.width + columns[:, :, None, :]).flatten(1)
        place = move(chosen, images.device), slice(None), move(pixels, images.device)
        images.view(*images.shape[:2], -1)[place] = 0.0
