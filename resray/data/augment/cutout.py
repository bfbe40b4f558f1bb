"""Cutout and CoarseDropout: rectangular holes.

Cutout: DeVries & Taylor, "Improved Regularization of CNNs with Cutout" (2017).
"""

import torch

from resray.data.augment.operation import both_ends, draw_between, draw_chances, move
from resray.study import augmentation_spec


class Cutout:
    """See `augmentation_spec.Cutout`.

    With a pixel value as its fill it is an operation on uint8 images. Filled with the dataset's
    mean it comes after the normalisation, where that is exactly 0.
    """

    def __init__(self, spec: augmentation_spec.Cutout, height: int, width: int) -> None:
        self.spec, self.sides = spec, (height, width)
        self.smallest, self.largest = both_ends(spec.size)
        self.fewest, self.most = both_ends(spec.holes)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw whether, then each hole's first row, first column, last row and last column.

        float32 (count, 1 + 4 k), for the k holes that there are at most. A hole of an image that
        has fewer is its first one again.
        """
        chances = draw_chances(count, self.spec.probability, generator)
        first, sizes = self._places(count, generator)
        number = torch.randint(self.fewest, self.most + 1, (count, 1), generator=generator)
        holes = torch.cat([first, first + sizes - 1])
        holes = torch.where(torch.arange(self.most) < number, holes, holes[:, :, :1])
        return torch.cat([chances, *holes], dim=1)

    def _places(self, count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw first rows and columns, and heights and widths, each (2, count, k)."""
        shape = (count, self.most)
        if self.spec.inside:
            places = torch.rand(2, *shape, generator=generator)
        else:
            centres = [torch.randint(0, side, shape, generator=generator) for side in self.sides]
            places = torch.stack(centres)
        sizes = draw_between(self.smallest, self.largest, 2 * count, self.most, generator)
        sizes = sizes.floor().view(2, *shape)
        if not self.spec.inside:
            return places - sizes.div(2, rounding_mode="floor"), sizes
        sides = torch.tensor(self.sides).view(2, 1, 1)
        sizes = sizes.minimum(sides)
        return (places * (sides - sizes + 1)).floor(), sizes

    def apply(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        self._fill(images, torch.arange(len(images)), numbers, int(self.spec.fill))
        return images

    def cut(self, images: torch.Tensor, numbers: torch.Tensor) -> None:
        """Set holes in normalised images (n, 3, h, w) to 0, in place, by their rows of `draw`."""
        chosen = numbers[:, 0].nonzero()[:, 0]
        self._fill(images, chosen, numbers[chosen, 1:], 0.0)

    def _fill(
        self, images: torch.Tensor, chosen: torch.Tensor, holes: torch.Tensor, value: float
    ) -> None:
        """Set the ``holes`` (m, 4 k) of the ``chosen`` images (m,), in place."""
        top, left, bottom, right = holes.long().chunk(4, dim=1)
        rows = self._span(top, bottom, self.sides[0])
        columns = self._span(left, right, self.sides[1])
        pixels = (rows[:, :, :, None] * self.sides[1] + columns[:, :, None, :]).flatten(1)
        place = move(chosen[:, None], images.device), slice(None), move(pixels, images.device)
        images.view(*images.shape[:2], -1)[place] = value

    def _span(self, first: torch.Tensor, last: torch.Tensor, side: int) -> torch.Tensor:
        """Return the coordinates from first to last (m, k) as (m, k, largest size).

        One beyond the last, or beyond the image's edge, becomes that one, which lies in the hole.
        """
        every = first[:, :, None] + torch.arange(int(self.largest))
        return every.minimum(last[:, :, None]).clamp_(0, side - 1)
