"""From a restored network and uint8 images to class probabilities, over one or more views.

Views of an image, for test-time augmentation: the image itself, the four that are shifted into the
corners by an eighth of its side (4 pixels at 32), black coming in as in training, and the mirror
images of these five. After the ten crops of Krizhevsky et al. (2012); their probabilities are
averaged.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from resray.data.loader import Normalise
from resray.training.device import autocast, pick_channels_last, pick_precision
from resray.training.restore import Restored

SHIFT = 8
"""Shifts are the side divided by this."""

_CORNERS = ((1, 1), (0, 0), (0, 2), (2, 0), (2, 2))
"""Where the view begins in the padded image, in shifts; the middle comes first."""


class Predictor:
    """A trained network on a device, from uint8 images to probabilities.

    Computes in the precision and layout that its recipe chooses on ``device``, as the evaluation
    during training did.
    """

    def __init__(self, restored: Restored, device: torch.device, batch_size: int = 500) -> None:
        self.class_names, self.image_size = restored.class_names, restored.image_size
        self.device, self.batch_size = device, batch_size
        self.precision = pick_precision(restored.recipe, device)
        self.network = restored.network.eval()
        channels_last = pick_channels_last(restored.recipe, self.network, restored.image_size)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network.to(device, memory_format=layout)  # type: ignore[call-overload]
        self.normalise = Normalise(restored.mean, restored.std, device, channels_last)

    def probabilities(self, images: torch.Tensor, views: int = 1) -> torch.Tensor:
        """Return the mean of the first ``views`` views' probabilities, float64 (n, classes)."""
        return torch.stack([self.of_view(images, view) for view in range(views)]).mean(0)

    @torch.inference_mode()
    def of_view(self, images: torch.Tensor, view: int) -> torch.Tensor:
        """Return one view's probabilities of uint8 images (n, 3, h, w) on the CPU, as float64."""
        parts = [self._of_batch(batch, view) for batch in images.split(self.batch_size)]
        return torch.cat(parts)

    def _of_batch(self, images: torch.Tensor, view: int) -> torch.Tensor:
        batch = self.normalise(view_of(images.to(self.device), view))
        with autocast(self.device, self.precision):
            logits = self.network(batch)
        return logits.double().softmax(1).cpu()


def view_of(images: torch.Tensor, view: int) -> torch.Tensor:
    """Return a view of images (n, 3, h, w): 0 the images, 1 to 4 shifted, 5 to 9 mirrored."""
    height, width = images.shape[-2:]
    if view % len(_CORNERS):
        rows, columns = height // SHIFT, width // SHIFT
        down, right = _CORNERS[view % len(_CORNERS)]
        padded = functional.pad(images, (columns, columns, rows, rows))
        top, left = down * rows, right * columns
        images = padded[..., top : top + height, left : left + width]
    return images.flip(3) if view >= len(_CORNERS) else images


def ensemble(
    predictors: Sequence[Predictor], images_at: Callable[[int], torch.Tensor], views: int = 1
) -> torch.Tensor:
    """Return the mean of the networks' probabilities, float64 (n, classes).

    ``images_at`` gives the images at a network's size in pixels.
    """
    parts = [one.probabilities(images_at(one.image_size), views) for one in predictors]
    return torch.stack(parts).mean(0)
