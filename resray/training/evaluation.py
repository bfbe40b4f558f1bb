"""Loss and accuracy over a split, exact over any number of ranks."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed
from torch import nn
from torch.nn import functional

from resray.training.device import autocast, without_compiled_code


@dataclass
class Tally:
    """Sums over images, kept on the device in float64 so that nothing is rounded away.

    ``sums`` holds the summed loss and the number of correct predictions; how many images there
    were the host knows.
    """

    sums: torch.Tensor
    images: int = 0

    @classmethod
    def empty(cls, device: torch.device) -> "Tally":
        """Return a tally of no images."""
        return cls(torch.zeros(2, dtype=torch.float64, device=device))

    def clear(self) -> None:
        """Begin anew."""
        self.sums.zero_()
        self.images = 0

    def add(self, loss_sum: torch.Tensor, correct: torch.Tensor) -> None:
        """Add a batch's summed loss and correct predictions (scalars); `images` counts apart."""
        self.sums += torch.stack([loss_sum.detach().double(), correct.double()])

    def result(self, world_size: int) -> tuple[float | None, float | None, int]:
        """Return mean loss, accuracy in percent and number of images, over all ranks.

        Loss and accuracy are None where there were no images.
        """
        sums = torch.cat([self.sums, self.sums.new_tensor([self.images])])
        if world_size > 1:
            torch.distributed.all_reduce(sums)
        loss, correct, images = sums.tolist()
        if images == 0:
            return None, None, 0
        return loss / images, 100 * correct / images, int(images)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    device: torch.device,
    precision: str,
    world_size: int = 1,
) -> tuple[float | None, float | None]:
    """Return mean cross-entropy (nats) and accuracy (percent) of ``model`` in eval mode.

    ``batches`` yields this rank's share; with several ranks the result is that of all shares.
    The model is left in the mode it was in.
    """
    was_training = model.training
    model.eval()
    tally = Tally.empty(device)
    whole = 0
    for images, labels in batches:
        # A network is compiled for one size; a smaller last batch is not worth another.
        whole = whole or len(labels)
        with autocast(device, precision), without_compiled_code(len(labels) != whole):
            logits = model(images)
        logits = logits.float()
        loss_sum = functional.cross_entropy(logits, labels, reduction="sum")
        tally.add(loss_sum, (logits.argmax(dim=1) == labels).sum())
        tally.images += len(labels)
    model.train(was_training)
    loss, accuracy, _ = tally.result(world_size)
    return loss, accuracy
