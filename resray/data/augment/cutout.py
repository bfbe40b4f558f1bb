"""Cutout and CoarseDropout: rectangular holes.

Cutout: DeVries & Taylor, "Improved Regularization of CNNs with Cutout" (2017).
"""

import torch

from resray.data.augment.operation import both_ends, draw_between, draw_chances
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
        return images.masked_fill(self._inside(numbers), int(self.spec.fill))

    def cut(self, images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return normalised images (n, 3, h, w) with 0 in the holes of their rows of `draw`."""
        chosen = numbers[:, :1].bool()[:, :, None, None]
        return images.masked_fill_(self._inside(numbers[:, 1:]) & chosen, 0.0)

    def _inside(self, holes: torch.Tensor) -> torch.Tensor:
        """Return which pixels lie in one of the holes (n, 4 k), as bool (n, 1, h, w)."""
        top, left, bottom, right = holes[:, :, None].chunk(4, dim=1)
        rows, columns = (torch.arange(side, device=holes.device) for side in self.sides)
        down = (rows >= top) & (rows <= bottom)
        across = (columns >= left) & (columns <= right)
        return (down[:, :, :, None] & across[:, :, None, :]).any(dim=1, keepdim=True)
