"""The training step: from a batch's inputs on the device to the next weights.

It asks nothing of the device and gives it nothing from the host's memory, so nothing waits, and it
can be captured as a CUDA graph: what changes from one step to the next is in tensors.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from resray.data.loader import TrainLoader
from resray.data.per_image import PerImageLoader
from resray.models.build import outer_stages
from resray.study.recipe_spec import Recipe
from resray.training.device import autocast
from resray.training.evaluation import Tally
from resray.training.gradients import GradientNorms
from resray.training.mixing import UNMIXED, Mixed, mix, mixed_correct, mixed_loss, mixes
from resray.training.parts import Parts
from resray.training.profiling.regions import region

Inputs = Sequence[torch.Tensor]
"""What the loader's ``prepare`` takes and, where the recipe mixes, the partners and numbers of
`resray.training.mixing.draw_mixing`."""


class MicroBatch(NamedTuple):
    """What a batch is to its optimizer step; equal ones differ in their inputs only."""

    size: int
    """Images of the global batch."""
    images: int
    """This rank's."""
    weight: float
    """Of the mean loss of these images in what the step descends, before DDP's mean over ranks."""
    begins: bool
    ends: bool
    """Whether it is the first, and the last, of the batches whose gradients are averaged."""


def micro_batches(
    sizes: Sequence[int], counts: Sequence[int], accumulation: int, world_size: int
) -> list[MicroBatch]:
    """Return an epoch's batches, of ``sizes`` images in all and ``counts`` on this rank.

    An epoch's last step may have fewer batches than ``accumulation``.
    """
    found = []
    for first in range(0, len(sizes), accumulation):
        members = range(first, min(first + accumulation, len(sizes)))
        of_step = sum(sizes[index] for index in members)
        for index in members:
            # DDP averages over ranks: weighting by each rank's share gives the global mean.
            weight = counts[index] * world_size / of_step
            ends = index == members[-1]
            found.append(MicroBatch(sizes[index], counts[index], weight, index == first, ends))
    return found


class TrainingStep:
    """Forward, backward and update over one batch, and what is measured of it.

    ``recipe`` is the one in force, of which an epoch may have another than the one before it.
    """

    def __init__(self, recipe: Recipe, parts: Parts, loader: TrainLoader | PerImageLoader) -> None:
        self.recipe, self.parts, self.loader = recipe, parts, loader
        self.tally = Tally.empty(loader.device)
        self.norms = GradientNorms(*outer_stages(parts.network))
        self.parameters = list(parts.network.parameters())

    def __call__(self, batch: MicroBatch, inputs: Inputs, *, measured: bool) -> None:
        """Add a batch's gradient, and update if it is the last of its step.

        ``measured`` takes the gradient norms of a step that ends.
        """
        if batch.begins:
            # What later batches are added to has to stay where it is.
            with region("optimizer"):
                self.parts.optimizer.zero_grad(set_to_none=self.recipe.accumulation == 1)
        with self._reducing(batch.ends):
            self.add_gradient(batch, inputs)
        if batch.ends:
            self.update(measured=measured)

    def example(self, count: int) -> Inputs:
        """Return inputs of a batch of ``count`` images, to warm up with."""
        inputs = self.loader.example(count)
        if not mixes(self.recipe.mixing):
            return inputs
        device = self.loader.device
        return *inputs, torch.arange(count, device=device), torch.tensor(UNMIXED, device=device)

    def _prepared(self, inputs: Inputs) -> tuple[torch.Tensor, torch.Tensor | Mixed]:
        """Return a batch's images, and its labels or what it was mixed from."""
        if not mixes(self.recipe.mixing):
            return self.loader.prepare(*inputs)
        *inputs, partners, numbers = inputs
        mixed = mix(*self.loader.prepare(*inputs), partners, numbers)
        return mixed.images, mixed

    def _reducing(self, ends: bool) -> AbstractContextManager[None]:
        """Return the context of a batch: ranks exchange gradients only at a step's last one."""
        model = self.parts.model
        if ends or not isinstance(model, DistributedDataParallel):
            return nullcontext()
        return model.no_sync()

    def add_gradient(self, batch: MicroBatch, inputs: Inputs) -> None:
        """Go forward and backward through a batch."""
        with region("gather and augment"):
            images, targets = self._prepared(inputs)
        with region("forward"):
            with autocast(self.loader.device, self.parts.precision):
                logits = self.parts.model(images)
            logits = logits.float()
            loss = mixed_loss(logits, targets, self.recipe.label_smoothing)
        with region("backward"):
            self.parts.scaler.scale(loss * batch.weight).backward()
        with region("metrics"):
            self.tally.add(loss * batch.images, mixed_correct(logits, targets))

    def update(self, *, measured: bool) -> None:
        """Do the optimizer step, with what belongs to it before and after."""
        parts = self.parts
        with region("optimizer"):
            parts.scaler.unscale_(parts.optimizer)
        if measured:
            with region("metrics"):
                self.norms.measure()
        with region("optimizer"):
            if self.recipe.clip_gradient_norm is not None:
                nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_gradient_norm)
            parts.scaler.step(parts.optimizer)
            parts.scaler.update()
            if parts.average is not None:
                parts.average.update()
