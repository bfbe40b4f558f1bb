"""Loss and accuracy over a split, exact over any number of ranks."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import nn
from torch.nn import functional

from resray.data.loader import EvalLoader
from resray.errors import DivergedError
from resray.study.recipe_spec import Recipe
from resray.training.context import Context
from resray.training.device import allow_tf32, autocast, wait_for, without_compiled_code
from resray.training.parts import Parts, broadcast_buffers
from resray.training.profiling.regions import region

Record = dict[str, Any]
T = TypeVar("T")

NOT_EVALUATED: Record = {
    "validation_loss": None,
    "validation_accuracy": None,
    "test_loss": None,
    "test_accuracy": None,
    "seconds_evaluating": 0.0,
}
"""What is recorded of an epoch between two evaluations."""


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
    predicted: list[torch.Tensor] | None = None,
) -> tuple[float | None, float | None]:
    """Return mean cross-entropy (nats) and accuracy (percent) of ``model`` in eval mode.

    ``batches`` yields this rank's share; with several ranks the result is that of all shares. To
    ``predicted`` each batch's predicted classes (int64, on the device) are added.
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
        classes = logits.argmax(dim=1)
        tally.add(loss_sum, (classes == labels).sum())
        tally.images += len(labels)
        if predicted is not None:
            predicted.append(classes)
    model.train(was_training)
    loss, accuracy, _ = tally.result(world_size)
    return loss, accuracy


def evaluate_splits(
    loaders: Mapping[str, EvalLoader | None],
    parts: Parts,
    recipe: Recipe,
    context: Context,
    *,
    epoch: int,
    batches: int | None = None,
    predicted: list[torch.Tensor] | None = None,
) -> Record:
    """Return loss and accuracy of each split, None for one that is left alone, and the seconds.

    ``batches`` looks at so many of each, to warm up; to ``predicted`` the classes predicted of this
    rank's share of test are added. Raises DivergedError if a loss is not finite.
    """
    started = time.perf_counter()
    if context.world_size > 1:
        broadcast_buffers(parts.evaluated)
    precision = "fp32" if recipe.eval_precision == "fp32" else parts.precision
    allow_tf32(precision == "tf32")
    measured: Record = {}
    for split, loader in loaders.items():
        loss = accuracy = None
        if loader is not None:
            with region("evaluation"):
                loss, accuracy = evaluate(
                    parts.evaluated,
                    watched(islice(loader, batches), context),
                    device=context.device,
                    precision=precision,
                    world_size=context.world_size,
                    predicted=predicted if split == "test" else None,
                )
        if batches is None:
            require_finite(split, loss, epoch)
        measured |= {f"{split}_loss": loss, f"{split}_accuracy": accuracy}
    allow_tf32(parts.precision == "tf32")
    wait_for(context.device)
    return {**measured, "seconds_evaluating": time.perf_counter() - started}


def watched(batches: Iterable[T], context: Context) -> Iterator[T]:
    """Yield the batches, checking in after each."""
    for batch in batches:
        yield batch
        context.check_in()


def require_finite(split: str, loss: float | None, epoch: int) -> None:
    """Raise DivergedError if the loss is not finite; None says that the split has no images."""
    if loss is not None and not math.isfinite(loss):
        raise DivergedError(f"{split} loss is {loss} in epoch {epoch}")
